// A table of the configuration file that is not made of the command line's options.
#pragma once

#include "base/error.h"
#include "config/setting_value.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

struct TableSettingInfo {
  std::string_view name;
  std::string_view help;      ///< sentences
  std::string_view fallback;  ///< the default, as one would write it; empty: unset
};

struct ListenAddress {
  std::string host = "127.0.0.1";  ///< numeric
  std::uint16_t port = 0;
  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};
/// "127.0.0.1:9464", "[::1]:9464". Invalid otherwise.
[[nodiscard]] Result<ListenAddress> parse_listen_address(std::string_view text, std::string_view example);

/// What is wrong with a value; nullopt: nothing.
using Complaint = std::optional<std::string>;
template <class Settings>
using Setter = Complaint (*)(const SettingValue& value, Settings& settings);

/// Invalid: an unknown name (naming those there are) or what a setter says, with the place it stands at. `setters`: in
/// the order of `infos`.
template <class Settings>
[[nodiscard]] Result<Settings> read_settings_table(std::span<const Setting> given,
                                                   std::span<const TableSettingInfo> infos,
                                                   std::span<const Setter<Settings>> setters) {
  Settings settings;
  for (const Setting& setting : given) {
    const auto found = std::ranges::find(infos, setting.name, &TableSettingInfo::name);
    Complaint complaint;
    if (found == infos.end()) {
      std::vector<std::string_view> names;
      for (const TableSettingInfo& info : infos) names.push_back(info.name);
      complaint = fmt::format("there is no such setting; there are {}", fmt::join(names, ", "));
    } else {
      complaint = setters[static_cast<std::size_t>(found - infos.begin())](setting.value, settings);
    }
    if (complaint) {
      return fail(ErrorKind::Invalid,
                  setting.where.empty() ? setting.name : fmt::format("{}: {}", setting.where, setting.name),
                  *std::move(complaint));
    }
  }
  return settings;
}

}  // namespace zc
