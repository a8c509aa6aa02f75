// Options by name, as a configuration file and D-Bus give them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace zc {

using SettingValue = std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>>;

/// One option by name.
struct Setting {
  std::string name;
  SettingValue value;
  std::string where;                  ///< opens the message of an error: "zerocast.toml:12:3"; empty: nothing
  std::vector<std::string> places{};  ///< the same of each of several texts; empty: `where` is theirs
};

/// What holds for sessions that do not say otherwise: the configuration's tables [record], and [stream] for live ones.
struct SessionDefaults {
  std::vector<Setting> record;
  std::vector<Setting> stream;
};

/// As one would write it in the configuration file: true, 30, "hevc", ["a.mkv"]. The options of URLs, which may hold a
/// passphrase or key, are left out.
[[nodiscard]] std::string setting_text(const SettingValue& value);

/// Whether it names a network peer or a camera; a file otherwise.
[[nodiscard]] bool is_url(std::string_view sink);
/// A sink's name for logs and interfaces: without the options of URLs.
[[nodiscard]] std::string sink_name(std::string_view sink);
/// Whether it is a URL with a passphrase or a key among its options.
[[nodiscard]] bool holds_secret(std::string_view sink);

}  // namespace zc
