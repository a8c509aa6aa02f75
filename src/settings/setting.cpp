#include "settings/setting.h"

#include "settings/values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace zc {
namespace {

constexpr std::string_view kSinks = "sinks";
constexpr std::string_view kLive = "live";
constexpr std::string_view kReplay = "replay-seconds";
constexpr std::string_view kReconnect = "reconnect";
constexpr std::string_view kSilence = "silence-seconds";
constexpr std::string_view kAutostart = "autostart";
constexpr unsigned kLongestReplay = 3600;
constexpr unsigned kLongestSilence = 86'400;

constexpr std::array kSessionSettings{
    SessionSettingInfo{.name = kSinks,
                       .help = "Where the session goes: absolute paths of files, patterns as 'zerocast record' has "
                               "them, URLs as 'zerocast stream' takes them, and camera:NAME. Without any, and without "
                               "replay-seconds, a file by the time among the user's videos.",
                       .fallback = ""},
    SessionSettingInfo{.name = kLive,
                       .help = "true: low delay before completeness, as 'zerocast stream' has it. Without it, true "
                               "when every sink is a network peer.",
                       .fallback = ""},
    SessionSettingInfo{.name = kReplay,
                       .help = "Keep the newest so many seconds in memory, for 'zerocast session save-replay'.",
                       .fallback = ""},
    SessionSettingInfo{.name = kReconnect,
                       .help =
                           "Wait for a source that goes away to come back, and go on in the same files and streams. "
                           "false: the session ends.",
                       .fallback = "true"},
    SessionSettingInfo{.name = kSilence,
                       .help =
                           "With reconnect: ask a source that has said nothing for so long for a new stream, in case "
                           "its own is stuck; one that must show a picture then and does not is opened anew. 0 "
                           "never asks.",
                       .fallback = "30"},
    SessionSettingInfo{.name = kAutostart, .help = "Start with the daemon.", .fallback = "false"},
};
constexpr std::string_view kNegation = "--no-";
/// What only means something to who types it, or has another form here.
constexpr std::array<std::string_view, 5> kNotSettings{"--output", "--tee", "--json", "--quiet", "--key-file"};

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

/// The same of its text number `i`.
std::string place(const Setting& setting, std::size_t i) {
  return i < setting.places.size() ? fmt::format("{}: {}", setting.places[i], setting.name) : place(setting);
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
    for (std::size_t i = 0; i < texts->size(); ++i) {
      if (auto set = known.row->set(words, place(setting, i), (*texts)[i]); !set) return set;
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

Result<void> check_sinks(const Setting& setting, const std::vector<std::string>& sinks) {
  for (const std::string& sink : sinks) {
    if (!is_url(sink) && !sink.starts_with('/')) {
      return invalid(setting, fmt::format("{} is neither a URL nor camera:NAME nor an absolute path", in_quotes(sink)));
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

/// `defaults` that none of `chosen` overrules.
Result<void> apply_below(std::span<const Setting* const> chosen, std::vector<Setting> defaults, SettingScope scope,
                         RecordWords& words) {
  std::vector<std::string_view> given;
  for (const Setting* setting : chosen) {
    std::erase_if(defaults, [&](const Setting& one) { return one.name == setting->name; });
    const SettingRow* row = find_row(setting->name, scope);
    if (row != nullptr && names_option(*setting, row->row->argument.name, scope)) {
      given.push_back(row->row->argument.name);
    }
  }
  return apply_defaults(defaults, given, scope, words);
}

/// What sessions have beyond the options of the command line.
struct SessionWords {
  std::vector<std::string> sinks;
  std::optional<bool> live;
  std::optional<Nanoseconds> replay;
  bool reconnect = true;
  Nanoseconds silence = std::chrono::seconds(30);
};

Result<void> set_session_word(const Setting& setting, SessionWords& words) {
  if (setting.name == kSinks) {
    auto sinks = text_list(setting);
    if (!sinks) return std::unexpected(std::move(sinks.error()));
    if (auto good = check_sinks(setting, *sinks); !good) return good;
    words.sinks = *std::move(sinks);
    return {};
  }
  if (setting.name == kReplay || setting.name == kSilence) {
    const auto text = single_text(setting.value);
    if (!text) return invalid(setting, "it takes a number of seconds");
    if (setting.name == kReplay) return store(replay_value(place(setting), *text), words.replay);
    if (*text != "0") return store(seconds_value(place(setting), *text, kLongestSilence), words.silence);
    words.silence = {};
    return {};
  }
  const auto on = switch_value(setting);
  if (!on) return std::unexpected(on.error());
  if (setting.name == kLive) words.live = *on;
  if (setting.name == kReconnect) words.reconnect = *on;
  return {};
}

bool of_sessions(std::string_view name, SettingScope scope) {
  if (scope != SettingScope::Session && scope != SettingScope::Template) return false;
  if (name == kAutostart && scope != SettingScope::Template) return false;
  return std::ranges::find(kSessionSettings, name, &SessionSettingInfo::name) != kSessionSettings.end();
}

Result<void> check_one(const Setting& setting, SettingScope scope) {
  if (of_sessions(setting.name, scope)) {
    SessionWords scratch;
    return set_session_word(setting, scratch);
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
  for (const SessionSettingInfo& info : kSessionSettings) {
    if (of_sessions(info.name, scope)) names.push_back(info.name);
  }
  for (const SettingRow& row : setting_rows(scope)) names.push_back(row.name);
  return names;
}

std::span<const SessionSettingInfo> session_setting_infos() { return kSessionSettings; }

std::vector<SettingInfo> setting_infos(SettingScope scope) {
  std::vector<SettingInfo> infos;
  for (const SettingRow& row : setting_rows(scope)) infos.push_back({row.name, &row.row->argument, row.negated});
  return infos;
}

Result<Nanoseconds> replay_value(std::string_view option, std::string_view text) {
  return seconds_value(option, text, kLongestReplay);
}

Result<void> check_settings(std::span<const Setting> settings, SettingScope scope) {
  for (const Setting& setting : settings) {
    if (auto good = check_one(setting, scope); !good) return good;
  }
  return check_conflicts(last_of_each(settings), scope);
}

Result<RecordOptions> record_options_from(std::span<const Setting> settings, const SessionDefaults& defaults) {
  if (auto good = check_settings(settings, SettingScope::Template); !good) {
    return std::unexpected(std::move(good.error()));
  }
  const std::vector<const Setting*> chosen = last_of_each(settings);
  SessionWords session;
  for (const Setting* setting : chosen) {
    if (!of_sessions(setting->name, SettingScope::Template)) continue;
    if (auto set = set_session_word(*setting, session); !set) return std::unexpected(std::move(set.error()));
  }
  if (session.sinks.empty() && !session.replay) {
    return fail(ErrorKind::Invalid, std::string(kSinks),
                "at least one file, URL or camera:NAME is needed, or replay-seconds");
  }
  const bool only_peers = !session.sinks.empty() && std::ranges::all_of(session.sinks, is_url);
  const bool live = session.live.value_or(only_peers);
  RecordWords words = record_defaults(live);
  const SettingScope scope = live ? SettingScope::Stream : SettingScope::Record;
  if (auto set = apply_below(chosen, live ? defaults.stream : defaults.record, scope, words); !set) {
    return std::unexpected(std::move(set.error()));
  }
  for (const Setting* setting : chosen) {
    const SettingRow* row = find_row(setting->name, SettingScope::Session);
    if (row == nullptr) continue;
    if (auto set = apply(*row, *setting, words); !set) return std::unexpected(std::move(set.error()));
  }
  words.options.reconnect = session.reconnect;
  words.options.silence = session.silence;
  words.options.replay = session.replay;
  if (!session.sinks.empty()) words.output = std::move(session.sinks.front());
  for (std::size_t i = 1; i < session.sinks.size(); ++i) words.tees.push_back(std::move(session.sinks.at(i)));
  words.mixed_outputs = true;
  auto options = finish_record(std::move(words));
  const auto* file = options ? std::get_if<FileSpec>(&options->source) : nullptr;
  if (file != nullptr && !file->path.starts_with('/')) {
    return fail(
        ErrorKind::Invalid, "source",
        fmt::format("{} is not an absolute path, and the daemon has a folder of its own", in_quotes(file->path)));
  }
  return options;
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

Result<void> check_defaults(std::span<const Setting> settings, SettingScope scope) {
  const bool live = scope == SettingScope::Stream;
  RecordWords words = record_defaults(live);
  if (auto set = apply_defaults(settings, {}, scope, words); !set) return set;
  words.mixed_outputs = true;
  if (live) words.output = "udp://localhost:9";  // any peer: all get MPEG-TS
  const auto options = finish_record(std::move(words));
  return options ? Result<void>{} : std::unexpected(options.error());
}

}  // namespace zc
