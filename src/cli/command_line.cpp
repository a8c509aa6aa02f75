#include "cli/command_line.h"

#include "base/version.h"
#include "cli/command_table.h"
#include "cli/help.h"
#include "settings/values.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace zc {
namespace {

/// Restricted Damerau-Levenshtein distance, for "did you mean".
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

/// "; did you mean 'record'?" or nothing.
std::string suggestion(std::string_view typed, const std::vector<std::string_view>& known) {
  constexpr std::size_t kLongest = 40;
  if (typed.size() > kLongest) return {};
  std::string_view best;
  std::size_t best_distance = std::min<std::size_t>(3, typed.size() / 2 + 1);
  for (const std::string_view word : known) {
    const std::size_t distance = edit_distance(typed, word);
    if (distance < best_distance) {
      best = word;
      best_distance = distance;
    }
  }
  return best.empty() ? std::string() : fmt::format("; did you mean '{}'?", best);
}

std::unexpected<Error> invalid(std::string operation, std::string detail) {
  return fail(ErrorKind::Invalid, std::move(operation), std::move(detail));
}

/// A subcommand bound to its CLI11 parser.
struct Bound {
  std::unique_ptr<Command> command;
  CLI::App* app = nullptr;
  std::vector<CLI::Option*> options;  ///< parallel to CommandInfo::arguments
};

/// CLI11 splits the words; their values stay text and are read by our own parsers, so that no exception and no message
/// of CLI11 is needed for them.
class Parser {
 public:
  Parser() {
    app_.set_help_flag();
    help_ = app_.add_flag(std::string(kHelpNames));
    version_ = app_.add_flag("--version");
    app_.require_subcommand(0, 1);
    for (std::unique_ptr<Command>& command : make_commands()) bind(std::move(command));
  }

  Result<Invocation> parse(std::span<const char* const> arguments, const ConfigReader& config) {
    std::vector<std::string> words(arguments.rbegin(), arguments.rend());  // CLI11 takes them last first
    // CLI11 would take the next word as the value of "--crf=".
    for (const char* argument : arguments) {
      const std::string_view word(argument);
      if (word == "--") break;
      if (word.starts_with("--") && word.size() > 3 && word.find('=') == word.size() - 1) {
        return invalid(std::string(word.substr(0, word.size() - 1)), "it needs a value");
      }
    }
    std::optional<Error> failure;
    try {
      app_.parse(words);
    } catch (const CLI::ArgumentMismatch& mismatch) {
      failure = mismatch_error(mismatch.what());
    } catch (const CLI::ExtrasError&) {
      failure = extras_error();
    } catch (const CLI::ParseError& error) {
      failure = Error{.kind = ErrorKind::Invalid, .operation = "command line", .detail = error.what()};
    }
    const Bound* bound = chosen();
    if (asks_for_help(bound)) return ShowText{bound == nullptr ? program_help() : command_help(bound->command->info())};
    if (failure) return std::unexpected(*std::move(failure));
    if (version_->count() > 0) return ShowText{fmt::format("zerocast {}\n", program_version())};
    if (bound == nullptr) {
      return invalid("no command",
                     fmt::format("it is one of {}; see 'zerocast --help'", fmt::join(command_names(), ", ")));
    }
    std::vector<Occurrences> given;
    for (std::size_t row = 0; row < bound->options.size(); ++row) {
      const CLI::Option& option = *bound->options[row];
      if (option.count() == 0) continue;
      const bool flag = bound->command->info().arguments.at(row).flag();
      given.push_back({row, flag ? std::vector<std::string>(1) : option.results()});
    }
    return bound->command->interpret(given, config);
  }

 private:
  static constexpr std::string_view kHelpNames = "-h,--help";

  void bind(std::unique_ptr<Command> command) {
    const CommandInfo& info = command->info();
    Bound bound;
    bound.app = app_.add_subcommand(std::string(info.name));
    bound.app->set_help_flag();
    sub_help_.push_back(bound.app->add_flag(std::string(kHelpNames)));
    for (const Argument& argument : info.arguments) {
      const std::string name(argument.name);
      if (argument.flag()) {
        bound.options.push_back(bound.app->add_flag(name)->disable_flag_override());
      } else {
        const auto accept = [](const CLI::results_t&) { return true; };
        bound.options.push_back(
            bound.app->add_option(name, accept)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll));
      }
    }
    bound.command = std::move(command);
    commands_.push_back(std::move(bound));
  }

