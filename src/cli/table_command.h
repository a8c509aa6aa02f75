// A subcommand made of rows of arguments, for the command tables.
#pragma once

#include "cli/command_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace zc {

/// `Words` collects the values of the rows, `finish` makes options of them.
template <class Words>
class TableCommand final : public Command {
 public:
  using Finish = Result<Invocation> (*)(Words words);
  /// Puts the user's own defaults into `words`, but for what is `given`.
  using Configure = Result<void> (*)(const Config& config, std::span<const std::string_view> given, Words& words);

  TableCommand(CommandInfo info, std::vector<ArgumentRow<Words>> rows, std::span<const Conflict> conflicts,
               Words defaults, Finish finish, Configure configure = nullptr)
      : info_(std::move(info)),
        rows_(std::move(rows)),
        conflicts_(conflicts),
        defaults_(std::move(defaults)),
        finish_(finish),
        configure_(configure) {
    for (const ArgumentRow<Words>& row : rows_) info_.arguments.push_back(row.argument);
  }

  [[nodiscard]] const CommandInfo& info() const override { return info_; }

  [[nodiscard]] Result<Invocation> interpret(std::span<const Occurrences> given,
                                             const ConfigReader& config) const override {
    if (auto good = check_presence(given); !good) return std::unexpected(std::move(good.error()));
    Words words = defaults_;
    if (configure_ != nullptr && config) {
      if (auto good = apply_config(given, config, words); !good) return std::unexpected(std::move(good.error()));
    }
    for (const Occurrences& occurrence : given) {
      const ArgumentRow<Words>& row = rows_.at(occurrence.row);
      for (const std::string& value : occurrence.values) {
        if (auto set = row.set(words, row.argument.name, value); !set) return std::unexpected(std::move(set.error()));
      }
    }
    return finish_(std::move(words));
  }

 private:
  [[nodiscard]] Result<void> apply_config(std::span<const Occurrences> given, const ConfigReader& reader,
                                          Words& words) const {
    const auto config = reader();
    if (!config) return std::unexpected(config.error());
    std::vector<std::string_view> names;
    for (const Occurrences& occurrence : given) names.push_back(rows_.at(occurrence.row).argument.name);
    return configure_(*config, names, words);
  }

  [[nodiscard]] Result<void> check_presence(std::span<const Occurrences> given) const {
    const auto has = [&](std::string_view name) {
      return std::ranges::any_of(given, [&](const Occurrences& o) { return rows_.at(o.row).argument.name == name; });
    };
    for (const Argument& argument : info_.arguments) {
      if (argument.positional() && !argument.optional && !has(argument.name)) {
        return fail(ErrorKind::Invalid, std::string(info_.name),
                    fmt::format("{} is missing; see 'zerocast {} --help'", argument.name, info_.name));
      }
    }
    for (const Occurrences& occurrence : given) {
      const Argument& argument = rows_.at(occurrence.row).argument;
      if (occurrence.values.size() > 1 && !argument.repeatable && !argument.flag()) {
        return fail(ErrorKind::Invalid, std::string(argument.name),
                    fmt::format("it is given more than once{}{}", argument.once.empty() ? "" : "; ", argument.once));
      }
    }
    for (const Conflict& conflict : conflicts_) {
      if (has(conflict.first) && has(conflict.second)) {
        return fail(ErrorKind::Invalid, fmt::format("{} and {}", conflict.first, conflict.second),
                    fmt::format("only one of them can be given: {}", conflict.why));
      }
    }
    return {};
  }

  CommandInfo info_;
  std::vector<ArgumentRow<Words>> rows_;
  std::span<const Conflict> conflicts_;
  Words defaults_;
  Finish finish_;
  Configure configure_;
};

/// "--json", for options that have such a member.
template <class Options>
ArgumentRow<Options> json_row(std::string_view help) {
  return {{.name = "--json", .value = "", .group = "Report", .help = help, .fallback = ""},
          [](Options& options, std::string_view, std::string_view) -> Result<void> {
            options.json = true;
            return {};
          }};
}

}  // namespace zc
