// A real browser without a screen, driven by its DevTools protocol: what a viewer's page shows and plays.
#pragma once

#include "base/error.h"

#include <nlohmann/json.hpp>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace zc::test {

/// For a machine at work: whoever waits for something waits as long.
inline constexpr std::chrono::milliseconds kPageTimeout{60'000};

struct ChromiumOptions {
  bool autoplay = true;                    ///< pages may play sound before anybody has clicked
  bool ignore_certificate_errors = false;  ///< of servers with a certificate that nobody vouches for
  std::vector<std::string> flags = {};     ///< further ones of its command line
};

/// One tab. One thread makes every call; ends with its object, before its Chromium.
class Page {
 public:
  ~Page();
  Page(Page&&) noexcept;
  Page& operator=(Page&&) noexcept;
  Page(const Page&) = delete;
  Page& operator=(const Page&) = delete;

  /// Goes to another address. Returns when the page is there; NotFound: it is not.
  [[nodiscard]] Result<void> go_to(std::string_view url);
  /// The value of a JavaScript expression, or of the promise that it is. Invalid: it throws; the text says what.
  [[nodiscard]] Result<nlohmann::json> evaluate(std::string_view expression,
                                                std::chrono::milliseconds limit = kPageTimeout);
  /// Until the expression is true, or its promise has become so; while it throws, it is not. Timeout: what it was
  /// instead, and what the page said.
  [[nodiscard]] Result<void> wait_until(std::string_view expression, std::chrono::milliseconds limit = kPageTimeout);
  /// What is to be seen, as a PNG.
  [[nodiscard]] Result<void> screenshot(const std::filesystem::path& file);
  /// Any command of the protocol, and its result.
  [[nodiscard]] Result<nlohmann::json> command(std::string_view method,
                                               const nlohmann::json& parameters = nlohmann::json::object(),
                                               std::chrono::milliseconds limit = kPageTimeout);
  /// What the page has written to its console, and exceptions that nobody caught, one a line, up to now.
  [[nodiscard]] std::string said();

 private:
  friend class Chromium;
  struct Impl;
  explicit Page(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

/// A Chromium with a profile of its own. Ends with its object, with all its processes and its profile.
class Chromium {
 public:
  /// NotFound: it is not installed.
  [[nodiscard]] static Result<std::unique_ptr<Chromium>> start(const ChromiumOptions& options = {});
  ~Chromium();
  Chromium(const Chromium&) = delete;
  Chromium& operator=(const Chromium&) = delete;
  Chromium(Chromium&&) = delete;
  Chromium& operator=(Chromium&&) = delete;

  /// A tab of its own. Returns when the page is there; NotFound: it is not.
  [[nodiscard]] Result<Page> open(std::string_view url);
  /// All its processes stand still until go_on(); its pages answer nothing meanwhile. False: there are none.
  [[nodiscard]] bool stop();
  void go_on();

 private:
  Chromium();
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace zc::test
