// The user's configuration file.
#pragma once

#include "base/error.h"
#include "config/config_tables.h"
#include "settings/setting.h"

#include <string>
#include <string_view>
#include <vector>

namespace zc {

/// The settings of one session that the daemon starts by its name.
struct SessionTemplate {
  std::string name;
  std::vector<Setting> settings;  ///< of the scope Template
};

/// What the file says, checked.
struct Config {
  std::string path;                       ///< where it was read from; empty: there is none
  std::vector<Setting> record;            ///< of its table [record]: defaults of `zerocast record`
  std::vector<Setting> stream;            ///< of its table [stream]
  std::vector<Setting> daemon;            ///< of its table [daemon]
  std::vector<Setting> web;               ///< of its table [web]
  std::vector<SessionTemplate> sessions;  ///< of its tables [sessions.NAME]
};

/// parse_config_tables(), and every setting checked. Invalid: a setting or a value that zerocast does not know, naming
/// those it does. Takes any bytes.
[[nodiscard]] Result<Config> parse_config(std::string_view text, std::string_view name);

/// read_config_tables(), checked likewise.
[[nodiscard]] Result<Config> read_config();

}  // namespace zc
