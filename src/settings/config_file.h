// The user's configuration file.
#pragma once

#include "base/error.h"
#include "settings/setting.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

/// What it says, checked.
struct Config {
  std::string path;             ///< where it was read from; empty: there is none
  std::vector<Setting> record;  ///< of its table [record]: defaults of `zerocast record`
  std::vector<Setting> stream;  ///< of its table [stream]
};

/// $ZEROCAST_CONFIG, else $XDG_CONFIG_HOME/zerocast/zerocast.toml, else $HOME/.config/zerocast/zerocast.toml. nullopt:
/// none of these variables is set.
[[nodiscard]] std::optional<std::string> config_path();

/// `text` as TOML 1.0; `name` opens messages, with line and column. Invalid: it is none, or has a table, a setting or a
/// value that zerocast does not know, naming those it does. Takes any bytes.
[[nodiscard]] Result<Config> parse_config(std::string_view text, std::string_view name);

/// The file at config_path(). No such file is an empty configuration, but an error when $ZEROCAST_CONFIG names it.
/// Errors as parse_config(), and those of reading.
[[nodiscard]] Result<Config> read_config();

}  // namespace zc
