#include "cli/completion.h"

#include "cli/command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>
#include <vector>

namespace zc {
namespace {

constexpr std::string_view kHeader = "# Made from the command line's definition; do not edit.\n";

/// The help's first clause, for a list beside the prompt.
std::string_view brief(std::string_view help) { return help.substr(0, help.find_first_of(".:;")); }

/// `text` inside single quotes, for bash and zsh.
std::string single_quoted(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'') {
      result += "'\\''";
    } else {
      result += c;
    }
  }
  return result + "'";
}

std::vector<std::string_view> option_names(const std::vector<Argument>& arguments) {
  std::vector<std::string_view> names;
  for (const Argument& argument : arguments) {
    if (!argument.positional()) names.push_back(argument.name);
  }
  return names;
}

// ---- bash: no helper of the bash-completion package is needed

constexpr std::string_view kBashHead = R"(_zerocast() {
  # The line itself, not COMP_WORDS: readline splits words at ':' and '=', which our values contain.
  local line=${COMP_LINE:0:COMP_POINT}
  local value=${line##*[[:blank:]]} option='' command='' position=1 word
  local -a words
  read -ra words <<<"${line%"$value"}"
  for word in "${words[@]:1}"; do
    [[ $word == -* ]] && continue
    [[ -n $command ]] && position=$((position + 1))
    command=${command:-$word}
  done
  if [[ $value == --*=* ]]; then
    option=${value%%=*} value=${value#*=}
  elif [[ ${words[-1]} == --* ]]; then
    option=${words[-1]}
  fi
  local candidates='' files=''
  case $command:$option in
)";

constexpr std::string_view kBashTail = R"(  esac
  COMPREPLY=()
  if [[ -n $files ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$value")
    return
  fi
  mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$value")
  [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[:/] ]] && compopt -o nospace 2>/dev/null
  # readline replaces only what follows the last ':'.
  if [[ $value == *:* && $COMP_WORDBREAKS == *:* ]]; then
    COMPREPLY=("${COMPREPLY[@]#"${value%"${value##*:}"}"}")
  fi
}
complete -F _zerocast zerocast
)";

std::string bash_branch(std::string_view pattern, const Argument& argument) {
  if (argument.files) return fmt::format("    {}) files=1 ;;\n", pattern);
  return fmt::format("    {}) candidates={} ;;\n", pattern,
                     single_quoted(fmt::format("{}", fmt::join(argument.completions(), " "))));
}

/// What positional arguments are completed to; with several, by how many words stand before the one in question.
std::string bash_positionals(const CommandInfo& command) {
  std::vector<const Argument*> all;
  for (const Argument& argument : command.arguments) {
    if (argument.positional()) all.push_back(&argument);
  }
  if (all.empty()) return {};
  const auto offers = [](const Argument& argument) {
    return argument.files
               ? std::string("files=1")
               : fmt::format("candidates={}", single_quoted(fmt::format("{}", fmt::join(argument.completions(), " "))));
  };
  if (all.size() == 1) return fmt::format("      else\n        {}\n", offers(*all.front()));
  std::string text = "      else\n        case $position in\n";
  for (std::size_t i = 0; i < all.size(); ++i) text += fmt::format("          {}) {} ;;\n", i + 1, offers(*all[i]));
  return text + "        esac\n";
}

std::string bash_file() {
  std::string text = fmt::format("{}{}", kHeader, kBashHead);
  std::vector<std::string_view> names;
  for (const CommandInfo& command : command_infos()) {
    names.push_back(command.name);
    for (const Argument& argument : command.arguments) {
      if (!argument.positional() && !argument.flag()) {
        text += bash_branch(fmt::format("{}:{}", command.name, argument.name), argument);
      }
    }
    // What follows the command itself, or a flag: an option or the positional argument.
    auto options = option_names(command.arguments);
    options.push_back(help_option().name);
    text += fmt::format("    {}:*)\n      if [[ $value == -* ]]; then\n        candidates={}\n", command.name,
                        single_quoted(fmt::format("{}", fmt::join(options, " "))));
    text += bash_positionals(command);
    text += "      fi\n      ;;\n";
  }
  text += fmt::format(
      "    :*) candidates={} ;;\n",
      single_quoted(fmt::format("{} {}", fmt::join(names, " "), fmt::join(option_names(global_options()), " "))));
  return text.append(kBashTail);
}

