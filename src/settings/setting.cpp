#include "settings/setting.h"

#include "settings/values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace zc {
namespace {

constexpr std::string_view kSinks = "sinks";
constexpr std::string_view kLive = "live";
constexpr std::string_view kNegation = "--no-";
/// What only means something to who types it, or has another form here.
constexpr std::array<std::string_view, 4> kNotSettings{"--tee", "--json", "--quiet", "--reprobe"};

using Row = ArgumentRow<RecordWords>;

/// One option of the command line as a setting.
struct SettingRow {
  std::string_view name;
  const Row* row;
  bool negated;  ///< false switches the flag on
};

std::vector<SettingRow> make_setting_rows(const std::vector<Row>& rows) {
  std::vector<SettingRow> settings;
  for (const Row& row : rows) {
    const std::string_view name = row.argument.name;
    const bool of_terminal = std::ranges::find(kNotSettings, name) != kNotSettings.end();
    if (row.argument.positional() || of_terminal) continue;
    const bool negated = name.starts_with(kNegation);
    settings.push_back({name.substr(negated ? kNegation.size() : 2), &row, negated});
  }
  return settings;
}

const std::vector<SettingRow>& setting_rows(SettingScope scope) {
  static const std::vector<Row> kRecord = record_arguments(false);
  static const std::vector<Row> kStream = record_arguments(true);
  static const std::vector<SettingRow> kRecordSettings = make_setting_rows(kRecord);
  static const std::vector<SettingRow> kStreamSettings = make_setting_rows(kStream);
  return scope == SettingScope::Stream ? kStreamSettings : kRecordSettings;
}

/// "zerocast.toml:12:3: codec", what opens a message.
std::string place(const Setting& setting) {
  return setting.where.empty() ? setting.name : fmt::format("{}: {}", setting.where, setting.name);
}

std::unexpected<Error> invalid(const Setting& setting, std::string detail) {
  return fail(ErrorKind::Invalid, place(setting), std::move(detail));
}

std::optional<std::string> single_text(const SettingValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* whole = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *whole);
  if (const auto* real = std::get_if<double>(&value)) return fmt::format("{}", *real);
  return std::nullopt;
}

Result<std::vector<std::string>> text_list(const Setting& setting) {
  if (const auto* list = std::get_if<std::vector<std::string>>(&setting.value)) return *list;
  if (const auto* text = std::get_if<std::string>(&setting.value)) return std::vector{*text};
  return invalid(setting, "it takes text, or an array of texts");
}

Result<bool> switch_value(const Setting& setting) {
  if (const bool* on = std::get_if<bool>(&setting.value)) return *on;
  return invalid(setting, "it is either true or false");
}

Result<void> apply(const SettingRow& known, const Setting& setting, RecordWords& words) {
  if (known.row->argument.flag()) {
    const auto on = switch_value(setting);
    if (!on) return std::unexpected(on.error());
    return *on == known.negated ? Result<void>{} : known.row->set(words, place(setting), "");
  }
  if (known.row->argument.repeatable) {
    const auto texts = text_list(setting);
    if (!texts) return std::unexpected(texts.error());
    for (const std::string& text : *texts) {
      if (auto set = known.row->set(words, place(setting), text); !set) return set;
    }
    return {};
  }
  const auto text = single_text(setting.value);
  if (!text) return invalid(setting, "it takes one text or number");
  return known.row->set(words, place(setting), *text);
}

const SettingRow* find_row(std::string_view name, SettingScope scope) {
  const std::vector<SettingRow>& rows = setting_rows(scope);
  const auto found = std::ranges::find(rows, name, &SettingRow::name);
  return found == rows.end() ? nullptr : &*found;
}

bool is_url(std::string_view text) { return text.find("://") != std::string_view::npos; }

Result<void> check_sinks(const Setting& setting, const std::vector<std::string>& sinks) {
  if (sinks.empty()) return invalid(setting, "it names no file and no URL");
  for (const std::string& sink : sinks) {
    if (!is_url(sink) && !sink.starts_with('/')) {
      return invalid(setting, fmt::format("{} is neither a URL nor an absolute path", in_quotes(sink)));
    }
  }
  return {};
}

/// The last setting of each name, in the order of their first mention.
std::vector<const Setting*> last_of_each(std::span<const Setting> settings) {
  std::vector<const Setting*> last;
  for (const Setting& setting : settings) {
    const auto same = std::ranges::find(last, setting.name, [](const Setting* one) { return one->name; });
    if (same == last.end()) {
      last.push_back(&setting);
    } else {
      *same = &setting;
    }
  }
  return last;
}

/// The option is as good as typed: a switch that is off is not.
bool names_option(const Setting& setting, std::string_view option, SettingScope scope) {
  const SettingRow* row = find_row(setting.name, scope);
  if (row == nullptr || row->row->argument.name != option) return false;
  const bool* on = std::get_if<bool>(&setting.value);
  return on == nullptr || *on != row->negated;
}

