// What a real browser shows of a real session.
#include "integration/web/page_rig.h"
#include "integration/web/web_rig.h"
#include "media/test_mark.h"

#include <nlohmann/json.hpp>

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <string>
#include <vector>

using namespace zc;
using namespace zc::test;

namespace {

constexpr Size kSize{320, 180};

/// The canvas as it is now: red, green and blue of each pixel, top left first.
std::vector<int> pixels(Page& page) {
  const auto value = page.evaluate(
      "(() => { const c = document.createElement('canvas'); c.width = 320; c.height = 180; const x = "
      "c.getContext('2d');"
      " x.drawImage(window.zerocast.canvas, 0, 0, 320, 180);"
      " return Array.from(x.getImageData(0, 0, 320, 180).data).filter((_, i) => i % 4 !== 3); })()");
  if (!value) FAIL(value.error().message());
  return value->get<std::vector<int>>();
}

std::optional<std::uint64_t> number_on(const std::vector<int>& rgb) {
  std::vector<std::byte> luma;
  for (std::size_t i = 1; i < rgb.size(); i += 3) luma.push_back(static_cast<std::byte>(rgb[i]));
  const auto mark = read_mark(luma, kSize.width, kSize, 1, kSize);
  return mark ? std::optional<std::uint64_t>(mark->frame) : std::nullopt;
}

}  // namespace

TEST_CASE("a browser shows a session's pictures and plays its sound, while a recording goes on") {
  const auto chromium = browser();
  WebRig rig;
  const std::string session =
      rig.daemon().start("beside.mkv", {{"audio", std::vector<std::string>{"test"}, {}}, {"live", true, {}}});
  Page page = open(*chromium, rig.link());
  wait_until(page, "window.zerocast.stats().painted > 30");
  CHECK(page.evaluate("location.hash.includes('.')") == false);  // the token is not left in the address

  // Its number rises, and its colours are the pattern's: bars, from white to blue.
  std::optional<std::uint64_t> first;
  for (int i = 0; i < 100 && !first; ++i) first = number_on(pixels(page));
  REQUIRE(first);
  wait_until(page, "window.zerocast.stats().painted > 60");
  const std::vector<int> shown = pixels(page);
  std::optional<std::uint64_t> later = number_on(shown);
  for (int i = 0; i < 100 && !later; ++i) later = number_on(pixels(page));
  REQUIRE(later);
  CHECK(*later > *first);

  // The four stages add up.
  const auto sums = page.evaluate(
      "window.zerocast.samples.filter(s => s[6] > 0).every(s => Math.abs((s[1]-s[0]) + (s[2]-s[1]) + (s[4]-s[2]) + "
      "(s[6]-s[4]) - (s[6]-s[0])) < 1)");
  CHECK(sums == true);
  wait_until(page, "window.zerocast.audio.decoded > 24000");
  const auto status = rig.daemon().client().session(session);
  REQUIRE(status);
  CHECK(status->sinks.size() == 2);

  // Nobody watches: the session need not send any more.
  REQUIRE(page.go_to("about:blank"));
  rig.daemon().wait_for(session, [](const SessionView& view) { return view.sinks.size() == 1; });
  const auto report = rig.daemon().client().stop(session);
  REQUIRE(report);
  // A machine that is too busy leaves pictures out before they are encoded, and says so.
  const auto dropped = nlohmann::json::parse(*report).at("dropped").get<std::uint64_t>();
  CHECK(check_file(rig.daemon().path("beside.mkv")).missing <= dropped);
}

TEST_CASE("a page controls sessions with one token and cannot with another") {
  const auto chromium = browser();
  WebRig rig;
  const std::string session = rig.daemon().start("one.mkv");
  const std::string socket_script = R"((async () => {
    const s = new WebSocket(`ws://${location.host}/ws`);
    const answer = await new Promise(done => {
      s.onopen = () => s.send(JSON.stringify({do: 'pause', session: ')" +
                                    session + R"(', id: 7}));
      s.onmessage = m => { const e = JSON.parse(m.data); if (e.id === 7) done(e); };
    });
    s.close();
    return answer;
  })())";
  {
    Page guest = open(*chromium, rig.link({"--read-only"}));
    wait_until(guest, "window.zerocast && window.zerocast.stats().painted > 0");
    const auto answer = guest.evaluate(socket_script);
    REQUIRE(answer);
    CHECK((*answer)["event"] == "error");
    CHECK(rig.daemon().client().session(session)->state == "recording");
  }
  Page owner = open(*chromium, rig.link());
  wait_until(owner, "window.zerocast && window.zerocast.stats().painted > 0");
  const auto answer = owner.evaluate(socket_script);
  REQUIRE(answer);
  CHECK((*answer)["event"] == "done");
  rig.daemon().wait_for_state(session, "paused");
}

