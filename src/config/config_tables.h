// The configuration file as tables of settings, before anybody asks what they mean.
#pragma once

#include "base/error.h"
#include "config/setting_value.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

struct ConfigTable {
  std::string name;   ///< "record"; of a table inside another one "sessions.meeting"
  std::string where;  ///< "zerocast.toml:12:1"
  std::vector<Setting> settings;
};

struct ConfigTables {
  std::string path;  ///< where it was read from; empty: there is none
  std::vector<ConfigTable> tables;
  bool others_read = false;  ///< the file's mode lets users other than its owner read it
};

/// $ZEROCAST_CONFIG, else $XDG_CONFIG_HOME/zerocast/zerocast.toml, else $HOME/.config/zerocast/zerocast.toml. nullopt:
/// none of these variables is set.
[[nodiscard]] std::optional<std::string> config_path();

/// `text` as TOML 1.0; `name` opens messages, with line and column. Invalid: it is none, it has a table that zerocast
/// does not know (those there are: record, stream, daemon, web, sessions.NAME, an array of tables: layers), or a value
/// of a type that no setting has. Layers of the file's own are among the settings of record and stream, unless these
/// have some. Takes any bytes.
[[nodiscard]] Result<std::vector<ConfigTable>> parse_config_tables(std::string_view text, std::string_view name);

/// The file at config_path(). No such file has no tables, but is an error when $ZEROCAST_CONFIG names it. Errors as
/// parse_config_tables(), and those of reading.
[[nodiscard]] Result<ConfigTables> read_config_tables();

/// One line for the owner of a file that holds a passphrase or key and that others can read, with what to do; nullopt:
/// it is none.
[[nodiscard]] std::optional<std::string> exposure_warning(const ConfigTables& config);

}  // namespace zc
