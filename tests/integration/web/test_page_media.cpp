// What is on the canvas and what goes to the sound card: the colours, the numbers, the tones.
#include "integration/web/page_rig.h"
#include "integration/web/web_rig.h"
#include "media/test_sound.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

using namespace zc;
using namespace zc::test;

namespace {

/// The largest difference, of 255, between the canvas and each of the pattern's bars (src/capture/test_pattern.cpp), in
/// a patch of 9x9 pixels in the middle of each, left to right; read as 2D canvases give it, or through a texture.
constexpr const char* kBars = R"((async (way) => {
  const bars = [[191, 191, 191], [191, 191, 0], [0, 191, 191], [0, 191, 0],
    [191, 0, 191], [191, 0, 0], [0, 0, 191], [0, 0, 0]];
  const {canvas} = window.zerocast;
  const read = {
    canvas: () => {
      const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d');
      copy.drawImage(canvas, 0, 0);
      return copy.getImageData(0, 0, canvas.width, canvas.height).data;
    },
    webgl: () => {
      const gl = new OffscreenCanvas(canvas.width, canvas.height).getContext('webgl');
      if (!gl) return null;
      gl.bindTexture(gl.TEXTURE_2D, gl.createTexture());
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, canvas);
      gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
      gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, gl.getParameter(gl.TEXTURE_BINDING_2D), 0);
      const pixels = new Uint8Array(canvas.width * canvas.height * 4);
      gl.readPixels(0, 0, canvas.width, canvas.height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
      return pixels;
    },
  }[way];
  const pixels = read();
  if (!pixels) return null;
  return bars.map((bar, i) => {
    const column = Math.floor((i + 0.5) * canvas.width / bars.length), row = Math.floor(canvas.height * 0.6);
    let most = 0;
    for (let y = row - 4; y <= row + 4; ++y) {
      for (let x = column - 4; x <= column + 4; ++x) {
        bar.forEach((part, c) => { most = Math.max(most, Math.abs(part - pixels[4 * (y * canvas.width + x) + c])); });
      }
    }
    return most;
  });
}))";

/// Everything that the page gives to its sound card, as numbers: window.heard = {rate, at, samples}, `at` being when
/// the first of them is heard, in milliseconds of the machine's clock of the day. Taken on the audio thread, in whole.
constexpr const char* kListen = R"((() => {
  const code = `registerProcessor('tap', class extends AudioWorkletProcessor {
    process([[samples]]) { if (samples) this.port.postMessage({time: currentTime, samples: samples.slice()}); return true; }
  })`;
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (to, ...more) {
    if (to instanceof AudioDestinationNode && !window.heard) {
      const {context} = this, heard = window.heard = {rate: context.sampleRate, at: 0, samples: []};
      context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], {type: 'text/javascript'}))).then(() => {
        const tap = new AudioWorkletNode(context, 'tap');
        tap.port.onmessage = ({data: {time, samples}}) => {
          const {contextTime, performanceTime} = context.getOutputTimestamp();
          if (!heard.armed || !performanceTime || heard.samples.length >= 4 * heard.rate) return;
          if (!heard.samples.length) {
            heard.first = time;
            heard.at = performance.timeOrigin + performanceTime + (time - contextTime) * 1000;
          }
          // A block in which nothing reached the sound card was silence there.
          const since = Math.round((time - heard.first) * heard.rate) - heard.samples.length;
          for (let i = 0; i < since; ++i) heard.samples.push(0);
          heard.samples.push(...samples);
        };
        connect.call(this, tap);
        connect.call(tap, to);
        heard.tapped = true;
      });
    }
    return connect.call(this, to, ...more);
  };
})())";

/// What the page says of sound that it could not play in time, since it began.
struct Gaps {
  std::size_t empties = 0;
  double left_out_s = 0;
};
Gaps gaps_of(Page& page) {
  const auto audio = value_of(page, "window.zerocast.audio");
  return {.empties = audio["empties"], .left_out_s = audio["left_out"].get<double>() / 48000};
}

/// How far the clock of the day is before the machine's, in seconds.
double day_before_machine() {
  const auto day = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(day).count() - std::chrono::duration<double>(monotonic_now()).count();
}

}  // namespace