Result<void> check_conflicts(std::span<const Setting* const> settings, SettingScope scope) {
  const auto given = [&](std::string_view option) -> const Setting* {
    const auto found =
        std::ranges::find_if(settings, [&](const Setting* setting) { return names_option(*setting, option, scope); });
    return found == settings.end() ? nullptr : *found;
  };
  for (const Conflict& conflict : record_conflicts()) {
    const Setting* first = given(conflict.first);
    const Setting* second = given(conflict.second);
    if (first == nullptr || second == nullptr) continue;
    return invalid(*second, fmt::format("it excludes {}: {}", first->name, conflict.why));
  }
  return {};
}

/// What was typed says the same thing or its contrary.
bool overruled(const Setting& setting, std::span<const std::string_view> given, SettingScope scope) {
  const auto typed = [&](std::string_view option) { return std::ranges::find(given, option) != given.end(); };
  const SettingRow* row = find_row(setting.name, scope);
  if (row == nullptr || typed(row->row->argument.name)) return true;
  return std::ranges::any_of(record_conflicts(), [&](const Conflict& conflict) {
    return (typed(conflict.first) && names_option(setting, conflict.second, scope)) ||
           (typed(conflict.second) && names_option(setting, conflict.first, scope));
  });
}

Result<void> check_one(const Setting& setting, SettingScope scope) {
  if (scope == SettingScope::Session && setting.name == kLive) {
    const auto on = switch_value(setting);
    return on ? Result<void>{} : std::unexpected(on.error());
  }
  if (scope == SettingScope::Session && setting.name == kSinks) {
    const auto sinks = text_list(setting);
    return sinks ? check_sinks(setting, *sinks) : std::unexpected(sinks.error());
  }
  const SettingRow* row = find_row(setting.name, scope);
  if (row == nullptr) {
    return invalid(setting,
                   fmt::format("there is no such setting; there are {}", fmt::join(setting_names(scope), ", ")));
  }
  RecordWords scratch = record_defaults(scope == SettingScope::Stream);
  return apply(*row, setting, scratch);
}

}  // namespace

std::vector<std::string_view> setting_names(SettingScope scope) {
  std::vector<std::string_view> names;
  if (scope == SettingScope::Session) names = {kSinks, kLive};
  for (const SettingRow& row : setting_rows(scope)) names.push_back(row.name);
  return names;
}

std::vector<SettingInfo> setting_infos(SettingScope scope) {
  std::vector<SettingInfo> infos;
  for (const SettingRow& row : setting_rows(scope)) infos.push_back({row.name, &row.row->argument, row.negated});
  return infos;
}

Result<void> check_settings(std::span<const Setting> settings, SettingScope scope) {
  for (const Setting& setting : settings) {
    if (auto good = check_one(setting, scope); !good) return good;
  }
  return check_conflicts(last_of_each(settings), scope);
}

Result<RecordOptions> record_options_from(std::span<const Setting> settings) {
  if (auto good = check_settings(settings, SettingScope::Session); !good) {
    return std::unexpected(std::move(good.error()));
  }
  const std::vector<const Setting*> chosen = last_of_each(settings);
  std::vector<std::string> sinks;
  std::optional<bool> live;
  for (const Setting* setting : chosen) {
    if (setting->name == kSinks) sinks = *text_list(*setting);
    if (setting->name == kLive) live = *switch_value(*setting);
  }
  if (sinks.empty()) return fail(ErrorKind::Invalid, std::string(kSinks), "at least one file or URL is needed");
  RecordWords words = record_defaults(live.value_or(std::ranges::all_of(sinks, is_url)));
  for (const Setting* setting : chosen) {
    const SettingRow* row = find_row(setting->name, SettingScope::Session);
    if (row == nullptr) continue;
    if (auto set = apply(*row, *setting, words); !set) return std::unexpected(std::move(set.error()));
  }
  words.output = std::move(sinks.front());
  words.tees.assign(std::make_move_iterator(sinks.begin() + 1), std::make_move_iterator(sinks.end()));
  words.mixed_outputs = true;
  return finish_record(std::move(words));
}

Result<void> apply_defaults(std::span<const Setting> settings, std::span<const std::string_view> given,
                            SettingScope scope, RecordWords& words) {
  if (auto good = check_settings(settings, scope); !good) return good;
  for (const Setting& setting : settings) {
    if (overruled(setting, given, scope)) continue;
    if (auto set = apply(*find_row(setting.name, scope), setting, words); !set) return set;
  }
  return {};
}

std::string setting_text(const SettingValue& value) {
  struct Writer {
    std::string operator()(bool on) const { return on ? "true" : "false"; }
    std::string operator()(std::int64_t whole) const { return fmt::format("{}", whole); }
    std::string operator()(double real) const { return fmt::format("{}", real); }
    std::string operator()(const std::string& text) const {
      return fmt::format("\"{}\"", is_url(text) ? text.substr(0, text.find('?')) : text);
    }
    std::string operator()(const std::vector<std::string>& texts) const {
      std::vector<std::string> quoted;
      for (const std::string& text : texts) quoted.push_back((*this)(text));
      return fmt::format("[{}]", fmt::join(quoted, ", "));
    }
  };
  return std::visit(Writer{}, value);
}

}  // namespace zc