TEST_CASE("a server that is gone is called again, and the same session is shown") {
  const auto chromium = browser();
  WebRig rig;
  const std::string session = rig.daemon().start("one.mkv");
  Page page = open(*chromium, rig.link());
  wait_until(page, "window.zerocast.stats().painted > 10");
  rig.process().end(true);
  auto again =
      ChildProcess::start({ZEROCAST_PROGRAM, "view", "--listen", rig.address()}, rig.daemon().path("again.log"));
  REQUIRE(again);
  const auto painted = page.evaluate("window.zerocast.stats().painted");
  REQUIRE(painted);
  wait_until(page, fmt::format("window.zerocast.stats().painted > {} + 30", painted->get<int>()));
}

TEST_CASE("twenty pages watch and none loses a picture") {
  const auto chromium = browser();
  WebRig rig;
  const std::string session = rig.daemon().start("one.mkv");
  std::vector<Page> pages;
  pages.reserve(20);
  for (int i = 0; i < 20; ++i) pages.push_back(open(*chromium, rig.link()));
  for (Page& page : pages) wait_until(page, "window.zerocast.stats().received > 30");
  for (Page& page : pages) CHECK(page.evaluate("window.zerocast.stats().server_skipped") == 0);
  CHECK(rig.daemon().client().session(session)->state == "recording");
}

TEST_CASE("Media Source shows it where there is no WebCodecs") {
  const auto chromium = browser();
  WebRig rig;
  const std::string session =
      rig.daemon().start("one.mkv", {{"live", true, {}}, {"audio", std::vector<std::string>{"test"}, {}}});
  Page page = open(*chromium, "about:blank");
  REQUIRE(page.command("Page.addScriptToEvaluateOnNewDocument",
                       {{"source", "delete globalThis.VideoDecoder; delete globalThis.AudioDecoder;"}}));
  REQUIRE(page.go_to(rig.link()));
  wait_until(page, "window.zerocast && window.zerocast.video && window.zerocast.video.currentTime > 1");
  CHECK(page.evaluate("window.zerocast.as") == "fragments");
  CHECK(page.evaluate("window.zerocast.video.videoWidth") == 320);
}

TEST_CASE("a session's bit rate follows a viewer whose connection is narrow") {
  WebRig rig;
  // Each picture a keyframe: half a megabit a second, though the test pattern shows little.
  const auto name =
      rig.daemon().client().start({{"source", std::string("test:1280x720@30"), {}},
                                   {"sinks", std::vector<std::string>{rig.daemon().path("one.mkv")}, {}},
                                   {"bitrate", std::string("6M"), {}},
                                   {"adaptive", true, {}},
                                   {"encoder", std::string("libx264"), {}},
                                   {"encoder-option", std::vector<std::string>{"x264-params=keyint=1"}, {}}});
  if (!name) FAIL(name.error().message());
  rig.daemon().wait_for_state(*name, "recording");
  const UniqueFd socket = connect_to(rig.port());
  REQUIRE(socket);
  const int least = 4096;
  REQUIRE(::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &least, sizeof least) == 0);
  send_text(socket,
            fmt::format("GET /ws HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nUpgrade: websocket\r\nConnection: "
                        "Upgrade\r\nSec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                        rig.address(), rig.token()));
  std::array<char, 2048> bytes{};
  REQUIRE(::recv(socket.get(), bytes.data(), bytes.size(), 0) >
          0);  // the server's answer, before which nothing is said
  const std::string wish = fmt::format(R"({{"do":"watch","session":"{}","as":"packets"}})", *name);
  // RFC 6455 section 5.2: one frame of text, under a mask of zeros.
  send_text(socket, std::string("\x81") + static_cast<char>(0x80 | wish.size()) + std::string(4, '\0') + wish);
  // It takes a little now and then: less than a quarter of what comes.
  int looked = 0;
  const bool lowered = eventually([&] {
    if (++looked % 10 == 0) static_cast<void>(::recv(socket.get(), bytes.data(), bytes.size(), MSG_DONTWAIT));
    const auto status = rig.daemon().client().session(*name);
    return status && figure(*status, "bitrate_reductions") > 0;
  });
  CHECK(lowered);
  REQUIRE(rig.daemon().client().stop(*name));
}