  [[nodiscard]] const Bound* chosen() const {
    for (const Bound& bound : commands_) {
      if (app_.got_subcommand(bound.app)) return &bound;
    }
    return nullptr;
  }

  [[nodiscard]] bool asks_for_help(const Bound* bound) const {
    if (help_->count() > 0) return true;
    return bound != nullptr && sub_help_.at(static_cast<std::size_t>(bound - commands_.data()))->count() > 0;
  }

  [[nodiscard]] std::vector<std::string_view> command_names() const {
    std::vector<std::string_view> names;
    names.reserve(commands_.size());
    for (const Bound& bound : commands_) names.push_back(bound.command->info().name);
    return names;
  }

  /// CLI11 says "--crf: 1 required TEXT missing" or "json was given a disallowed flag override".
  static Error mismatch_error(std::string_view message) {
    const std::string_view word = message.substr(0, message.find_first_of(": "));
    const std::string name = fmt::format("{}{}", word.starts_with('-') ? "" : "--", word);
    const bool missing = message.find("required") != std::string_view::npos;
    return {
        .kind = ErrorKind::Invalid, .operation = name, .detail = missing ? "it needs a value" : "it takes no value"};
  }

  /// The first word that nothing took.
  [[nodiscard]] Error extras_error() const {
    const Bound* bound = chosen();
    std::vector<std::string> extras = app_.remaining(false);
    const bool before_command = !extras.empty();
    if (!before_command && bound != nullptr) extras = bound->app->remaining(false);
    Error error{.kind = ErrorKind::Invalid, .operation = "command line", .detail = "a word too many"};
    if (extras.empty()) return error;
    const std::string word = extras.front().substr(0, extras.front().find('='));

    std::vector<std::string_view> known;
    std::string see = "zerocast --help";
    if (before_command) {
      known = command_names();
      for (const Argument& option : global_options()) known.push_back(option.name);
    } else {
      const CommandInfo& info = bound->command->info();
      for (const Argument& argument : info.arguments) {
        if (!argument.positional()) known.push_back(argument.name);
      }
      see = fmt::format("zerocast {} --help", info.name);
      error.operation = info.name;
    }
    const bool option = word.starts_with('-');
    if (option && before_command && bound != nullptr) {
      error.detail = fmt::format("{} stands before '{}'; options come after the command", in_quotes(word),
                                 bound->command->info().name);
      return error;
    }
    std::string_view what = "unexpected argument";
    if (option) {
      what = "unknown option";
    } else if (before_command) {
      what = "unknown command";
    }
    std::string hint = option || before_command ? suggestion(word, known) : std::string();
    if (hint.empty()) hint = fmt::format("; see '{}'", see);
    error.detail = fmt::format("{} {}{}", what, in_quotes(option ? word : extras.front()), hint);
    return error;
  }

  CLI::App app_;
  CLI::Option* help_ = nullptr;
  CLI::Option* version_ = nullptr;
  std::vector<Bound> commands_;
  std::vector<CLI::Option*> sub_help_;  ///< parallel to commands_
};

}  // namespace

Result<Invocation> parse_command_line(std::span<const char* const> arguments, const ConfigReader& config) {
  try {
    return Parser().parse(arguments, config);
  } catch (const std::exception& error) {
    return fail(ErrorKind::Internal, "read the command line", error.what());
  }
}

std::vector<CommandInfo> command_infos() {
  std::vector<CommandInfo> infos;
  for (const std::unique_ptr<Command>& command : make_commands()) infos.push_back(command->info());
  return infos;
}

Argument help_option() {
  return {.name = "--help", .value = "", .group = "General", .help = "Show this help and leave.", .fallback = ""};
}

std::vector<Argument> global_options() {
  return {
      help_option(),
      {.name = "--version", .value = "", .group = "General", .help = "Show the version and leave.", .fallback = ""}};
}

std::string_view program_summary() {
  return "Record and stream a Wayland desktop, a window or a camera through PipeWire";
}

std::string_view program_version() { return version(); }

}  // namespace zc
