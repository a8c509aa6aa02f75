// The table [daemon] of the configuration file.
#pragma once

#include "base/error.h"
#include "config/setting_table.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace zc {

struct DaemonSettings {
  std::optional<ListenAddress> metrics;  ///< unset: no metrics over HTTP
  bool notify = true;                    ///< a desktop notification when a session starts to capture
  std::size_t max_sessions = 16;         ///< at a time
  std::size_t max_sinks = 8;             ///< of one session
};

/// In the order the documentation shows them.
[[nodiscard]] std::span<const TableSettingInfo> daemon_setting_infos();

/// Errors as read_settings_table().
[[nodiscard]] Result<DaemonSettings> daemon_settings_from(std::span<const Setting> settings);

}  // namespace zc
