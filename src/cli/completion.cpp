#include "cli/completion.h"

#include "cli/command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
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

/// One word that may follow the program's name, or a group's.
struct Word {
  std::string_view text;
  std::string_view summary;
  const CommandInfo* command;  ///< nullptr: it is a group
};

constexpr std::string_view kGroupSummary = "What the daemon's sessions do";

/// Those of a group; of the program for "".
std::vector<Word> words_of(const std::vector<CommandInfo>& commands, std::string_view group) {
  std::vector<Word> words;
  for (const CommandInfo& command : commands) {
    if (command.group() == group) words.push_back({command.word(), command.summary, &command});
    if (!group.empty() || command.group().empty()) continue;
    if (std::ranges::find(words, command.group(), &Word::text) == words.end()) {
      words.push_back({command.group(), kGroupSummary, nullptr});
    }
  }
  return words;
}

std::string joined(const std::vector<Word>& words) {
  std::string text;
  for (const Word& word : words) text.append(text.empty() ? "" : " ").append(word.text);
  return text;
}

// ---- bash: no helper of the bash-completion package is needed

constexpr std::string_view kBashHead = R"(_zerocast() {
  # The line itself, not COMP_WORDS: readline splits words at ':' and '=', which our values contain.
  local line=${COMP_LINE:0:COMP_POINT}
  local value=${line##*[[:blank:]]} option='' command='' position=1 word groups=' @GROUPS@ '
  local -a words
  read -ra words <<<"${line%"$value"}"
  for word in "${words[@]:1}"; do
    [[ $word == -* ]] && continue
    if [[ -z $command ]]; then
      command=$word
    elif [[ $groups == *" $command "* ]]; then
      command+=" $word"
    else
      position=$((position + 1))
    fi
  done
  if [[ $value == --*=* ]]; then
    option=${value%%=*} value=${value#*=}
  elif [[ ${words[-1]} == -* ]]; then
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

std::string bash_branch(std::string_view command, const Argument& argument) {
  std::string pattern = single_quoted(fmt::format("{}:{}", command, argument.name));
  if (!argument.alias.empty()) pattern += "|" + single_quoted(fmt::format("{}:{}", command, argument.alias));

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

std::string bash_command(const CommandInfo& command) {
  std::string text;
  for (const Argument& argument : command.arguments) {
    if (!argument.positional() && !argument.flag()) text += bash_branch(command.name, argument);
  }
  // What follows the command itself, or a flag: an option or the positional argument.
  auto options = option_names(command.arguments);
  options.push_back(help_option().name);
  text += fmt::format("    {}:*)\n      if [[ $value == -* ]]; then\n        candidates={}\n",
                      single_quoted(command.name), single_quoted(fmt::format("{}", fmt::join(options, " "))));
  return text + bash_positionals(command) + "      fi\n      ;;\n";
}

std::string bash_file() {
  const std::vector<CommandInfo> commands = command_infos();
  const std::vector<Word> words = words_of(commands, "");
  std::string groups;
  std::string branches;
  for (const CommandInfo& command : commands) branches += bash_command(command);
  for (const Word& word : words) {
    if (word.command != nullptr) continue;
    groups.append(groups.empty() ? "" : " ").append(word.text);
    branches +=
        fmt::format("    {}:*) candidates={} ;;\n", word.text,
                    single_quoted(fmt::format("{} {}", joined(words_of(commands, word.text)), help_option().name)));
  }
  branches +=
      fmt::format("    :*) candidates={} ;;\n",
                  single_quoted(fmt::format("{} {}", joined(words), fmt::join(option_names(global_options()), " "))));
  std::string head(kBashHead);
  constexpr std::string_view kGroups = "@GROUPS@";
  head.replace(head.find(kGroups), kGroups.size(), groups);
  return fmt::format("{}{}{}{}", kHeader, head, branches, kBashTail);
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

/// Of an option by one of its names.
std::string zsh_option(const Argument& argument, std::string_view name) {
  std::string spec = argument.repeatable ? "*" : "";
  if (!argument.repeatable && !argument.alias.empty()) spec = fmt::format("({} {})", argument.alias, argument.name);
  spec += name;
  if (!argument.flag()) spec += name.starts_with("--") ? "=" : "+";
  spec += fmt::format("[{}]", zsh_escaped(brief(argument.help)));
  if (!argument.flag()) spec += fmt::format(":{}:{}", zsh_escaped(argument.value), zsh_action(argument));
  return single_quoted(spec);
}

/// What _arguments is told of all arguments, a line each.
std::string zsh_specs(const std::vector<Argument>& arguments, std::string_view indent) {
  std::string text;
  std::size_t position = 0;
  for (const Argument& argument : arguments) {
    if (argument.positional()) {
      const std::string spec = fmt::format("{}:{}:{}", ++position, argument.name, zsh_action(argument));
      text += fmt::format("{}{} \\\n", indent, single_quoted(spec));
      continue;
    }
    if (!argument.alias.empty()) text += fmt::format("{}{} \\\n", indent, zsh_option(argument, argument.alias));
    text += fmt::format("{}{} \\\n", indent, zsh_option(argument, argument.name));
  }
  return text;
}

/// Completes a command's word, then what follows it.
std::string zsh_words(const std::vector<CommandInfo>& commands, std::string_view group, const std::string& indent) {
  const std::vector<Argument> options = group.empty() ? global_options() : std::vector{help_option()};
  std::string text = fmt::format("{}commands=(\n", indent);
  for (const Word& word : words_of(commands, group)) {
    text += fmt::format("{}  {}\n", indent, single_quoted(fmt::format("{}:{}", word.text, word.summary)));
  }
  text += fmt::format("{0})\n{0}_arguments -C \\\n{1}", indent, zsh_specs(options, indent + "  "));
  text += fmt::format(
      "{0}  '1:command:->command' \\\n{0}  '*::argument:->argument'\n{0}case $state in\n"
      "{0}  command) _describe -t commands command commands ;;\n{0}  argument)\n{0}    case $words[1] in\n",
      indent);
  for (const Word& word : words_of(commands, group)) {
    const std::string deeper = indent + "        ";
    text += fmt::format("{}      {})\n", indent, word.text);
    if (word.command == nullptr) {
      text += zsh_words(commands, word.text, deeper);
    } else {
      text += fmt::format("{0}_arguments \\\n{1}{0}  {2}\n", deeper, zsh_specs(word.command->arguments, deeper + "  "),
                          zsh_option(help_option(), help_option().name));
    }
    text += fmt::format("{};;\n", deeper);
  }
  return text + fmt::format("{0}    esac\n{0}    ;;\n{0}esac\n", indent);
}

std::string zsh_file() {
  std::string text = fmt::format("#compdef zerocast\n{}", kHeader);
  text += "_zerocast() {\n  local curcontext=\"$curcontext\" state line\n  typeset -A opt_args\n  local -a commands\n";
  text += zsh_words(command_infos(), "", "  ");
  // Sourced, the file registers itself; found on $fpath, it is the function's body.
  return text +
         "}\n"
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
  for (const std::string_view name : {argument.name, argument.alias}) {
    if (name.starts_with("--")) {
      line += fmt::format(" -l {}", name.substr(2));
    } else if (name.starts_with('-')) {
      line += fmt::format(" -s {}", name.substr(1));
    }
  }
  if (!argument.flag() && !argument.positional()) line += argument.files ? " -r -F" : " -x";
  if (argument.positional() && argument.files) line += " -F";
  if (!argument.completions().empty()) {
    line += fmt::format(" -a {}", fish_quoted(fmt::format("{}", fmt::join(argument.completions(), " "))));
  }
  return fmt::format("{} -d {}\n", line, fish_quoted(brief(argument.help)));
}

/// `before`: what must stand on the line already, with "; and " behind it.
std::string fish_words(const std::vector<CommandInfo>& commands, std::string_view group, const std::string& before) {
  const std::vector<Word> words = words_of(commands, group);
  std::string text;
  const std::string none =
      group.empty() ? std::string("__fish_use_subcommand")
                    : fish_quoted(fmt::format("{}not __fish_seen_subcommand_from {}", before, joined(words)));
  for (const Word& word : words) {
    text += fmt::format("complete -c zerocast -n {} -a {} -d {}\n", none, word.text, fish_quoted(word.summary));
    const std::string seen = fmt::format("{}__fish_seen_subcommand_from {}", before, word.text);
    if (word.command == nullptr) {
      text += fish_words(commands, word.text, seen + "; and ");
      continue;
    }
    for (const Argument& argument : word.command->arguments) text += fish_argument(fish_quoted(seen), argument);
    text += fish_argument(fish_quoted(seen), help_option());
  }
  return text;
}

std::string fish_file() {
  std::string text = fmt::format("{}complete -c zerocast -f\n", kHeader);
  for (const Argument& option : global_options()) text += fish_argument("__fish_use_subcommand", option);
  return text + fish_words(command_infos(), "", "");
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
