// The command line as data: what CLI11 parses, and what help, man page and completions are made from.
#pragma once

#include "base/error.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

// The empty initializers of spans let rows leave these members out; GCC warns of them otherwise.
// NOLINTBEGIN(readability-redundant-member-init)

/// One option or positional argument.
struct Argument {
  std::string_view name;                            ///< "--codec"; a positional has no dashes: "FILE"
  std::string_view value;                           ///< placeholder of its value; empty: a flag (positionals: unused)
  std::string_view group;                           ///< heading in help and man page
  std::string_view help;                            ///< sentences; choices and default are added by the formatters
  std::string_view fallback;                        ///< the default, as one would type it; empty: none worth a word
  std::span<const std::string_view> choices{};      ///< every valid value; empty: not a closed list
  std::span<const std::string_view> suggestions{};  ///< for completion where the list is open
  bool files = false;                               ///< completion offers file names
  bool repeatable = false;
  bool optional = false;     ///< a positional that may be left out
  std::string_view alias{};  ///< what may be typed instead of the name: "-f", "--color"
  std::string_view once{};   ///< what to do for whom one is not enough; said where it is given more than once

  [[nodiscard]] bool positional() const { return !name.starts_with('-'); }
  [[nodiscard]] bool flag() const { return !positional() && value.empty(); }
  [[nodiscard]] std::span<const std::string_view> completions() const {
    return choices.empty() ? suggestions : choices;
  }
};

/// Two options that contradict each other.
struct Conflict {
  std::string_view first;
  std::string_view second;
  std::string_view why;  ///< "both choose the rate control"
};

/// A command line that works, with what it does. Tests parse every one of them.
struct Example {
  std::string_view line;
  std::string_view what;
};

/// An exit code that means something else in one subcommand than in the others.
struct CommandExit {
  int code;
  std::string_view meaning;  ///< a sentence
};

/// One subcommand as the documentation sees it.
struct CommandInfo {
  std::string_view name;     ///< "record"; of a group: "session stop"
  std::string_view summary;  ///< one line, no full stop
  std::string_view details;  ///< a paragraph
  std::vector<Argument> arguments;
  std::span<const Example> examples{};
  std::span<const CommandExit> exits{};  ///< empty: those of every command (exit_codes.h)

  /// "session"; empty: it is in none.
  [[nodiscard]] std::string_view group() const {
    const std::size_t blank = name.find(' ');
    return blank == std::string_view::npos ? std::string_view{} : name.substr(0, blank);
  }
  /// "stop"
  [[nodiscard]] std::string_view word() const { return name.substr(group().empty() ? 0 : group().size() + 1); }
};

// NOLINTEND(readability-redundant-member-init)

/// An Argument and where its text goes.
template <class Words>
struct ArgumentRow {
  Argument argument;
  /// Called once per occurrence; `option` is the argument's name, `text` empty for a flag.
  Result<void> (*set)(Words& words, std::string_view option, std::string_view text);
};

/// Puts a parsed value in its place, or passes the error on.
template <class T, class Place>
[[nodiscard]] Result<void> store(Result<T> value, Place& place) {
  if (!value) return std::unexpected(std::move(value.error()));
  place = *std::move(value);
  return {};
}

}  // namespace zc
