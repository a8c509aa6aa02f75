// What the README and the examples promise.
#include "cli/command_line.h"
#include "cli/exit_codes.h"
#include "cli/reference.h"

#include <fmt/format.h>
#include <catch2/catch_test_macros.hpp>

#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace zc;

namespace {

/// Splits as a shell would: blanks, quotes, comments.
std::vector<std::string> shell_words(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  char quote = 0;
  bool open = false;
  for (const char c : line) {
    if (quote != 0 && c == quote) {
      quote = 0;
    } else if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
      open = true;
    } else if (quote == 0 && c == '#' && !open) {
      break;
    } else if (quote == 0 && c == ' ') {
      if (open) words.push_back(std::exchange(word, {}));
      open = false;
    } else {
      word += c;
      open = true;
    }
  }
  if (open) words.push_back(word);
  return words;
}

void check_parses(std::string_view line) {
  const std::vector<std::string> words = shell_words(line);
  REQUIRE(words.size() > 1);
  CHECK(words.front() == "zerocast");
  std::vector<const char*> arguments;
  arguments.reserve(words.size());
  for (std::size_t i = 1; i < words.size(); ++i) arguments.push_back(words[i].c_str());
  const auto result = parse_command_line(arguments);
  CAPTURE(line, result ? std::string() : result.error().message());
  CHECK(result.has_value());
}

std::string readme() {
  std::ifstream file(ZEROCAST_SOURCE_DIR "/README.md");
  REQUIRE(file.good());
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("every example of the help parses") {
  std::size_t count = 0;
  for (const CommandInfo& command : command_infos()) {
    CHECK_FALSE(command.examples.empty());
    for (const Example& example : command.examples) {
      check_parses(example.line);
      ++count;
    }
  }
  CHECK(count > 10);
}

TEST_CASE("every command line of the README parses") {
  std::istringstream lines(readme());
  bool code = false;
  std::size_t count = 0;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("```")) code = !code;
    if (!code || !line.starts_with("zerocast ")) continue;
    check_parses(line);
    ++count;
  }
  CHECK(count >= 8);
}

TEST_CASE("the README lists every exit code") {
  const std::string text = readme();
  for (const ExitCodeInfo& code : exit_codes()) {
    const std::string row = fmt::format("| {} | {} |", to_int(code.code), code.meaning);
    CAPTURE(row);
    CHECK(text.find(row) != std::string::npos);
  }
}

TEST_CASE("the README names the environment toggles") {
  const std::string text = readme();
  for (const char* name : {"ZEROCAST_LOG", "ZEROCOPY", "ZEROCOPY_LATCH", "FFMPEG_DEBUG"}) {
    CHECK(text.find(fmt::format("| `{}` |", name)) != std::string::npos);
    bool documented = false;
    for (const ReferenceEntry& entry : environment_entries()) documented = documented || entry.name == name;
    CHECK(documented);
  }
}
