// The options of a recording from anywhere but the command line: a configuration file, a D-Bus call.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "config/setting_value.h"
#include "settings/argument.h"
#include "settings/record_arguments.h"
#include "settings/record_options.h"

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace zc {

/// Which settings there are, all named as the options of the command line without their dashes; a flag "--no-X" is the
/// switch "X". What concerns one call alone (--json, --quiet) is not among
/// them.
enum class SettingScope : std::uint8_t {
  Record,    ///< defaults of `zerocast record`: its options but for --tee
  Stream,    ///< likewise of `zerocast stream`
  Session,   ///< a recording as a whole: the options of `record` and session_setting_infos()
  Template,  ///< of a session that waits to be started by its name: those of Session and "autostart"
};
/// A setting of sessions that no option of the command line is.
struct SessionSettingInfo {
  std::string_view name;
  std::string_view help;      ///< sentences
  std::string_view fallback;  ///< the default, as one would write it; empty: unset
};
/// In the order the documentation shows them; "autostart", of templates only, is the last.
[[nodiscard]] std::span<const SessionSettingInfo> session_setting_infos();

/// A setting as the documentation sees it.
struct SettingInfo {
  std::string_view name;
  const Argument* argument;  ///< static
  bool negated;              ///< the argument is the switch's contrary
};
/// Those that are an option of the command line too, in the order help shows them.
[[nodiscard]] std::vector<SettingInfo> setting_infos(SettingScope scope);
/// All names.
[[nodiscard]] std::vector<std::string_view> setting_names(SettingScope scope);

/// The checks and messages of the command line, as far as the settings can be judged without the rest. Invalid: an
/// unknown name (naming those there are), a value of the wrong type or out of range, two settings that exclude each
/// other; of sinks also none at all and relative paths (a service has no folder of its own that its user would know).
[[nodiscard]] Result<void> check_settings(std::span<const Setting> settings, SettingScope scope);
/// The value of "replay-seconds". Invalid: see seconds_value().
[[nodiscard]] Result<Nanoseconds> replay_value(std::string_view option, std::string_view text);

/// Settings of the scope Template as a recording's options. Later ones win over earlier ones of the same name, and all
/// of them over `defaults`, as what is typed does. Invalid: as check_settings(); neither a sink nor a replay.
[[nodiscard]] Result<RecordOptions> record_options_from(std::span<const Setting> settings,
                                                        const SessionDefaults& defaults = {});

/// Puts settings of the scope Record or Stream in the place of the built-in defaults, but for those that are among the
/// options `given` ("--codec") or excluded by one of them. Errors as check_settings().
[[nodiscard]] Result<void> apply_defaults(std::span<const Setting> settings, std::span<const std::string_view> given,
                                          SettingScope scope, RecordWords& words);

/// Whether settings of the scope Record or Stream make sense together, wherever the output goes. Errors as
/// apply_defaults() and finish_record().
[[nodiscard]] Result<void> check_defaults(std::span<const Setting> settings, SettingScope scope);

}  // namespace zc
