// zerocast-page URL [STEP...]: opens it in a real browser and takes the steps, for tests that are scripts. Ends with 77
// where there is no browser.
#include "support/chromium.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <span>
#include <string>
#include <string_view>

namespace zc::test {
namespace {

constexpr int kSkipped = 77;
constexpr const char* kUsage =
    "usage: zerocast-page [--flag=FLAG]... URL [STEP...]\n"
    "  until=EXPRESSION    waits until it is true\n"
    "  print=EXPRESSION    prints its value, or its promise's, as JSON on a line\n"
    "  screenshot=FILE     what is to be seen, as a PNG\n"
    "  command=METHOD JSON any command of the DevTools protocol, with its parameters\n";

Result<void> until(Page& page, const std::string& expression) { return page.wait_until(expression); }

Result<void> print(Page& page, const std::string& expression) {
  const auto value = page.evaluate(expression);
  if (!value) return std::unexpected(value.error());
  fmt::print("{}\n", value->dump());
  std::fflush(stdout);
  return {};
}

Result<void> screenshot(Page& page, const std::string& file) { return page.screenshot(file); }

Result<void> command(Page& page, const std::string& text) {
  const std::size_t space = std::min(text.find(' '), text.size());
  const auto parameters = nlohmann::json::parse(space < text.size() ? text.substr(space) : "{}", nullptr, false);
  if (!parameters.is_object()) return fail(ErrorKind::Invalid, text, "the parameters are no JSON object");
  const auto done = page.command(text.substr(0, space), parameters);
  if (!done) return std::unexpected(done.error());
  return {};
}

struct Step {
  std::string_view name;
  Result<void> (*take)(Page&, const std::string&);
};
constexpr std::array kSteps{Step{"until=", until}, Step{"print=", print}, Step{"screenshot=", screenshot},
                            Step{"command=", command}};

Result<void> take(Page& page, std::string_view text) {
  for (const Step& step : kSteps) {
    if (text.starts_with(step.name)) return step.take(page, std::string(text.substr(step.name.size())));
  }
  return fail(ErrorKind::Invalid, std::string(text), "no such step");
}

Result<void> visit(Chromium& chromium, std::span<const std::string> words) {
  auto page = chromium.open(words.front());
  if (!page) return std::unexpected(page.error());
  for (const std::string& step : words.subspan(1)) {
    if (auto taken = take(*page, step); !taken) {
      fmt::print(stderr, "{}", page->said());
      return taken;
    }
  }
  return {};
}

int run(std::span<const std::string> words) {
  constexpr std::string_view kFlag = "--flag=";
  ChromiumOptions options;
  while (!words.empty() && words.front().starts_with(kFlag)) {
    options.flags.push_back(words.front().substr(kFlag.size()));
    words = words.subspan(1);
  }
  if (words.empty() || words.front().starts_with('-')) {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  const auto chromium = Chromium::start(options);
  if (!chromium) {
    fmt::print(stderr, "{}\n", chromium.error().message());
    return chromium.error().kind == ErrorKind::NotFound ? kSkipped : 1;
  }
  const auto visited = visit(**chromium, words);
  if (visited) return 0;
  fmt::print(stderr, "{}\n", visited.error().message());
  return 1;
}

}  // namespace
}  // namespace zc::test

int main(int argc, char** argv) {
  try {
    const std::vector<std::string> words(argv + 1, argv + argc);
    return zc::test::run(words);
  } catch (const std::exception& error) {
    std::fputs(error.what(), stderr);
    return 1;
  }
}
