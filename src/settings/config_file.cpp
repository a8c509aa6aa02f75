#include "settings/config_file.h"

#include "base/unique_fd.h"
#include "settings/values.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <exception>
#include <utility>

namespace zc {
namespace {

constexpr std::size_t kMaxFileBytes = std::size_t{256} * 1024;

struct TableRow {
  std::string_view name;
  SettingScope scope;
  std::vector<Setting> Config::* settings;
};
constexpr std::array kTables{TableRow{"record", SettingScope::Record, &Config::record},
                             TableRow{"stream", SettingScope::Stream, &Config::stream}};

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

/// The settings of one table, by name.
Result<std::vector<Setting>> read_table(const toml::table& table, SettingScope scope, std::string_view name) {
  std::vector<Setting> settings;
  for (const auto& [key, node] : table) {
    auto value = setting_value(node);
    const std::string where = place(name, key.source());
    if (!value) {
      return invalid(fmt::format("{}: {}", where, key.str()), "it takes true, false, a number, text or texts");
    }
    settings.push_back({.name = std::string(key.str()), .value = *std::move(value), .where = where});
  }
  if (auto good = check_settings(settings, scope); !good) return std::unexpected(std::move(good.error()));
  return settings;
}

Result<Config> read_tables(const toml::table& root, std::string_view name) {
  Config config;
  for (const auto& [key, node] : root) {
    const auto known = std::ranges::find(kTables, key.str(), &TableRow::name);
    const toml::table* table = node.as_table();
    if (known == kTables.end() || table == nullptr) {
      std::vector<std::string> names;
      for (const TableRow& row : kTables) names.push_back(fmt::format("[{}]", row.name));
      return invalid(place(name, key.source()),
                     fmt::format("{} is not one of the tables {}", in_quotes(key.str()), fmt::join(names, ", ")));
    }
    if (auto stored = store(read_table(*table, known->scope, name), config.*(known->settings)); !stored) {
      return std::unexpected(std::move(stored.error()));
    }
  }
  return config;
}

/// nullopt: there is no such file.
Result<std::optional<std::string>> read_text(const std::string& path) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
  if (!file) return fail_errno(errno, path);
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
  return text;
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

Result<Config> parse_config(std::string_view text, std::string_view name) {
  try {
    return read_tables(toml::parse(text), name);
  } catch (const toml::parse_error& error) {
    return invalid(place(name, error.source()), std::string(error.description()));
  } catch (const std::exception& error) {
    return fail(ErrorKind::Internal, std::string(name), error.what());
  }
}

Result<Config> read_config() {
  const auto path = config_path();
  if (!path) return Config{};
  const auto text = read_text(*path);
  if (!text) return std::unexpected(text.error());
  if (!*text) {
    if (environment("ZEROCAST_CONFIG").empty()) return Config{};
    return fail(ErrorKind::NotFound, "ZEROCAST_CONFIG", fmt::format("there is no file {}", in_quotes(*path)));
  }
  auto config = parse_config(**text, *path);
  if (config) config->path = *path;
  return config;
}

}  // namespace zc