// ---- zsh

/// `text` as a part of an _arguments specification, where ':', '[' and ']' have a meaning.
std::string zsh_escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == ':' || c == '[' || c == ']' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

std::string zsh_action(const Argument& argument) {
  if (argument.files) return "_files";
  if (argument.completions().empty()) return " ";
  return zsh_escaped(fmt::format("({})", fmt::join(argument.completions(), " ")));
}

std::string zsh_spec(const Argument& argument) {
  if (argument.positional()) return fmt::format("1:{}:{}", argument.name, zsh_action(argument));
  std::string spec = fmt::format("{}{}", argument.repeatable ? "*" : "", argument.name);
  if (!argument.flag()) spec += "=";
  spec += fmt::format("[{}]", zsh_escaped(brief(argument.help)));
  if (!argument.flag()) spec += fmt::format(":{}:{}", zsh_escaped(argument.value), zsh_action(argument));
  return spec;
}

std::string zsh_file() {
  std::string text = fmt::format("#compdef zerocast\n{}", kHeader);
  text +=
      "_zerocast() {\n  local curcontext=\"$curcontext\" state line\n  typeset -A opt_args\n  local -a commands\n"
      "  commands=(\n";
  const auto commands = command_infos();
  for (const CommandInfo& command : commands) {
    text += fmt::format("    {}\n", single_quoted(fmt::format("{}:{}", command.name, command.summary)));
  }
  text += "  )\n  _arguments -C \\\n";
  for (const Argument& option : global_options()) {
    text += fmt::format("    {} \\\n", single_quoted("(- *)" + zsh_spec(option)));
  }
  text +=
      "    '1:command:->command' \\\n    '*::argument:->argument'\n"
      "  case $state in\n    command) _describe -t commands command commands ;;\n"
      "    argument)\n      case $words[1] in\n";
  for (const CommandInfo& command : commands) {
    text += fmt::format("        {})\n          _arguments \\\n", command.name);
    for (const Argument& argument : command.arguments) {
      text += fmt::format("            {} \\\n", single_quoted(zsh_spec(argument)));
    }
    text += fmt::format("            {}\n          ;;\n", single_quoted("(- *)" + zsh_spec(help_option())));
  }
  // Sourced, the file registers itself; found on $fpath, it is the function's body.
  return text +
         "      esac\n      ;;\n  esac\n}\n"
         "if [[ $funcstack[1] == _zerocast ]]; then\n  _zerocast \"$@\"\nelse\n"
         "  compdef _zerocast zerocast\nfi\n";
}

// ---- fish

/// `text` inside single quotes; fish knows the escapes \' and \\ there.
std::string fish_quoted(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') result += '\\';
    result += c;
  }
  return result + "'";
}

std::string fish_argument(std::string_view condition, const Argument& argument) {
  std::string line = fmt::format("complete -c zerocast -n {}", condition);
  if (!argument.positional()) line += fmt::format(" -l {}", argument.name.substr(2));
  if (!argument.flag() && !argument.positional()) line += argument.files ? " -r -F" : " -x";
  if (argument.positional() && argument.files) line += " -F";
  if (!argument.completions().empty()) {
    line += fmt::format(" -a {}", fish_quoted(fmt::format("{}", fmt::join(argument.completions(), " "))));
  }
  return fmt::format("{} -d {}\n", line, fish_quoted(brief(argument.help)));
}

std::string fish_file() {
  std::string text = fmt::format("{}complete -c zerocast -f\n", kHeader);
  for (const Argument& option : global_options()) text += fish_argument("__fish_use_subcommand", option);
  for (const CommandInfo& command : command_infos()) {
    text += fmt::format("complete -c zerocast -n __fish_use_subcommand -a {} -d {}\n", command.name,
                        fish_quoted(command.summary));
    const std::string condition = fmt::format("'__fish_seen_subcommand_from {}'", command.name);
    for (const Argument& argument : command.arguments) text += fish_argument(condition, argument);
    text += fish_argument(condition, help_option());
  }
  return text;
}

}  // namespace

std::string completion_file(Shell shell) {
  switch (shell) {
    case Shell::Bash: return bash_file();
    case Shell::Zsh: return zsh_file();
    case Shell::Fish: return fish_file();
  }
  return {};
}

}  // namespace zc
