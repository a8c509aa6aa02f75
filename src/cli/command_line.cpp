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
  CLI::Option* help = nullptr;
  std::vector<CLI::Option*> options;  ///< parallel to CommandInfo::arguments
};

/// The parser of the word before a group's commands.
struct Group {
  std::string_view name;
  CLI::App* app = nullptr;
  CLI::Option* help = nullptr;
};

/// CLI11 splits the words; their values stay text and are read by our own parsers, so that no exception and no message
/// of CLI11 is needed for them.
class Parser {
 public:
  Parser() {
    app_.set_help_flag();
    help_ = app_.add_flag(kHelpNames);
    version_ = app_.add_flag("--version");
    app_.require_subcommand(0, 1);
    for (std::unique_ptr<Command>& command : make_commands()) bind(std::move(command));
  }

  Result<Invocation> parse(std::span<const char* const> arguments, const ConfigReader& config) {
    std::vector<std::string> words(arguments.begin(), arguments.end());
    add_group(words);
    // CLI11 would take the next word as the value of "--crf=".
    for (const std::string_view word : words) {
      if (word == "--") break;
      if (word.starts_with("--") && word.size() > 3 && word.find('=') == word.size() - 1) {
        return invalid(std::string(word.substr(0, word.size() - 1)), "it needs a value");
      }
    }
    std::optional<Error> failure;
    try {
      app_.parse(std::vector<std::string>(words.rbegin(), words.rend()));  // CLI11 takes them last first
    } catch (const CLI::ArgumentMismatch&) {
      failure = mismatch_error(words);
    } catch (const CLI::ExtrasError&) {
      failure = extras_error();
    } catch (const CLI::ParseError& error) {
      failure = Error{.kind = ErrorKind::Invalid, .operation = "command line", .detail = error.what()};
    }
    const Bound* bound = chosen();
    const Group* group = chosen_group();
    if (bound != nullptr && (help_->count() > 0 || bound->help->count() > 0)) {
      return ShowText{command_help(bound->command->info())};
    }
    if (group != nullptr && (help_->count() > 0 || group->help->count() > 0)) return ShowText{group_help(group->name)};
    if (help_->count() > 0) return ShowText{program_help()};
    if (failure) return std::unexpected(*std::move(failure));
    if (version_->count() > 0) return ShowText{fmt::format("zerocast {}\n", program_version())};
    if (bound == nullptr) {
      const std::string_view name = group == nullptr ? std::string_view{} : group->name;
      return invalid(name.empty() ? "no command" : fmt::format("{}: no command", name),
                     fmt::format("it is one of {}; see 'zerocast {}{}--help'", fmt::join(words_of(name), ", "), name,
                                 name.empty() ? "" : " "));
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
  static constexpr const char* kHelpNames = "-h,--help";

  void bind(std::unique_ptr<Command> command) {
    const CommandInfo& info = command->info();
    Bound bound;
    CLI::App& parent = info.group().empty() ? app_ : *group_of(info.group()).app;
    bound.app = parent.add_subcommand(std::string(info.word()));
    bound.app->set_help_flag();
    bound.help = bound.app->add_flag(kHelpNames);
    for (const Argument& argument : info.arguments) {
      const std::string name =
          argument.alias.empty() ? std::string(argument.name) : fmt::format("{},{}", argument.alias, argument.name);
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

  const Group& group_of(std::string_view name) {
    const auto known = std::ranges::find(groups_, name, &Group::name);
    if (known != groups_.end()) return *known;
    CLI::App* app = app_.add_subcommand(std::string(name));
    app->set_help_flag();
    app->require_subcommand(0, 1);
    return groups_.emplace_back(name, app, app->add_flag(kHelpNames));
  }

  /// What is in the group "session" now once was a command by itself: "stop meeting" is "session stop meeting".
  void add_group(std::vector<std::string>& words) const {
    if (words.empty()) return;
    if (words.size() > 1 && words[0] == "replay" && words[1] == "save") {
      words[0] = "session";
      words[1] = "save-replay";
      return;
    }
    for (const Bound& bound : commands_) {
      const CommandInfo& info = bound.command->info();
      if (info.group() != "session" || info.word() != words.front()) continue;
      words.insert(words.begin(), std::string(info.group()));
      return;
    }
  }

  [[nodiscard]] const Bound* chosen() const {
    const auto found = std::ranges::find_if(commands_, [](const Bound& bound) { return bound.app->parsed(); });
    return found == commands_.end() ? nullptr : &*found;
  }
  [[nodiscard]] const Group* chosen_group() const {
    const auto found = std::ranges::find_if(groups_, [](const Group& group) { return group.app->parsed(); });
    return found == groups_.end() ? nullptr : &*found;
  }

  /// What may follow the program's name, or a group's.
  [[nodiscard]] std::vector<std::string_view> words_of(std::string_view group) const {
    std::vector<std::string_view> names;
    for (const Bound& bound : commands_) {
      const CommandInfo& info = bound.command->info();
      const std::string_view name = info.group() == group ? info.word() : info.group();
      const bool here = group.empty() || info.group() == group;
      if (here && std::ranges::find(names, name) == names.end()) names.push_back(name);
    }
    return names;
  }

  /// The first flag with a value, or the last word: an option takes whatever follows it.
  [[nodiscard]] Error mismatch_error(std::span<const std::string> words) const {
    Error error{.kind = ErrorKind::Invalid, .operation = "command line", .detail = "an option lacks its value"};
    const Bound* bound = chosen();
    if (bound == nullptr) return error;
    for (std::size_t i = 0; i < words.size(); ++i) {
      const std::string_view name = std::string_view(words[i]).substr(0, words[i].find('='));
      const bool has_value = name.size() < words[i].size();
      for (const Argument& argument : bound->command->info().arguments) {
        if (argument.positional() || (name != argument.name && name != argument.alias)) continue;
        const bool last = i + 1 == words.size();
        if (argument.flag() ? !has_value : has_value || !last) continue;
        error.operation = argument.name;
        error.detail = argument.flag() ? "it takes no value" : "it needs a value";
        return error;
      }
    }
    return error;
  }

  /// The first word that nothing took.
  [[nodiscard]] Error extras_error() const {
    const Bound* bound = chosen();
    const Group* group = chosen_group();
    std::vector<std::string> extras = app_.remaining(false);
    if (extras.empty() && group != nullptr) extras = group->app->remaining(false);
    const bool before_command = !extras.empty();
    if (!before_command && bound != nullptr) extras = bound->app->remaining(false);
    Error error{.kind = ErrorKind::Invalid, .operation = "command line", .detail = "a word too many"};
    if (extras.empty()) return error;
    const std::string word = extras.front().substr(0, extras.front().find('='));

    std::vector<std::string_view> known;
    std::string see = "zerocast --help";
    if (before_command) {
      const std::string_view name = group == nullptr ? std::string_view{} : group->name;
      known = words_of(name);
      if (!name.empty()) see = fmt::format("zerocast {} --help", name);
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
  std::vector<Group> groups_;
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
  return {.name = "--help",
          .value = "",
          .group = "General",
          .help = "Show this help and leave.",
          .fallback = "",
          .alias = "-h"};
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
