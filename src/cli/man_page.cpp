#include "cli/man_page.h"

#include "cli/command_line.h"
#include "cli/exit_codes.h"
#include "cli/help.h"
#include "cli/reference.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace zc {
namespace {

/// Plain text as roff: backslashes and dashes mean themselves, and no line turns into a request.
std::string roff(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '\\': result += "\\e"; break;
      case '-': result += "\\-"; break;
      case '~': result += "\\(ti"; break;
      case '^': result += "\\(ha"; break;
      case '`': result += "\\(ga"; break;
      case '\'': result += "\\(aq"; break;
      default: result += c;
    }
  }
  return result.starts_with('.') ? "\\&" + result : result;
}

std::string bold(std::string_view text) { return "\\fB" + roff(text) + "\\fR"; }
std::string italic(std::string_view text) { return "\\fI" + roff(text) + "\\fR"; }

/// A tagged paragraph.
std::string item(std::string_view tag, std::string_view text) { return fmt::format(".TP\n{}\n{}\n", tag, roff(text)); }

std::string tag_of(const Argument& argument) {
  if (argument.positional()) return italic(argument.name);
  std::string tag = argument.alias.empty() ? std::string() : bold(argument.alias) + ", ";
  tag += bold(argument.name);
  return argument.flag() ? tag : fmt::format("{} {}", tag, italic(argument.value));
}

bool same_meaning(const Argument& a, const Argument& b) {
  return a.name == b.name && a.value == b.value && a.help == b.help && a.fallback == b.fallback;
}

/// Arguments of `command` that mean the same as in `other`.
std::vector<std::string_view> shared_names(const CommandInfo& command, const CommandInfo& other) {
  std::vector<std::string_view> names;
  for (const Argument& argument : command.arguments) {
    if (std::ranges::any_of(other.arguments, [&](const Argument& o) { return same_meaning(argument, o); })) {
      names.push_back(argument.name);
    }
  }
  return names;
}

std::string command_section(const CommandInfo& command, const std::vector<CommandInfo>& earlier) {
  constexpr std::size_t kWorthReferring = 6;
  std::string text =
      fmt::format(".SS \"zerocast {} {}\"\n{}\n", roff(command.name), roff(synopsis(command)), roff(command.details));
  std::vector<std::string_view> told;
  for (const CommandInfo& other : earlier) {
    const auto names = shared_names(command, other);
    if (names.size() < kWorthReferring) continue;
    told = names;
    text += ".PP\nThese options are the same as those of " + bold(other.name) + ":\n";
    for (std::size_t i = 0; i < names.size(); ++i) text += bold(names[i]) + (i + 1 < names.size() ? ",\n" : ".\n");
    break;
  }
  for (const Argument& argument : command.arguments) {
    if (std::ranges::find(told, argument.name) == told.end()) text += item(tag_of(argument), full_help(argument));
  }
  if (!command.exits.empty()) text += ".PP\nIt exits with\n";
  for (const CommandExit& exit : command.exits) text += item(bold(std::to_string(exit.code)), exit.meaning);
  return text;
}

}  // namespace

std::string man_page() {
  const std::vector<CommandInfo> commands = command_infos();
  std::string text = fmt::format(
      ".\\\" Made from the command line's definition; do not edit.\n"
      ".TH ZEROCAST 1 \"\" \"zerocast {}\" \"User Commands\"\n"
      ".nh\n.ad l\n"
      ".SH NAME\nzerocast \\- {}\n.SH SYNOPSIS\n",
      roff(program_version()), roff(program_summary()));
  for (std::size_t i = 0; i < commands.size(); ++i) {
    text += fmt::format("{}{} {}\n", i == 0 ? "" : ".br\n", bold(fmt::format("zerocast {}", commands[i].name)),
                        roff(synopsis(commands[i])));
  }
  text += ".SH DESCRIPTION\n" + bold("zerocast") +
          " captures a Wayland desktop through its portal and PipeWire, or any other PipeWire video node, encodes it\n"
          "and writes files or streams to the network. Frames keep their true times: a desktop that changes rarely\n"
          "costs little, and one that changes at 60 frames per second is recorded at that rate.\n";
  text += ".SH COMMANDS\n";
  std::vector<CommandInfo> earlier;
  for (const CommandInfo& command : commands) {
    text += command_section(command, earlier);
    earlier.push_back(command);
  }
  text += ".SH OPTIONS\n";
  for (const Argument& option : global_options()) text += item(tag_of(option), option.help);
  text += ".SH \"EXIT STATUS\"\n";
  for (const ExitCodeInfo& code : exit_codes()) text += item(bold(std::to_string(to_int(code.code))), code.meaning);
  text += ".SH ENVIRONMENT\n";
  for (const ReferenceEntry& entry : environment_entries()) text += item(bold(entry.name), entry.help);
  text += ".SH FILES\n";
  for (const ReferenceEntry& entry : file_entries()) text += item(italic(entry.name), entry.help);
  text += ".SH EXAMPLES\n";
  for (const CommandInfo& command : commands) {
    for (const Example& example : command.examples) {
      text += fmt::format(".PP\n{}\n.PP\n.in +4n\n.nf\n{}\n.fi\n.in\n", roff(example.what), roff(example.line));
    }
  }
  text += ".SH \"SEE ALSO\"\n.BR pipewire (1),\n.BR wpctl (1),\n.BR ffmpeg (1)\n";
  return text;
}

}  // namespace zc
