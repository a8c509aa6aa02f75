// The driver of a browser, which tests of pages stand on.
#include "support/chromium.h"

#include <catch2/catch_test_macros.hpp>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "support/temporary_folder.h"

using zc::ErrorKind;
using zc::test::Chromium;

TEST_CASE("a real browser does what a page says, in several tabs") {
  const zc::test::TemporaryFolder folder;
  folder.write("page.html", R"(<!doctype html><title>first</title><body style="background:#f00">
    <script>console.log("hello", 1); setTimeout(() => { document.title = "later"; }, 50);</script>)");
  auto chromium = Chromium::start();
  if (!chromium && chromium.error().kind == ErrorKind::NotFound) SKIP(chromium.error().message());
  if (!chromium) FAIL(chromium.error().message());
  auto page = (*chromium)->open("file://" + folder.file("page.html"));
  if (!page) FAIL(page.error().message());
  auto other = (*chromium)->open("data:text/html,<title>second</title>");
  if (!other) FAIL(other.error().message());

  const auto later = page->wait_until("document.title === 'later'");
  CHECK(later);
  CHECK(other->evaluate("document.title") == "second");
  CHECK(page->evaluate("new Promise(done => setTimeout(() => done({a: [1, 'b']}), 10))") ==
        nlohmann::json{{"a", {1, "b"}}});

  // What goes wrong on a page is in the failure's text.
  const auto thrown = page->evaluate("nobody.knows()");
  REQUIRE_FALSE(thrown);
  CHECK(thrown.error().kind == ErrorKind::Invalid);
  CHECK(thrown.error().message().contains("nobody is not defined"));
  const auto never = page->wait_until("1 > 2", std::chrono::milliseconds(100));
  REQUIRE_FALSE(never);
  CHECK(never.error().kind == ErrorKind::Timeout);
  CHECK(never.error().message().contains("log: hello 1"));
  REQUIRE(page->evaluate("setTimeout(() => { throw new Error('uncaught') })"));
  CHECK(page->wait_until("true"));
  CHECK(page->said().contains("uncaught"));
  CHECK_FALSE(other->said().contains("uncaught"));

  const auto picture = folder.path() / "page.png";
  const auto shot = page->screenshot(picture);
  CHECK(shot);
  CHECK(folder.read("page.png").starts_with("\x89PNG"));

  const auto nowhere = (*chromium)->open("file:///nonexistent/page.html");
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().kind == ErrorKind::NotFound);
}
