// The subcommands: one entry each, joining rows of arguments, defaults and checks. A new subcommand is a new entry.
#pragma once

#include "cli/command_line.h"
#include "settings/argument.h"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

/// What was typed after one argument's name; a flag's values are empty strings.
struct Occurrences {
  std::size_t row = 0;  ///< index into CommandInfo::arguments
  std::vector<std::string> values;
};

class Command {
 public:
  virtual ~Command() = default;
  Command() = default;
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  [[nodiscard]] virtual const CommandInfo& info() const = 0;
  /// Turns the typed words into options. `given` holds the arguments that occurred, by row; `config` may be null.
  [[nodiscard]] virtual Result<Invocation> interpret(std::span<const Occurrences> given,
                                                     const ConfigReader& config) const = 0;
};

/// All subcommands, made anew on each call.
[[nodiscard]] std::vector<std::unique_ptr<Command>> make_commands();

}  // namespace zc
