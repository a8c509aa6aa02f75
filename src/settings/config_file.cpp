#include "settings/config_file.h"
#include "base/file_names.h"

#include "config/daemon_settings.h"
#include "config/web_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace zc {
namespace {

constexpr std::string_view kSessionPrefix = "sessions.";

/// The same result; an error says which table it is about, unless it names the file already.
Result<void> of_table(const ConfigTable& table, Result<void> result) {
  if (result || result.error().operation.starts_with(table.where.substr(0, table.where.find(':')))) return result;
  Error error = std::move(result.error());
  error.operation = fmt::format("{}: [{}]: {}", table.where, table.name, error.operation);
  return std::unexpected(std::move(error));
}

/// `config`: the tables before it, [record] and [stream] among them.
Result<void> check_table(const ConfigTable& table, const Config& config) {
  if (table.name == "daemon") {
    const auto daemon = daemon_settings_from(table.settings);
    return daemon ? Result<void>{} : std::unexpected(daemon.error());
  }
  if (table.name == "web") {
    const auto web = web_settings_from(table.settings);
    return web ? Result<void>{} : std::unexpected(web.error());
  }
  // What only shows when the settings are put together: an unknown source, a container that cannot hold the codec.
  if (table.name == "record") return of_table(table, check_defaults(table.settings, SettingScope::Record));
  if (table.name == "stream") return of_table(table, check_defaults(table.settings, SettingScope::Stream));
  if (auto good = check_settings(table.settings, SettingScope::Template); !good) return good;
  // A template may leave its sinks to whoever starts it.
  const auto has = [&](std::string_view name) {
    return std::ranges::find(table.settings, name, &Setting::name) != table.settings.end();
  };
  for (const Setting& setting : table.settings) {
    const auto* sinks = std::get_if<std::vector<std::string>>(&setting.value);
    if (setting.name != "sinks" || sinks == nullptr) continue;
    for (const std::string& sink : *sinks) {
      if (is_url(sink)) continue;
      if (auto named = expand_file_name(sink, {}); !named) return of_table(table, std::unexpected(named.error()));
    }
  }
  if (!has("sinks") && !has("replay-seconds")) return {};
  auto options = record_options_from(table.settings, {.record = config.record, .stream = config.stream});
  return of_table(table, options ? Result<void>{} : std::unexpected(std::move(options.error())));
}

void keep_table(ConfigTable table, Config& config) {
  if (table.name.starts_with(kSessionPrefix)) {
    config.sessions.push_back({table.name.substr(kSessionPrefix.size()), std::move(table.settings)});
  } else if (table.name == "record") {
    config.record = std::move(table.settings);
  } else if (table.name == "stream") {
    config.stream = std::move(table.settings);
  } else if (table.name == "web") {
    config.web = std::move(table.settings);
  } else {
    config.daemon = std::move(table.settings);
  }
}

Result<Config> checked(std::vector<ConfigTable> tables) {
  Config config;
  for (ConfigTable& table : tables) {
    if (auto good = check_table(table, config); !good) return std::unexpected(std::move(good.error()));
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
