// A page as somebody uses it: seen, clicked and typed on.
#pragma once

#include "support/chromium.h"

#include <fmt/format.h>
#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <utility>

namespace zc::test {

/// Skips the test where there is no browser.
inline std::unique_ptr<Chromium> browser(const ChromiumOptions& options = {}) {
  auto chromium = Chromium::start(options);
  if (!chromium && chromium.error().kind == ErrorKind::NotFound) SKIP(chromium.error().message());
  if (!chromium) FAIL(chromium.error().message());
  return *std::move(chromium);
}

inline Page open(Chromium& chromium, const std::string& url) {
  auto page = chromium.open(url);
  if (!page) FAIL(page.error().message());
  return *std::move(page);
}

inline void wait_until(Page& page, const std::string& expression) {
  const auto came = page.wait_until(expression);
  INFO(expression);
  if (!came) FAIL(came.error().message() << "\n" << page.said());
}

inline nlohmann::json value_of(Page& page, const std::string& expression) {
  auto value = page.evaluate(expression);
  INFO(expression);
  if (!value) FAIL(value.error().message());
  return *std::move(value);
}

inline void order(Page& page, const char* method, const nlohmann::json& parameters) {
  const auto done = page.command(method, parameters);
  INFO(method);
  if (!done) FAIL(done.error().message());
}

/// Until a picture of a session is on the canvas.
inline void wait_for_pictures(Page& page, int count = 1) {
  wait_until(page, fmt::format("window.zerocast && window.zerocast.stats().painted >= {}", count));
}

/// In the middle of the element, once it is there to be clicked on and nothing lies over it.
inline void click(Page& page, const std::string& id) {
  // Bars that were hidden come back where the pointer moves.
  order(page, "Input.dispatchMouseEvent", {{"type", "mouseMoved"}, {"x", 200}, {"y", 200}});
  const std::string place = fmt::format(
      "(() => {{ const e = document.getElementById('{}'); e.scrollIntoView({{block: 'nearest'}});"
      " const r = e.getBoundingClientRect(), x = r.x + r.width / 2, y = r.y + r.height / 2;"
      " const top = document.elementFromPoint(x, y);"
      " return r.width > 0 && !e.disabled && e.contains(top) && {{x, y}}; }})()",
      id);
  wait_until(page, place + " !== false");
  const nlohmann::json at = value_of(page, place);
  for (const char* type : {"mouseMoved", "mousePressed", "mouseReleased"}) {
    order(page, "Input.dispatchMouseEvent",
          {{"type", type}, {"x", at["x"]}, {"y", at["y"]}, {"button", "left"}, {"clickCount", 1}});
  }
}

/// One key, as KeyboardEvent.key names it.
inline void press(Page& page, const std::string& key) {
  const bool letter = key.size() == 1;
  nlohmann::json event{{"type", letter ? "keyDown" : "rawKeyDown"}, {"key", key}};
  if (letter) event["text"] = key;
  if (key == "Escape") event["windowsVirtualKeyCode"] = 27;
  order(page, "Input.dispatchKeyEvent", event);
  event["type"] = "keyUp";
  event.erase("text");
  order(page, "Input.dispatchKeyEvent", event);
}

/// Chooses as a person does: focus, then the value, with the events that come of it.
inline void choose(Page& page, const std::string& id, const std::string& value) {
  static_cast<void>(
      value_of(page, fmt::format("(() => {{ const e = document.getElementById('{}'); e.focus(); e.value = '{}';"
                                 " e.dispatchEvent(new Event('change', {{bubbles: true}})); return e.value; }})()",
                                 id, value)));
}

}  // namespace zc::test
