#include "cli/config_report.h"

#include "cli/help.h"
#include "config/daemon_settings.h"
#include "config/web_settings.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>

namespace zc {
namespace {

constexpr std::size_t kColumns = 110;
constexpr std::size_t kValueColumns = 40;

struct Section {
  std::string_view name;
  SettingScope scope;
  std::vector<Setting> Config::* settings;
};
constexpr std::array kSections{Section{"record", SettingScope::Record, &Config::record},
                               Section{"stream", SettingScope::Stream, &Config::stream}};

/// The built-in default as one would write it; empty: unset.
std::string default_text(const SettingInfo& setting) {
  const Argument& argument = *setting.argument;
  if (argument.flag()) return setting.negated ? "true" : "false";
  const std::string_view text = argument.fallback;
  const bool number = !text.empty() && argument.choices.empty() &&
                      std::ranges::all_of(text, [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
  return number || text.empty() ? std::string(text) : fmt::format("\"{}\"", text);
}

std::string in_force(std::string_view name, const std::string& value, const std::vector<Setting>& settings) {
  const auto found = std::ranges::find(settings, name, &Setting::name);
  if (found != settings.end()) {
    return fmt::format("{:<{}}  # {}\n", fmt::format("{} = {}", name, setting_text(found->value)), kValueColumns,
                       found->where);
  }
  // A comment: a default may be at odds with what is set beside it, which wins over it.
  const std::string line = fmt::format("# {}{}{}", name, value.empty() ? "" : " = ", value);
  return fmt::format("{:<{}}  # {}\n", line, kValueColumns, value.empty() ? "not set" : "default");
}

std::string comment(std::string_view text) {
  const std::string broken = wrapped(text, kColumns, 0);
  std::string result = "# ";
  for (const char letter : broken) {
    result += letter;
    if (letter == '\n') result += "# ";
  }
  return result + '\n';
}

std::string explained(const SettingInfo& setting) {
  const Argument& argument = *setting.argument;
  std::string text(argument.help);
  if (setting.negated) text = "false: " + text;
  if (!argument.choices.empty()) text += fmt::format(" One of {}.", fmt::join(argument.choices, ", "));
  const std::string value = default_text(setting);
  if (value.empty()) return comment(text) + fmt::format("#{} =\n\n", setting.name);
  return comment(text) + fmt::format("#{} = {}\n\n", setting.name, value);
}

/// A setting that no option of the command line is.
template <class Info>
std::string explained_plainly(const Info& setting) {
  return comment(setting.help) +
         fmt::format("#{} ={}{}\n\n", setting.name, setting.fallback.empty() ? "" : " ", setting.fallback);
}

/// Of settings that no option of the command line is.
struct PlainSection {
  std::string_view name;
  std::span<const TableSettingInfo> (*infos)();
  std::vector<Setting> Config::* settings;
};
constexpr std::array kPlainSections{PlainSection{"daemon", daemon_setting_infos, &Config::daemon},
                                    PlainSection{"web", web_setting_infos, &Config::web}};

std::string_view zerocopy_text(ZerocopyMode mode) {
  switch (mode) {
    case ZerocopyMode::Off: return "0";
    case ZerocopyMode::Required: return "1";
    case ZerocopyMode::Auto: return "auto";
  }
  return "";
}

}  // namespace

std::string config_text(const Config& config, std::string_view path, const Toggles& toggles) {
  std::string text = fmt::format("# {}{}\n", path, config.path.empty() ? " (there is no such file)" : "");
  text += fmt::format(
      "# environment: ZEROCOPY={} ZEROCOPY_ROUTE={} ZEROCOPY_SOFTWARE={} ZEROCOPY_LATCH={} FFMPEG_DEBUG={}\n",
      zerocopy_text(toggles.zerocopy), toggles.route, toggles.software ? 1 : 0, toggles.latch ? 1 : 0,
      toggles.ffmpeg_debug ? 1 : 0);
  for (const Section& section : kSections) {
    text += fmt::format("\n[{}]\n", section.name);
    for (const SettingInfo& setting : setting_infos(section.scope)) {
      text += in_force(setting.name, default_text(setting), config.*(section.settings));
    }
  }
  for (const PlainSection& section : kPlainSections) {
    text += fmt::format("\n[{}]\n", section.name);
    for (const TableSettingInfo& setting : section.infos()) {
      text += in_force(setting.name, std::string(setting.fallback), config.*(section.settings));
    }
  }
  for (const SessionTemplate& session : config.sessions) {
    text += fmt::format("\n[sessions.{}]\n", session.name);
    for (const Setting& setting : session.settings) text += in_force(setting.name, "", session.settings);
  }
  return text;
}

std::string config_example() {
  std::string text = comment(
      "The configuration of zerocast: defaults of its commands under the names of their options. "
      "What is typed on the command line wins. [record] and, for live ones, [stream] are the daemon's "
      "sessions' defaults as well. 'zerocast config path' says where this file "
      "belongs, 'zerocast config show' what is in force.");
  for (const Section& section : kSections) {
    text += fmt::format("\n[{}]\n\n", section.name);
    for (const SettingInfo& setting : setting_infos(section.scope)) text += explained(setting);
  }
  text += "\n" + comment(
                     "Layers of every recording, stream and session that names none of its own; each has a table, the "
                     "later ones lie above. The keys are those of --layer. [[record.layers]], [[stream.layers]] and "
                     "[[sessions.NAME.layers]] are the same for one of them, instead of these.");
  text += "#[[layers]]\n#source = \"clock\"\n#at = \"tr\"\n#size = \"10%\"\n\n";
  for (const PlainSection& section : kPlainSections) {
    text += fmt::format("\n[{}]\n\n", section.name);
    for (const TableSettingInfo& setting : section.infos()) text += explained_plainly(setting);
  }
  text += "\n" +
          comment(
              "A session that the daemon starts by its name: 'zerocast session start --template meeting'. Each has a "
              "table of its own. Of what changes here as it runs, bitrate, fps, min-fps and replay-seconds hold "
              "at once in the sessions that were started from it, but for what they were given otherwise; the rest "
              "holds from their next start on. Besides the settings of [record] there are:");
  text += "#[sessions.meeting]\n\n";
  for (const SessionSettingInfo& setting : session_setting_infos()) text += explained_plainly(setting);
  while (text.ends_with("\n\n")) text.pop_back();
  return text;
}

}  // namespace zc
