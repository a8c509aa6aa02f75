#include "cli/help.h"

#include "cli/command_line.h"
#include "cli/exit_codes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace zc {
namespace {

constexpr std::size_t kColumns = 80;
constexpr std::size_t kMargin = 2;
constexpr std::size_t kHelpColumn = 26;

/// One entry of a list: the term, then its text in the second column (on the next line when the term is too long).
std::string entry(std::string_view term, std::string_view text) {
  std::string line = std::string(kMargin, ' ').append(term);
  if (line.size() + 1 < kHelpColumn) {
    line.append(kHelpColumn - line.size(), ' ');
  } else {
    line.append("\n").append(kHelpColumn, ' ');
  }
  return line + wrapped(text, kColumns - kHelpColumn, kHelpColumn) + "\n";
}

std::string term_of(const Argument& argument) {
  if (argument.positional()) return std::string(argument.name);
  std::string text = argument.alias.empty() ? std::string() : fmt::format("{}, ", argument.alias);
  text += argument.name;
  return argument.flag() ? text : fmt::format("{} {}", text, argument.value);
}

}  // namespace

std::string wrapped(std::string_view text, std::size_t columns, std::size_t indent) {
  std::string result;
  std::size_t used = 0;
  while (!text.empty()) {
    const std::size_t blank = text.find(' ');
    const std::string_view word = text.substr(0, blank);
    text = blank == std::string_view::npos ? std::string_view{} : text.substr(blank + 1);
    if (used > 0 && used + 1 + word.size() > columns) {
      result.append("\n").append(indent, ' ');
      used = 0;
    } else if (used > 0) {
      result += ' ';
      ++used;
    }
    result += word;
    used += word.size();
  }
  return result;
}

std::string synopsis(const CommandInfo& command) {
  std::string text = "[OPTIONS]";
  for (const Argument& argument : command.arguments) {
    if (!argument.positional()) continue;
    text += argument.optional ? fmt::format(" [{}]", argument.name) : fmt::format(" {}", argument.name);
  }
  return text;
}

std::string full_help(const Argument& argument) {
  std::string text(argument.help);
  if (!argument.choices.empty()) text += fmt::format(" One of {}", fmt::join(argument.choices, ", "));
  if (!argument.fallback.empty()) {
    text += fmt::format("{}efault {}", argument.choices.empty() ? " D" : "; d", argument.fallback);
  }
  if (!text.ends_with('.')) text += '.';
  return text;
}

std::string command_help(const CommandInfo& command) {
  std::string text = fmt::format("Usage: zerocast {} {}\n\n", command.name, synopsis(command));
  text += wrapped(command.details, kColumns, 0) + "\n";
  std::vector<std::string_view> groups;
  for (const Argument& argument : command.arguments) {
    if (std::ranges::find(groups, argument.group) == groups.end()) groups.push_back(argument.group);
  }
  for (const std::string_view group : groups) {
    text += fmt::format("\n{}:\n", group);
    for (const Argument& argument : command.arguments) {
      if (argument.group == group) text += entry(term_of(argument), full_help(argument));
    }
  }
  text += fmt::format("\n{}:\n{}", help_option().group, entry(term_of(help_option()), help_option().help));
  if (!command.exits.empty()) {
    text += "\nExit codes:\n";
    for (const CommandExit& exit : command.exits) text += entry(std::to_string(exit.code), exit.meaning);
  }
  if (!command.examples.empty()) {
    text += "\nExamples:\n";
    for (const Example& example : command.examples) text += fmt::format("  {}\n      {}\n", example.line, example.what);
  }
  return text;
}

std::string group_help(std::string_view group) {
  std::string text = fmt::format("Usage: zerocast {} COMMAND [OPTIONS] ...\n\nCommands:\n", group);
  for (const CommandInfo& command : command_infos()) {
    if (command.group() == group) text += entry(command.word(), command.summary);
  }
  text += fmt::format("\n{}:\n{}", help_option().group, entry(term_of(help_option()), help_option().help));
  return text + fmt::format("\n'zerocast {} COMMAND --help' shows a command's options.\n", group);
}

std::string program_help() {
  std::string text = "Usage: zerocast COMMAND [OPTIONS] ...\n\n";
  text += wrapped(program_summary(), kColumns, 0) + ".\n\nCommands:\n";
  std::string grouped;
  for (const CommandInfo& command : command_infos()) {
    (command.group().empty() ? text : grouped) += entry(command.name, command.summary);
  }
  text += "\nSessions of the daemon:\n" + grouped;
  text += "\nOptions:\n";
  for (const Argument& option : global_options()) text += entry(term_of(option), option.help);
  text += "\nExit codes:\n";
  for (const ExitCodeInfo& code : exit_codes()) text += entry(std::to_string(to_int(code.code)), code.meaning);
  text += "\n'zerocast COMMAND --help' shows a command's options; the manual is zerocast(1).\n";
  return text;
}

}  // namespace zc
