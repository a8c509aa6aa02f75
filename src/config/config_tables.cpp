#include "config/config_tables.h"

#include "base/quote.h"
#include "base/unique_fd.h"
#include "config/names.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <optional>
#include <utility>

namespace zc {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{256} * 1024;
constexpr std::array<std::string_view, 4> kTables{"record", "stream", "daemon", "web"};
constexpr std::string_view kSessions = "sessions";
constexpr std::string_view kLayers = "layers";
constexpr std::array<std::string_view, 2> kLayered{"record", "stream"};  // where the file's own [[layers]] count

std::unexpected<Error> invalid(std::string where, std::string detail) {
  return fail(ErrorKind::Invalid, std::move(where), std::move(detail));
}

std::string place(std::string_view name, const toml::source_region& source) {
  return fmt::format("{}:{}:{}", name, source.begin.line, source.begin.column);
}

/// nullopt: of a type that no setting has.
std::optional<SettingValue> setting_value(const toml::node& node) {
  if (const auto* on = node.as_boolean()) return SettingValue(on->get());
  if (const auto* whole = node.as_integer()) return SettingValue(whole->get());
  if (const auto* real = node.as_floating_point()) return SettingValue(real->get());
  if (const auto* text = node.as_string()) return SettingValue(text->get());
  const toml::array* array = node.as_array();
  if (array == nullptr) return std::nullopt;
  std::vector<std::string> texts;
  for (const toml::node& item : *array) {
    const auto* text = item.as_string();
    if (text == nullptr) return std::nullopt;
    texts.push_back(text->get());
  }
  return SettingValue(std::move(texts));
}

/// [[layers]] as the texts of the setting "layer": "source,key=value,...".
Result<Setting> read_layers(const toml::array& layers, const toml::key& key, std::string_view file) {
  Setting setting{.name = "layer", .value = {}, .where = place(file, key.source())};
  std::vector<std::string> texts;
  for (const toml::node& node : layers) {
    const toml::table* layer = node.as_table();
    const std::string where = place(file, node.source());
    const auto* source = layer == nullptr ? nullptr : layer->get_as<std::string>("source");
    if (source == nullptr) return invalid(fmt::format("{}: layers", where), "each is a table with a text 'source'");
    std::string text = source->get();
    for (const auto& [name, value] : *layer) {
      if (name.str() == "source") continue;
      if (const auto* words = value.as_string()) {
        text += fmt::format(",{}={}", name.str(), words->get());
      } else if (const auto* number = value.as_integer()) {
        text += fmt::format(",{}={}", name.str(), number->get());
      } else {
        return invalid(fmt::format("{}: {}", where, name.str()), "it takes text or a whole number");
      }
    }
    texts.push_back(std::move(text));
    setting.places.push_back(where);
  }
  setting.value = std::move(texts);
  return setting;
}

Result<ConfigTable> read_table(const toml::table& table, std::string table_name, const toml::key& key,
                               std::string_view file) {
  ConfigTable result{.name = std::move(table_name), .where = place(file, key.source()), .settings = {}};
  for (const auto& [name, node] : table) {
    if (name.str() == kLayers && node.is_array_of_tables()) {
      auto layers = read_layers(*node.as_array(), name, file);
      if (!layers) return std::unexpected(std::move(layers.error()));
      result.settings.push_back(*std::move(layers));
      continue;
    }
    auto value = setting_value(node);
    std::string where = place(file, name.source());
    if (!value) {
      return invalid(fmt::format("{}: {}", where, name.str()), "it takes true, false, a number, text or texts");
    }
    result.settings.push_back({.name = std::string(name.str()), .value = *std::move(value), .where = std::move(where)});
  }
  return result;
}

Result<void> read_sessions(const toml::table& sessions, std::string_view file, std::vector<ConfigTable>& tables) {
  for (const auto& [key, node] : sessions) {
    const toml::table* table = node.as_table();
    if (table == nullptr) {
      return invalid(place(file, key.source()),
                     fmt::format("{} is no table: write [sessions.NAME]", in_quotes(key.str())));
    }
    if (auto good = check_session_name(key.str()); !good) {
      return invalid(place(file, key.source()), good.error().detail);
    }
    auto read = read_table(*table, fmt::format("{}.{}", kSessions, key.str()), key, file);
    if (!read) return std::unexpected(std::move(read.error()));
    tables.push_back(*std::move(read));
  }
  return {};
}

/// The file's own layers are those of each table of defaults that names none.
void add_layers(const Setting& layers, std::vector<ConfigTable>& tables) {
  for (const std::string_view name : kLayered) {
    auto table = std::ranges::find(tables, name, &ConfigTable::name);
    if (table == tables.end()) {
      tables.push_back({.name = std::string(name), .where = layers.where, .settings = {}});
      table = std::prev(tables.end());
    }
    if (std::ranges::find(table->settings, layers.name, &Setting::name) != table->settings.end()) continue;
    table->settings.push_back(layers);
  }
}

Result<std::vector<ConfigTable>> read_tables(const toml::table& root, std::string_view file) {
  std::vector<ConfigTable> tables;
  std::optional<Setting> layers;
  for (const auto& [key, node] : root) {
    if (key.str() == kLayers && node.is_array_of_tables()) {
      auto read = read_layers(*node.as_array(), key, file);
      if (!read) return std::unexpected(std::move(read.error()));
      layers = *std::move(read);
      continue;
    }
    const toml::table* table = node.as_table();
    if (table != nullptr && key.str() == kSessions) {
      if (auto read = read_sessions(*table, file, tables); !read) return std::unexpected(std::move(read.error()));
      continue;
    }
    if (table == nullptr || std::ranges::find(kTables, key.str()) == kTables.end()) {
      return invalid(place(file, key.source()),
                     fmt::format("{} is not one of the tables [{}], [{}.NAME], [[{}]]", in_quotes(key.str()),
                                 fmt::join(kTables, "], ["), kSessions, kLayers));
    }
    auto read = read_table(*table, std::string(key.str()), key, file);
    if (!read) return std::unexpected(std::move(read.error()));
    tables.push_back(*std::move(read));
  }
  if (layers) add_layers(*layers, tables);
  // toml++ sorts by name; people expect what comes first to be first.
  std::ranges::stable_sort(
      tables, {}, [&](const ConfigTable& one) { return std::ranges::find(kTables, one.name) - kTables.begin(); });
  return tables;
}

struct FileText {
  std::string text;
  bool others_read = false;
};

/// nullopt: there is no such file.
Result<std::optional<FileText>> read_text(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
  if (!file) return fail_errno(errno, path);
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return fail_errno(errno, path);
  std::string text(kMaxFileBytes + 1, '\0');
  std::size_t length = 0;
  while (length < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + length, text.size() - length);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, path);
    if (got == 0) break;
    length += static_cast<std::size_t>(got);
  }
  if (length > kMaxFileBytes) return invalid(path, fmt::format("it is larger than {} bytes", kMaxFileBytes));
  text.resize(length);
  return FileText{.text = std::move(text), .others_read = (status.st_mode & (S_IRGRP | S_IROTH)) != 0};
}

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view{} : std::string_view(value);
}

}  // namespace

