#include "capture/restore_tokens.h"

#include "base/private_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

namespace zc {
namespace {

using Json = nlohmann::json;
using Entries = std::map<RestoreKey, RestoreToken>;

constexpr const char* kOthers = "others";  // the streams of a token after its first one
constexpr std::size_t kMaxFileBytes = std::size_t{256} * 1024;

// --- one line -------------------------------------------------------------------------------------------------------

std::string text_field(const Json& line, const char* name) {
  const auto field = line.find(name);
  return field != line.end() && field->is_string() ? field->get<std::string>() : std::string();
}

/// Two whole numbers that fit into `Number`; anything else is nothing.
template <class Number>
std::optional<std::pair<Number, Number>> pair_field(const Json& line, const char* name) {
  const auto field = line.find(name);
  if (field == line.end() || !field->is_array() || field->size() != 2) return std::nullopt;
  const auto fits = [](const Json& value) {
    if (!value.is_number_integer()) return false;
    // Unsigned beyond int64 reads as negative here, which an unsigned Number refuses and a signed one cannot reach.
    return std::in_range<Number>(value.get<std::int64_t>());
  };
  if (!fits((*field)[0]) || !fits((*field)[1])) return std::nullopt;
  return std::pair((*field)[0].get<Number>(), (*field)[1].get<Number>());
}

StreamIdentity read_identity(const Json& line) {
  StreamIdentity identity;
  const auto source_type = line.find("source_type");
  if (source_type != line.end() && source_type->is_number_unsigned() &&
      std::in_range<std::uint32_t>(source_type->get<std::uint64_t>())) {
    identity.source_type = source_type->get<std::uint32_t>();
  }
  if (const auto size = pair_field<std::uint32_t>(line, "size")) identity.size = Size{size->first, size->second};
  if (const auto at = pair_field<std::int32_t>(line, "position")) identity.position = Point{at->first, at->second};
  identity.id = text_field(line, "id");
  identity.mapping_id = text_field(line, "mapping_id");
  return identity;
}

void write_identity(const StreamIdentity& identity, Json& line) {
  if (identity.source_type) line["source_type"] = *identity.source_type;
  if (identity.size) line["size"] = {identity.size->width, identity.size->height};
  if (identity.position) line["position"] = {identity.position->x, identity.position->y};
  if (!identity.id.empty()) line["id"] = identity.id;
  if (!identity.mapping_id.empty()) line["mapping_id"] = identity.mapping_id;
}

std::optional<std::pair<RestoreKey, RestoreToken>> read_line(std::string_view text) {
  const Json line = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!line.is_object()) return std::nullopt;
  RestoreKey key{text_field(line, "type"), text_field(line, "slot")};
  RestoreToken token{text_field(line, "token"), {}};
  if (key.type.empty() || token.token.empty() || !RestoreTokens::good_slot(key.slot)) return std::nullopt;
  token.streams.push_back(read_identity(line));
  const auto others = line.find(kOthers);
  if (others != line.end() && others->is_array()) {
    for (const Json& other : *others) {
      if (other.is_object()) token.streams.push_back(read_identity(other));
    }
  }
  return std::pair(std::move(key), std::move(token));
}

std::string write_line(const RestoreKey& key, const RestoreToken& token) {
  Json line{{"type", key.type}, {"slot", key.slot}, {"token", token.token}};
  if (!token.streams.empty()) write_identity(token.streams.front(), line);
  for (std::size_t i = 1; i < token.streams.size(); ++i) {
    Json other = Json::object();
    write_identity(token.streams[i], other);
    line[kOthers].push_back(std::move(other));
  }
  return line.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

// --- the file -------------------------------------------------------------------------------------------------------

/// Everything that makes sense; the file may be missing, be cut off or hold garbage.
Result<Entries> read_entries(const std::filesystem::path& file) {
  const auto text = read_small_file(file, kMaxFileBytes);
  if (!text) return std::unexpected(text.error());
  Entries entries;
  for (std::string_view rest = *text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (auto entry = read_line(rest.substr(0, end))) entries.insert_or_assign(entry->first, std::move(entry->second));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return entries;
}

Result<void> replace(const std::filesystem::path& file, const Entries& entries) {
  std::string text;
  for (const auto& [key, token] : entries) text += write_line(key, token);
  return replace_private_file(file, text);
}

}  // namespace

Result<RestoreTokens> RestoreTokens::in_state_home() {
  const auto state = xdg_folder("XDG_STATE_HOME", ".local/state");
  if (!state) return std::unexpected(state.error());
  return RestoreTokens(*state / "zerocast" / "restore-tokens");
}

bool RestoreTokens::good_slot(std::string_view slot) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !slot.empty() && slot.size() <= 64 && slot.find_first_not_of(kAllowed) == std::string_view::npos;
}

Result<std::optional<RestoreToken>> RestoreTokens::find(const RestoreKey& key) const {
  auto entries = read_entries(file_);
  if (!entries) return std::unexpected(entries.error());
  const auto entry = entries->find(key);
  if (entry == entries->end()) return std::nullopt;
  return std::move(entry->second);
}

Result<void> RestoreTokens::store(const RestoreKey& key, const RestoreToken& token) const {
  if (!good_slot(key.slot)) {
    return fail(ErrorKind::Invalid, "keep a restore token",
                fmt::format("'{}' is not a name of 1 to 64 characters A-Z a-z 0-9 . _ -", key.slot));
  }
  if (auto made = make_private_folders(file_.parent_path()); !made) return made;
  const auto locked = lock_private_file(file_);
  if (!locked) return std::unexpected(locked.error());
  auto entries = read_entries(file_);
  if (!entries) return std::unexpected(entries.error());
  entries->insert_or_assign(key, token);
  return replace(file_, *entries);
}

Result<void> RestoreTokens::remove(const RestoreKey& key) const {
  if (const auto found = find(key); !found || !*found) return found ? Result<void>{} : std::unexpected(found.error());
  const auto locked = lock_private_file(file_);
  if (!locked) return std::unexpected(locked.error());
  auto entries = read_entries(file_);
  if (!entries) return std::unexpected(entries.error());
  entries->erase(key);
  return replace(file_, *entries);
}

}  // namespace zc
