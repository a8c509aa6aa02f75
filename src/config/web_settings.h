// The table [web] of the configuration file.
#pragma once

#include "config/setting_table.h"

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace zc {

struct WebSettings {
  std::optional<ListenAddress> listen;  ///< unset: the daemon serves no page
  std::vector<std::string> hosts;       ///< further names that lead to the server; the first one is put into links
  std::string certificate;              ///< PEM file; empty: one is made where TLS is needed
  std::string key;                      ///< PEM file; empty: it is in the certificate's
  friend bool operator==(const WebSettings&, const WebSettings&) = default;
};

/// In the order the documentation shows them.
[[nodiscard]] std::span<const TableSettingInfo> web_setting_infos();

/// Errors as read_settings_table().
[[nodiscard]] Result<WebSettings> web_settings_from(std::span<const Setting> settings);

}  // namespace zc
