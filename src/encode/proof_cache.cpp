#include "encode/proof_cache.h"

#include "base/private_file.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace zc {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxFileBytes = std::size_t{1024} * 1024;

struct Entry {
  std::string key;
  Proof proof;
  std::int64_t at = 0;  ///< seconds since 1970
  std::string boot;     ///< the kernel's name for this start of the machine
};

std::int64_t now_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string boot_id() { return read_small_file("/proc/sys/kernel/random/boot_id", 64).value_or(std::string()); }

template <class T>
std::optional<T> field(const Json& line, const char* name, bool (Json::*is)() const noexcept) {
  const auto found = line.find(name);
  if (found == line.end() || !((*found).*is)()) return std::nullopt;
  return found->get<T>();
}

std::optional<Entry> read_line(std::string_view text) {
  const Json line = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!line.is_object()) return std::nullopt;
  auto key = field<std::string>(line, "key", &Json::is_string);
  const auto works = field<bool>(line, "works", &Json::is_boolean);
  auto remark = field<std::string>(line, "remark", &Json::is_string);
  const auto at = field<std::int64_t>(line, "at", &Json::is_number_integer);
  auto boot = field<std::string>(line, "boot", &Json::is_string);
  if (!key || key->empty() || !works || !remark || !at || !boot) return std::nullopt;
  return Entry{std::move(*key), {*works, std::move(*remark)}, *at, std::move(*boot)};
}

/// Oldest first, each key once.
Result<std::vector<Entry>> read_entries(const std::filesystem::path& file) {
  const auto text = read_small_file(file, kMaxFileBytes);
  if (!text) return std::unexpected(text.error());
  std::vector<Entry> entries;
  for (std::string_view rest = *text; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    if (auto entry = read_line(rest.substr(0, end))) {
      std::erase_if(entries, [&](const Entry& before) { return before.key == entry->key; });
      entries.push_back(std::move(*entry));
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return entries;
}

Result<void> write_entries(const std::filesystem::path& file, const std::vector<Entry>& entries) {
  std::string text;
  for (const Entry& entry : entries) {
    const Json line{{"key", entry.key},
                    {"works", entry.proof.works},
                    {"remark", entry.proof.remark},
                    {"at", entry.at},
                    {"boot", entry.boot}};
    text += line.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
  }
  return replace_private_file(file, text);
}

}  // namespace

Result<ProofCache> ProofCache::in_cache_home() {
  const auto folder = xdg_folder("XDG_CACHE_HOME", ".cache");
  if (!folder) return std::unexpected(folder.error());
  return ProofCache(*folder / "zerocast" / "encoders");
}

std::optional<Proof> ProofCache::find(std::string_view key) const {
  auto entries = read_entries(file_);
  if (!entries) return std::nullopt;
  for (Entry& entry : *entries) {
    if (entry.key != key) continue;
    if (entry.proof.works) return std::move(entry.proof);
    const std::int64_t age = now_seconds() - entry.at;
    if (age < 0 || age >= kRefusalLifeSeconds || entry.boot != boot_id()) return std::nullopt;
    return std::move(entry.proof);
  }
  return std::nullopt;
}

Result<void> ProofCache::store(std::string_view key, const Proof& proof) const {
  if (auto made = make_private_folders(file_.parent_path()); !made) return made;
  const auto locked = lock_private_file(file_);
  if (!locked) return std::unexpected(locked.error());
  // A file that cannot be read is replaced by one that can.
  std::vector<Entry> entries = read_entries(file_).value_or(std::vector<Entry>());
  std::erase_if(entries, [&](const Entry& entry) { return entry.key == key; });
  entries.push_back({std::string(key), proof, now_seconds(), boot_id()});
  if (entries.size() > kMostEntries) {
    entries.erase(entries.begin(), entries.end() - static_cast<std::ptrdiff_t>(kMostEntries));
  }
  return write_entries(file_, entries);
}

Result<void> ProofCache::forget(std::string_view key) const {
  auto before = read_entries(file_);
  if (!before) return std::unexpected(before.error());
  const auto has = [&](const Entry& entry) { return entry.key == key; };
  if (std::ranges::none_of(*before, has)) return {};
  const auto locked = lock_private_file(file_);
  if (!locked) return std::unexpected(locked.error());
  auto entries = read_entries(file_);
  if (!entries) return std::unexpected(entries.error());
  std::erase_if(*entries, has);
  return write_entries(file_, *entries);
}

}  // namespace zc
