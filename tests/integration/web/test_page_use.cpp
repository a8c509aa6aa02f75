// Buttons, keys, sizes and colours of the page, by real clicks and key presses in a real browser.
#include "integration/web/page_rig.h"
#include "integration/web/web_rig.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

using namespace zc;
using namespace zc::test;

namespace {

bool hidden(Page& page, const std::string& id) {
  return value_of(page, fmt::format("document.getElementById('{}').hidden", id)).get<bool>();
}

/// WCAG 2.2, relative luminance and contrast ratio of "rgb(...)" texts.
constexpr const char* kContrast = R"((() => {
  const luminance = (text) => {
    const [r, g, b] = text.match(/[\d.]+/g).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if (!/^rgba\(.*, 0\)$/.test(colour)) return colour;
    }
    return 'rgb(255, 255, 255)';
  };
  const seen = [...document.querySelectorAll('button, p, h1, h2, label, .name, .state, .facts, option, dt, dd')]
    .filter((element) => element.checkVisibility({opacityProperty: true, visibilityProperty: true}) &&
      element.textContent.trim() && !element.disabled);
  return seen.map((element) => {
    const [a, b] = [luminance(getComputedStyle(element).color), luminance(ground(element))];
    return {what: element.id || element.className || element.tagName,
      ratio: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)};
  }).filter(({ratio}) => ratio < 4.5);
})())";

/// What of the page a finger or an eye cannot reach: beyond the window's edges, or too small to touch.
constexpr const char* kUnreachable = R"((() => {
  const bad = [];
  if (document.documentElement.scrollWidth > innerWidth) bad.push('the page is wider than the window');
  for (const element of document.querySelectorAll('button, select')) {
    if (!element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    if (element.closest('#panel')) element.scrollIntoView({block: 'nearest'});
    const {left, right, top, bottom, height} = element.getBoundingClientRect();
    if (left < 0 || right > innerWidth || top < 0 || bottom > innerHeight) bad.push(`${element.id} is outside`);
    if (height < 40) bad.push(`${element.id} is ${height} high`);
  }
  return bad;
})())";

}  // namespace

