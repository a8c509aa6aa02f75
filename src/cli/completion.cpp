#include "cli/completion.h"

#include "cli/command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <vector>

namespace zc {
namespace {

constexpr std::string_view kFiles = ":files\n";
constexpr std::string_view kGroupSummary = "What the daemon's sessions do";

/// The help's first clause, for a list beside the prompt.
std::string_view brief(std::string_view help) {
  for (const std::string_view end : {". ", ": ", "; "}) help = help.substr(0, help.find(end));
  return help.ends_with('.') ? help.substr(0, help.size() - 1) : help;
}

/// Lines that begin with what has been typed.
class Offers {
 public:
  explicit Offers(std::string_view typed) : typed_(typed) {}
  void add(std::string_view text, std::string_view description = {}) {
    if (!text.starts_with(typed_)) return;
    text_ += text;
    if (!description.empty()) text_.append("\t").append(description);
    text_ += '\n';
  }
  void add(const Argument& option) { add(option.name, brief(option.help)); }
  [[nodiscard]] std::string text() && { return std::move(text_); }

 private:
  std::string_view typed_;
  std::string text_;
};

/// Commands, or groups of them; of a group its commands.
std::string words_of(const std::vector<CommandInfo>& commands, std::string_view group, std::string_view typed) {
  Offers offers(typed);
  std::string_view told;
  for (const CommandInfo& command : commands) {
    if (command.group() == group) {
      offers.add(command.word(), command.summary);
    } else if (group.empty() && command.group() != told) {
      told = command.group();
      offers.add(told, kGroupSummary);
    }
  }
  for (const Argument& option : group.empty() ? global_options() : std::vector{help_option()}) offers.add(option);
  return std::move(offers).text();
}

/// `before`: what stands before the value in the same word, "--codec=" or nothing.
std::string values_of(const Argument& argument, std::string_view before, std::string_view typed) {
  if (argument.files) return std::string(kFiles);
  Offers offers(typed);
  for (const std::string_view value : argument.completions()) offers.add(fmt::format("{}{}", before, value));
  return std::move(offers).text();
}

const Argument* find_option(const CommandInfo& command, std::string_view word) {
  const std::string_view name = word.substr(0, word.find('='));
  const auto found = std::ranges::find_if(command.arguments, [&](const Argument& one) {
    return !one.positional() && (one.name == name || one.alias == name);
  });
  return found == command.arguments.end() ? nullptr : &*found;
}

/// `words`: behind the command's own.
std::string of_command(const CommandInfo& command, std::span<const char* const> words, std::string_view typed) {
  const Argument* waits = nullptr;  // for its value
  std::size_t positionals = 0;
  for (const std::string_view word : words) {
    const Argument* option = waits == nullptr && word.starts_with('-') ? find_option(command, word) : nullptr;
    if (waits == nullptr && !word.starts_with('-')) ++positionals;
    waits = option != nullptr && !option->flag() && word.find('=') == std::string_view::npos ? option : nullptr;
  }
  if (waits != nullptr) return values_of(*waits, "", typed);
  if (const std::size_t equals = typed.find('='); typed.starts_with("--") && equals != std::string_view::npos) {
    const Argument* option = find_option(command, typed);
    return option == nullptr || option->flag() ? std::string() : values_of(*option, typed.substr(0, equals + 1), typed);
  }
  if (typed.starts_with('-')) {
    Offers offers(typed);
    for (const Argument& argument : command.arguments) {
      if (!argument.positional()) offers.add(argument);
    }
    offers.add(help_option());
    return std::move(offers).text();
  }
  for (const Argument& argument : command.arguments) {
    if (argument.positional() && positionals-- == 0) return values_of(argument, "", typed);
  }
  return {};
}

// The line itself, not COMP_WORDS: readline splits words at ':' and '=', which our values contain, and replaces only
// what follows the last of these.
constexpr std::string_view kBash = R"(_zerocast() {
  local line=${COMP_LINE:0:COMP_POINT}
  local value=${line##*[[:blank:]]}
  local breaks=${COMP_WORDBREAKS//[^:=]/} kept=''
  [[ -n $breaks ]] && kept=${value%"${value##*[$breaks]}"}
  local -a words offers
  read -ra words <<<"${line%"$value"}"
  local program=${words[0]}
  [[ ${program##*/} == zerocast ]] || program=zerocast # behind sudo, say
  mapfile -t offers < <("$program" --complete "${words[@]:1}" "$value" 2>/dev/null)
  COMPREPLY=()
  if [[ ${offers[0]-} == :files ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "${value#--*=}")
    return
  fi
  COMPREPLY=("${offers[@]%%$'\t'*}")
  [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[:/] ]] && compopt -o nospace 2>/dev/null
  COMPREPLY=("${COMPREPLY[@]#"$kept"}")
}
complete -F _zerocast zerocast
)";

// Sourced, the file registers itself; found on $fpath, it is the function's body.
constexpr std::string_view kZsh = R"(#compdef zerocast
_zerocast() {
  local line offer
  local -a lines offers
  lines=("${(@f)$("$words[1]" --complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}")
  if [[ $lines[1] == :files ]]; then
    compset -P '--*='
    _files
    return
  fi
  for line in $lines; do
    offer=${${line%%$'\t'*}//:/\\:}
    [[ $line == *$'\t'* ]] && offer+=:${line#*$'\t'}
    offers+=("$offer")
  done
  _describe -t arguments argument offers
}
if [[ $funcstack[1] == _zerocast ]]; then
  _zerocast "$@"
else
  compdef _zerocast zerocast
fi
)";

constexpr std::string_view kFish = R"(function __zerocast_complete
  set -l words (commandline -opc)
  set -l typed (commandline -ct)
  set -l offers ($words[1] --complete $words[2..-1] "$typed" 2>/dev/null)
  if test "$offers[1]" = ':files'
    __fish_complete_path (string replace -r -- '^--.*?=' '' "$typed")
  else
    printf '%s\n' $offers
  end
end
complete -c zerocast -f -a '(__zerocast_complete)'
)";

}  // namespace

std::string complete(std::span<const char* const> words) {
  if (words.empty()) return {};
  const std::string_view typed = words.back();
  const std::vector<CommandInfo> commands = command_infos();
  std::string name;
  for (std::size_t i = 0; i + 1 < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word.starts_with('-')) continue;
    name += name.empty() ? std::string(word) : fmt::format(" {}", word);
    // A session's command may be typed without the group's word.
    const auto found =
        std::ranges::find_if(commands, [&](const CommandInfo& one) { return one.name == name || one.word() == name; });
    if (found != commands.end()) return of_command(*found, words.subspan(i + 1, words.size() - i - 2), typed);
    if (std::ranges::find(commands, name, &CommandInfo::group) == commands.end()) return {};
  }
  return words_of(commands, name, typed);
}

std::string_view completion_file(Shell shell) {
  switch (shell) {
    case Shell::Bash: return kBash;
    case Shell::Zsh: return kZsh;
    case Shell::Fish: return kFish;
  }
  return {};
}

}  // namespace zc