TEST_CASE("the canvas has the source's colours") {
  const auto chromium = browser({.flags = {"--enable-unsafe-swiftshader"}});
  // Where Chromium converts on the CPU, it does so by libyuv, whose coefficients end at 2: BT.709's 2.11 of blue makes
  // 9 steps of difference in this blue and its opposite. Another matrix would make 30 and more.
  constexpr int kTolerance = 10;
  struct Case {
    const char* codec;
    const char* colours;
  };
  for (const Case& test : {Case{"h264", "bt709"}, Case{"h264", "bt601"}, Case{"av1", "bt709"}}) {
    CAPTURE(test.codec, test.colours);
    WebRig rig;
    static_cast<void>(rig.daemon().start("one.mkv", {{"codec", std::string(test.codec), {}},
                                                     {"colour", std::string(test.colours), {}},
                                                     // The mark with the number would hide the bars of a smaller one.
                                                     {"source", std::string("test:640x360@10"), {}},
                                                     {"live", true, {}}}));
    Page page = open(*chromium, rig.link());
    wait_for_pictures(page, 3);
    for (const char* way : {"canvas", "webgl"}) {
      CAPTURE(way);
      // The box that moves hides one or two at a time: each has to be right once.
      std::array<int, 8> best{};
      best.fill(255);
      const std::string read = fmt::format("{}('{}')", kBars, way);
      const bool right = eventually([&] {
        const auto now = value_of(page, read);
        REQUIRE(now.is_array());
        for (std::size_t i = 0; i < best.size(); ++i) best.at(i) = std::min(best.at(i), now.at(i).get<int>());
        return std::ranges::max(best) <= kTolerance;
      });
      CAPTURE(best);
      CHECK(right);
    }
  }
}

TEST_CASE("the sound card gets every tone, at its time beside the pictures") {
  const auto chromium = browser();
  WebRig rig;
  static_cast<void>(
      rig.daemon().start("one.mkv", {{"audio", std::vector<std::string>{"test"}, {}}, {"live", true, {}}}));
  Page page = open(*chromium, "about:blank");
  order(page, "Page.addScriptToEvaluateOnNewDocument", {{"source", kListen}});
  order(page, "Page.setBypassCSP", {{"enabled", true}});  // for the script that listens
  const auto gone = page.go_to(rig.link());
  REQUIRE(gone);
  wait_for_pictures(page, 30);
  // From when it plays: a page has to start, and a machine at work gives it a buffer first.
  wait_until(page, "window.heard && window.heard.tapped && window.zerocast.audio.played > 48000");
  const double offset = day_before_machine();
  const Gaps before = gaps_of(page);
  static_cast<void>(value_of(page, "window.heard.armed = true"));
  wait_until(page, "window.heard.samples.length >= 4 * window.heard.rate");
  // What happened until then is told within 170 ms of sound.
  static_cast<void>(value_of(page, "window.heard.end = window.zerocast.audio.played"));
  wait_until(page, "window.zerocast.audio.played > window.heard.end + window.heard.rate / 4");
  const Gaps after = gaps_of(page);
  const auto heard = value_of(page, "window.heard");
  const auto pictures_ms = value_of(page, "window.zerocast.stats().stages.total[0]");
  const auto samples = heard["samples"].get<std::vector<float>>();
  const double at = heard["at"].get<double>() / 1000 - offset;
  BeepReader reader(heard["rate"].get<unsigned>());
  reader.push(at, samples);
  const std::vector<Beep> beeps = reader.take();
  const auto empties = after.empties - before.empties;
  const double left_out = after.left_out_s - before.left_out_s;
  CAPTURE(beeps.size(), empties, left_out, pictures_ms.dump());
  // A machine that is too busy to bring sound in time has gaps, which the page counts: a beep is cut, and those behind
  // it come later. What comes too late altogether is left out, with a beep each 125 ms, each of which may be a cut.
  const auto cut = static_cast<std::size_t>(std::ceil(left_out / std::chrono::duration<double>(kBeepEvery).count()));
  // Four seconds have 32 of them; those at the edges are cut.
  REQUIRE(beeps.size() + 3 * (empties + cut) >= 28);
  std::size_t following = 0;
  std::string apart_ms;
  std::vector<double> late;
  for (std::size_t i = 0; i < beeps.size(); ++i) {
    // Numbers come again after two seconds: the newest such time before it was heard.
    const double every = std::chrono::duration<double>(kBeepEvery).count();
    const double age = beeps[i].start - every * beeps[i].number;
    late.push_back(age - std::floor(age / (every * kBeepNumbers)) * every * kBeepNumbers);
    if (i == 0) continue;
    const bool next = beeps[i].number == (beeps[i - 1].number + 1) % kBeepNumbers;
    const double apart = beeps[i].start - beeps[i - 1].start;
    if (next && std::abs(apart - every) < 0.003) {
      ++following;
    } else {
      apart_ms += fmt::format("{} then {} after {:.1f} ms; ", beeps[i - 1].number, beeps[i].number, apart * 1000);
    }
  }
  INFO("not in a row: " << apart_ms);
  CHECK(following + 1 + 3 * (empties + cut) >= beeps.size());
  if (empties + cut > 0) return;
  std::ranges::nth_element(late, late.begin() + static_cast<std::ptrdiff_t>(late.size() / 2));
  const double beside_ms = late[late.size() / 2] * 1000 - pictures_ms.get<double>();
  // A page that had gaps before holds more of it.
  const auto held_ms = value_of(page, "window.zerocast.audio.target_ms").get<double>();
  INFO("sound after its picture: " << beside_ms << " ms, held: " << held_ms << " ms");
  CHECK(reader.clicks() == 0);
  CHECK(beside_ms > -300);
  CHECK(beside_ms < held_ms + 250);
}
