// The table [daemon] of the configuration file.
#pragma once

#include "base/error.h"
#include "config/setting_value.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace zc {

struct MetricsAddress {
  std::string host = "127.0.0.1";  ///< numeric
  std::uint16_t port = 0;
  friend bool operator==(const MetricsAddress&, const MetricsAddress&) = default;
};

struct DaemonSettings {
  std::optional<MetricsAddress> metrics;  ///< unset: no metrics over HTTP
  bool notify = true;                     ///< a desktop notification when a session starts to capture
  std::size_t max_sessions = 16;          ///< at a time
  std::size_t max_sinks = 8;              ///< of one session
};

struct DaemonSettingInfo {
  std::string_view name;
  std::string_view help;      ///< sentences
  std::string_view fallback;  ///< the default, as one would write it; empty: unset
};
/// In the order the documentation shows them.
[[nodiscard]] std::span<const DaemonSettingInfo> daemon_setting_infos();

/// Invalid: an unknown name (naming those there are), a wrong type, a value out of range; with the place it stands at.
[[nodiscard]] Result<DaemonSettings> daemon_settings_from(std::span<const Setting> settings);

}  // namespace zc
