#include "settings/config_file.h"

#include "config/daemon_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace zc {
namespace {

constexpr std::string_view kSessionPrefix = "sessions.";

Result<void> check_table(const ConfigTable& table) {
  if (table.name == "daemon") {
    const auto daemon = daemon_settings_from(table.settings);
    return daemon ? Result<void>{} : std::unexpected(daemon.error());
  }
  if (table.name == "record") return check_settings(table.settings, SettingScope::Record);
  if (table.name == "stream") return check_settings(table.settings, SettingScope::Stream);
  if (auto good = check_settings(table.settings, SettingScope::Template); !good) return good;
  // What only shows when the settings are put together: an unknown source, a container that cannot hold the codec. A
  // template may leave its sinks to whoever starts it.
  const auto has = [&](std::string_view name) {
    return std::ranges::find(table.settings, name, &Setting::name) != table.settings.end();
  };
  if (!has("sinks") && !has("replay-seconds")) return {};
  auto options = record_options_from(table.settings);
  if (options) return {};
  Error error = std::move(options.error());
  if (!error.operation.starts_with(table.where.substr(0, table.where.find(':')))) {
    error.operation = fmt::format("{}: [{}]: {}", table.where, table.name, error.operation);
  }
  return std::unexpected(std::move(error));
}

void keep_table(ConfigTable table, Config& config) {
  if (table.name.starts_with(kSessionPrefix)) {
    config.sessions.push_back({table.name.substr(kSessionPrefix.size()), std::move(table.settings)});
  } else if (table.name == "record") {
    config.record = std::move(table.settings);
  } else if (table.name == "stream") {
    config.stream = std::move(table.settings);
  } else {
    config.daemon = std::move(table.settings);
  }
}

Result<Config> checked(std::vector<ConfigTable> tables) {
  Config config;
  for (ConfigTable& table : tables) {
    if (auto good = check_table(table); !good) return std::unexpected(std::move(good.error()));
    keep_table(std::move(table), config);
  }
  return config;
}

}  // namespace

Result<Config> parse_config(std::string_view text, std::string_view name) {
  auto tables = parse_config_tables(text, name);
  if (!tables) return std::unexpected(std::move(tables.error()));
  return checked(*std::move(tables));
}

Result<Config> read_config() {
  auto tables = read_config_tables();
  if (!tables) return std::unexpected(std::move(tables.error()));
  auto config = checked(std::move(tables->tables));
  if (config) config->path = std::move(tables->path);
  return config;
}

}  // namespace zc