TEST_CASE("buttons pause, resume, change, save and stop a session") {
  const auto chromium = browser();
  WebRig rig;
  const std::string session = rig.daemon().start(
      "one.mkv", {{"replay-seconds", std::int64_t{10}, {}}, {"bitrate", std::string("1M"), {}}, {"live", true, {}}});
  Page page = open(*chromium, rig.link());
  wait_for_pictures(page, 5);
  click(page, "panel-button");
  click(page, "pause-button");
  rig.daemon().wait_for_state(session, "paused");
  wait_until(page, "document.getElementById('pause-button').textContent === 'Resume'");
  click(page, "pause-button");
  rig.daemon().wait_for_state(session, "recording");

  choose(page, "bitrate", "500k");
  rig.daemon().wait_for(session, [](const SessionView& view) { return figure(view, "bitrate_target") == 500'000; });
  CHECK(value_of(page, "document.getElementById('bitrate').value") == "500k");

  click(page, "save-button");
  wait_until(page, "/^Saved on that computer as .+/.test(document.getElementById('notice').textContent)");
  const auto said = value_of(page, "document.getElementById('notice').textContent").get<std::string>();
  const std::filesystem::path replay = said.substr(said.find('/'));
  CHECK(check_file(replay.string()).frames > 0);
  std::filesystem::remove(replay);

  // The first click asks, and "Keep" leaves it as it is.
  click(page, "stop-button");
  click(page, "stop-no");
  CHECK(hidden(page, "stop-confirm"));
  CHECK(rig.daemon().client().session(session)->state == "recording");
  click(page, "stop-button");
  click(page, "stop-yes");
  CHECK(eventually([&] {
    const auto now = rig.daemon().client().session(session);
    return !now || now->state == "ended";
  }));
  CHECK(check_file(rig.daemon().path("one.mkv")).frames > 0);
}

TEST_CASE("a page starts a session from a template and shows it") {
  const auto chromium = browser();
  WebRig rig({}, "[sessions.desk]\nsource = \"test:320x180@30\"\nlive = true\n");
  Page page = open(*chromium, rig.link());
  click(page, "panel-button");
  wait_until(page, "document.querySelector('#templates button') !== null");
  static_cast<void>(value_of(page, "document.querySelector('#templates button').id = 'template'"));
  click(page, "template");
  wait_for_pictures(page, 5);
  CHECK(value_of(page, "document.getElementById('title').textContent") == "desk");
}

TEST_CASE("a snapshot is among the browser's downloads, in full quality") {
  const auto chromium = browser();
  WebRig rig;
  static_cast<void>(rig.daemon().start("one.mkv"));
  const std::filesystem::path downloads = rig.daemon().path("downloads");
  std::filesystem::create_directories(downloads);
  Page page = open(*chromium, rig.link());
  order(page, "Page.setDownloadBehavior", {{"behavior", "allow"}, {"downloadPath", downloads.string()}});
  wait_for_pictures(page);
  click(page, "snapshot-button");
  std::filesystem::path saved;
  REQUIRE(eventually([&] {
    for (const auto& entry : std::filesystem::directory_iterator(downloads)) {
      if (entry.path().extension() == ".png") saved = entry.path();
    }
    return !saved.empty();
  }));
  std::ifstream file(saved, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  REQUIRE(bytes.size() > 24);
  CHECK(bytes.starts_with("\x89PNG"));
  CHECK(bytes.substr(16, 8) == std::string("\0\0\1\x40\0\0\0\xb4", 8));  // 320x180 in its header
}

TEST_CASE("every key does what the page's help says") {
  const auto chromium = browser();
  WebRig rig;
  static_cast<void>(rig.daemon().start("one.mkv"));
  static_cast<void>(rig.daemon().start("two.mkv"));
  Page page = open(*chromium, rig.link());
  wait_until(page, "document.getElementById('message-title').textContent === 'Which one?'");
  press(page, "1");
  wait_for_pictures(page, 3);
  const auto title = [&] { return value_of(page, "document.getElementById('title').textContent"); };
  const auto first = title();
  press(page, "2");
  wait_until(page, fmt::format("document.getElementById('title').textContent !== {}", first.dump()));

  press(page, "i");
  CHECK_FALSE(hidden(page, "overlay"));
  wait_until(page, "/^[\\d.]+$/.test(document.querySelector('#overlay .total td').textContent)");
  press(page, "i");
  CHECK(hidden(page, "overlay"));

  press(page, "l");
  CHECK_FALSE(hidden(page, "panel"));
  press(page, "Escape");
  CHECK(hidden(page, "panel"));

  for (const char* zoom : {"fill", "one", "fit"}) {
    press(page, "z");
    CHECK(value_of(page, "document.getElementById('stage').dataset.zoom") == zoom);
  }

  press(page, " ");
  wait_until(page, "document.getElementById('badge').textContent === 'view paused'");
  press(page, " ");
  wait_until(page, "document.getElementById('badge').textContent !== 'view paused'");
  const int painted = value_of(page, "window.zerocast.stats().painted").get<int>();
  wait_for_pictures(page, painted + 5);

  press(page, "m");
  CHECK(value_of(page, "window.zerocast.audio.muted") == true);
  press(page, "m");
  CHECK(value_of(page, "window.zerocast.audio.muted") == false);

  press(page, "?");
  CHECK(value_of(page, "document.getElementById('help').open") == true);
  press(page, "i");  // not while the help is open
  CHECK(hidden(page, "overlay"));
  press(page, "Escape");
  wait_until(page, "!document.getElementById('help').open");

  press(page, "f");
  wait_until(page, "document.fullscreenElement !== null");
  press(page, "f");
  wait_until(page, "document.fullscreenElement === null");
}

TEST_CASE("everything can be reached and read, on a phone and on a desk, in the dark and in the light") {
  const auto chromium = browser();
  WebRig rig;
  static_cast<void>(rig.daemon().start(
      "one.mkv", {{"replay-seconds", std::int64_t{5}, {}}, {"audio", std::vector<std::string>{"test"}, {}}}));
  Page page = open(*chromium, rig.link());
  wait_for_pictures(page, 3);
  struct Screen {
    const char* name;
    int width;
    int height;
    bool phone;
  };
  for (const Screen& screen : {Screen{"desk", 1280, 720, false}, Screen{"phone", 360, 740, true},
                               Screen{"phone on its side", 740, 360, true}, Screen{"small phone", 320, 568, true}}) {
    order(page, "Emulation.setDeviceMetricsOverride",
          {{"width", screen.width}, {"height", screen.height}, {"deviceScaleFactor", 1}, {"mobile", screen.phone}});
    order(page, "Emulation.setTouchEmulationEnabled", {{"enabled", screen.phone}});
    std::vector<std::string> grounds;
    for (const char* scheme : {"light", "dark"}) {
      CAPTURE(screen.name, scheme);
      order(page, "Emulation.setEmulatedMedia",
            {{"features",
              {{{"name", "prefers-color-scheme"}, {"value", scheme}},
               {{"name", "prefers-reduced-motion"}, {"value", "reduce"}}}}});
      grounds.push_back(value_of(page, "getComputedStyle(document.body).backgroundColor").get<std::string>());
      for (const bool panel : {false, true}) {
        CAPTURE(panel);
        if (panel) press(page, "l");
        order(page, "Input.dispatchMouseEvent", {{"type", "mouseMoved"}, {"x", 100 + (panel ? 5 : 0)}, {"y", 150}});
        wait_until(page, "!document.body.classList.contains('idle')");
        CHECK(value_of(page, kUnreachable) == nlohmann::json::array());
        CHECK(value_of(page, kContrast) == nlohmann::json::array());
        if (panel) press(page, "Escape");
      }
    }
    CHECK(grounds[0] != grounds[1]);
  }
}
