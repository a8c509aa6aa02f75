#include "daemon/session_files.h"

#include "base/file_names.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

namespace zc::daemon {

Result<void> name_files(std::vector<Setting>& settings, std::span<const Setting> defaults, std::string_view session,
                        bool from_template) {
  const auto find = [&](std::string_view name) { return std::ranges::find(settings, name, &Setting::name); };
  const auto value = [&]<class T>(std::string_view name, T otherwise) {
    const auto own = find(name);
    const auto below = std::ranges::find(defaults, name, &Setting::name);
    const T* found = own != settings.end()     ? std::get_if<T>(&own->value)
                     : below != defaults.end() ? std::get_if<T>(&below->value)
                                               : nullptr;
    return found == nullptr ? otherwise : *found;
  };
  const bool replaces = value("overwrite", false);
  const auto name = [&](std::string& sink) -> Result<void> {
    if (is_url(sink)) return {};
    auto path = expand_file_name(sink, session);
    if (!path) return std::unexpected(std::move(path.error()));
    std::error_code unknown;
    // A FIFO or a device is there to be written to.
    const bool taken = from_template && !replaces && std::filesystem::is_regular_file(*path, unknown);
    sink = taken ? free_path(*path) : *std::move(path);
    return {};
  };
  const auto sinks = find("sinks");
  if (sinks == settings.end()) {
    if (find("replay-seconds") != settings.end()) return {};
    auto path = default_file(value("container", std::string("mkv")));
    if (!path) return std::unexpected(std::move(path.error()));
    settings.push_back({.name = "sinks", .value = std::vector{*std::move(path)}, .where = {}});
    return {};
  }
  if (auto* one = std::get_if<std::string>(&sinks->value)) return name(*one);
  auto* list = std::get_if<std::vector<std::string>>(&sinks->value);
  if (list == nullptr) return {};  // which the session's process refuses
  for (std::string& sink : *list) {
    if (auto named = name(sink); !named) return named;
  }
  return {};
}

}  // namespace zc::daemon
