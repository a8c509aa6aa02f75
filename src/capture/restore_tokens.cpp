#include "capture/restore_tokens.h"

#include "base/clock.h"
#include "base/unique_fd.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

namespace zc {
namespace {

using Json = nlohmann::json;
using Entries = std::map<RestoreKey, RestoreToken>;

constexpr std::size_t kMaxFileBytes = std::size_t{256} * 1024;
constexpr std::chrono::seconds kLockPatience{2};

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

std::optional<std::pair<RestoreKey, RestoreToken>> read_line(std::string_view text) {
  const Json line = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!line.is_object()) return std::nullopt;
  RestoreKey key{text_field(line, "type"), text_field(line, "slot")};
  RestoreToken token{text_field(line, "token"), {}};
  if (key.type.empty() || token.token.empty() || !RestoreTokens::good_slot(key.slot)) return std::nullopt;
  StreamIdentity& identity = token.identity;
  const auto source_type = line.find("source_type");
  if (source_type != line.end() && source_type->is_number_unsigned() &&
      std::in_range<std::uint32_t>(source_type->get<std::uint64_t>())) {
    identity.source_type = source_type->get<std::uint32_t>();
  }
  if (const auto size = pair_field<std::uint32_t>(line, "size")) identity.size = Size{size->first, size->second};
  if (const auto at = pair_field<std::int32_t>(line, "position")) identity.position = Point{at->first, at->second};
  identity.id = text_field(line, "id");
  identity.mapping_id = text_field(line, "mapping_id");
  return std::pair(std::move(key), std::move(token));
}

std::string write_line(const RestoreKey& key, const RestoreToken& token) {
  Json line{{"type", key.type}, {"slot", key.slot}, {"token", token.token}};
  const StreamIdentity& identity = token.identity;
  if (identity.source_type) line["source_type"] = *identity.source_type;
  if (identity.size) line["size"] = {identity.size->width, identity.size->height};
  if (identity.position) line["position"] = {identity.position->x, identity.position->y};
  if (!identity.id.empty()) line["id"] = identity.id;
  if (!identity.mapping_id.empty()) line["mapping_id"] = identity.mapping_id;
  return line.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

// --- the file -------------------------------------------------------------------------------------------------------

/// Everything that makes sense; the file may be missing, be cut off or hold garbage.
Result<Entries> read_entries(const std::filesystem::path& file) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));  // no waiting for the writer of a FIFO
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) return Entries{};
    return fail_errno(errno, fmt::format("read {}", file.native()));
  }
  std::string text;
  text.resize(kMaxFileBytes);
  std::size_t used = 0;
  while (used < text.size()) {
    const ssize_t got = ::read(fd.get(), text.data() + used, text.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, fmt::format("read {}", file.native()));
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
  }
  text.resize(used);
  Entries entries;
  for (std::string_view rest = text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (auto entry = read_line(rest.substr(0, end))) entries.insert_or_assign(entry->first, std::move(entry->second));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return entries;
}

Result<void> make_folders(const std::filesystem::path& folder) {
  std::filesystem::path path;
  for (const auto& part : folder) {
    path /= part;
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST && errno != EISDIR) {
      // An unreadable or read-only parent that exists answers EACCES or EROFS: only the last word counts.
      const int why = errno;
      if (struct stat info{}; ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) continue;
      return fail_errno(why, fmt::format("make the folder {}", path.native()));
    }
  }
  return {};
}

/// Waits for the lock that serialises read-modify-write. The lock file stays; it dies with the descriptor.
Result<UniqueFd> lock(const std::filesystem::path& file) {
  const std::string name = file.native() + ".lock";
  UniqueFd fd(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return fail_errno(errno, fmt::format("lock {}", file.native()));
  const Nanoseconds deadline = monotonic_now() + kLockPatience;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return fail_errno(errno, fmt::format("lock {}", file.native()));
    if (monotonic_now() > deadline) return fail_errno(EBUSY, fmt::format("lock {}", file.native()));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return fd;
}

Result<void> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno(errno, "write");
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

Result<void> replace(const std::filesystem::path& file, const Entries& entries) {
  const std::string operation = fmt::format("write {}", file.native());
  std::string text;
  for (const auto& [key, token] : entries) text += write_line(key, token);
  const std::string temporary = file.native() + ".new";  // one writer at a time: the lock is held
  ::unlink(temporary.c_str());
  const UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return fail_errno(errno, operation);
  auto written = write_all(fd.get(), text);
  if (written && ::fsync(fd.get()) != 0) written = fail_errno(errno, operation);
  if (written && ::rename(temporary.c_str(), file.c_str()) != 0) written = fail_errno(errno, operation);
  if (!written) {
    ::unlink(temporary.c_str());
    written.error().operation = operation;
    return written;
  }
  // The rename itself is durable once the folder is. Not every file system can sync one; the content is safe anyway.
  const UniqueFd folder(::open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder) static_cast<void>(::fsync(folder.get()));
  return {};
}

std::optional<std::filesystem::path> absolute_from(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value != '/') return std::nullopt;
  return std::filesystem::path(value);
}

}  // namespace

Result<RestoreTokens> RestoreTokens::in_state_home() {
  auto state = absolute_from("XDG_STATE_HOME");
  if (!state) {
    const auto home = absolute_from("HOME");
    if (!home) {
      return fail(ErrorKind::NotFound, "find the state folder",
                  "neither XDG_STATE_HOME nor HOME holds an absolute path");
    }
    state = *home / ".local" / "state";
  }
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
  if (auto made = make_folders(file_.parent_path()); !made) return made;
  const auto locked = lock(file_);
  if (!locked) return std::unexpected(locked.error());
  auto entries = read_entries(file_);
  if (!entries) return std::unexpected(entries.error());
  entries->insert_or_assign(key, token);
  return replace(file_, *entries);
}

Result<void> RestoreTokens::remove(const RestoreKey& key) const {
  if (const auto found = find(key); !found || !*found) return found ? Result<void>{} : std::unexpected(found.error());
  const auto locked = lock(file_);
  if (!locked) return std::unexpected(locked.error());
  auto entries = read_entries(file_);
  if (!entries) return std::unexpected(entries.error());
  entries->erase(key);
  return replace(file_, *entries);
}

}  // namespace zc