std::optional<std::string> config_path() {
  constexpr std::string_view kBelow = "zerocast/zerocast.toml";
  if (const auto path = environment("ZEROCAST_CONFIG"); !path.empty()) return std::string(path);
  // XDG Base Directory Specification: a relative path is as if it were not set.
  if (const auto home = environment("XDG_CONFIG_HOME"); home.starts_with('/'))
    return fmt::format("{}/{}", home, kBelow);
  if (const auto home = environment("HOME"); !home.empty()) return fmt::format("{}/.config/{}", home, kBelow);
  return std::nullopt;
}

Result<std::vector<ConfigTable>> parse_config_tables(std::string_view text, std::string_view name) {
  try {
    return read_tables(toml::parse(text), name);
  } catch (const toml::parse_error& error) {
    return invalid(place(name, error.source()), std::string(error.description()));
  } catch (const std::exception& error) {
    return fail(ErrorKind::Internal, std::string(name), error.what());
  }
}

Result<ConfigTables> read_config_tables() {
  const auto path = config_path();
  if (!path) return ConfigTables{};
  const auto text = read_text(*path);
  if (!text) return std::unexpected(text.error());
  if (!*text) {
    if (environment("ZEROCAST_CONFIG").empty()) return ConfigTables{};
    return fail(ErrorKind::NotFound, "ZEROCAST_CONFIG", fmt::format("there is no file {}", in_quotes(*path)));
  }
  auto tables = parse_config_tables((*text)->text, *path);
  if (!tables) return std::unexpected(std::move(tables.error()));
  return ConfigTables{.path = *path, .tables = *std::move(tables), .others_read = (*text)->others_read};
}

std::optional<std::string> exposure_warning(const ConfigTables& config) {
  const auto exposed = [](const Setting& setting) {
    if (const auto* text = std::get_if<std::string>(&setting.value)) return holds_secret(*text);
    const auto* texts = std::get_if<std::vector<std::string>>(&setting.value);
    return texts != nullptr && std::ranges::any_of(*texts, holds_secret);
  };
  const auto any = [&](const ConfigTable& table) { return std::ranges::any_of(table.settings, exposed); };
  if (!config.others_read || !std::ranges::any_of(config.tables, any)) return std::nullopt;
  return fmt::format("{} holds a passphrase or key, and other users can read it: chmod 600 {}", config.path,
                     config.path);
}

}  // namespace zc
