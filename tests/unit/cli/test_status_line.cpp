#include "base/unique_fd.h"
#include "cli/status_line.h"

#include <fcntl.h>
#include <pty.h>
#include <unistd.h>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>

using namespace zc;
using namespace std::chrono_literals;

namespace {

StatusSnapshot busy() {
  return {.elapsed = 83s,
          .frames = 4980,
          .fps = 59.94,
          .dropped = 2,
          .repeated = 7,
          .bit_rate = 5.83e6,
          .queue_packets = 3,
          .encode_queue = 1,
          .latency_p50_ms = 12.34,
          .bytes = 61'200'000,
          .sound = {},
          .state = {}};
}

std::size_t columns_of(const std::string& text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

/// What was written to the other end so far.
std::string drain(int fd) {
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t got = 0; (got = ::read(fd, buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return text;
}

struct Fds {
  UniqueFd read_end;
  UniqueFd write_end;
  int reader = read_end.get();
  int writer = write_end.get();
};

Fds make_pipe() {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_NONBLOCK | O_CLOEXEC) == 0);
  return {.read_end = UniqueFd(ends[0]), .write_end = UniqueFd(ends[1])};
}

Fds make_terminal(unsigned short columns) {
  int reader = -1;
  int writer = -1;
  const winsize window{.ws_row = 24, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
  REQUIRE(::openpty(&reader, &writer, nullptr, nullptr, &window) == 0);
  REQUIRE(::fcntl(reader, F_SETFL, O_NONBLOCK) == 0);
  return {.read_end = UniqueFd(reader), .write_end = UniqueFd(writer)};
}

}  // namespace

TEST_CASE("a wide status line shows everything") {
  CHECK(format_status(busy(), 200) ==
        "00:01:23  59.9 fps  2 dropped  5.8 Mb/s  queue 1+3  12.3 ms  61.2 MB  4980 frames  7 repeated");
}

TEST_CASE("what is heard is said before how much of it there is") {
  StatusSnapshot heard = busy();
  heard.sound = "desktop -18 dB, mic muted";
  CHECK(
      format_status(heard, 200) ==
      "00:01:23  59.9 fps  2 dropped  5.8 Mb/s  desktop -18 dB, mic muted  queue 1+3  12.3 ms  61.2 MB  4980 frames  7 "
      "repeated");
  CHECK(format_status(heard, 60) == "00:01:23  59.9 fps  2 dropped  desktop -18 dB, mic muted");
}

TEST_CASE("a narrow status line leaves out the least important first") {
  CHECK(format_status(busy(), 80) == "00:01:23  59.9 fps  2 dropped  5.8 Mb/s  queue 1+3  12.3 ms  61.2 MB");
  CHECK(format_status(busy(), 40) == "00:01:23  59.9 fps  2 dropped  5.8 Mb/s");
  CHECK(format_status(busy(), 20) == "00:01:23  59.9 fps");
  CHECK(format_status(busy(), 8) == "00:01:23");
  CHECK(format_status(busy(), 5) == "00:01");
  CHECK(format_status(busy(), 0).empty());
}

TEST_CASE("the state goes before the numbers and may be cut") {
  StatusSnapshot snapshot = busy();
  snapshot.state = "waiting for the desktop's permission dialog";
  CHECK(format_status(snapshot, 60) == "00:01:23  waiting for the desktop's permission dialog");
  CHECK(format_status(snapshot, 20) == "00:01:23  waiting fo");
  snapshot.state = "stalled";
  CHECK(format_status(snapshot, 40) == "00:01:23  stalled  59.9 fps  2 dropped");
}

TEST_CASE("a status line fits its width and holds no control characters") {
  StatusSnapshot snapshot = busy();
  for (const char* state : {"", "stalled", "b\xc3\xa4r\xe2\x82\xac and some more text", "tab\there\x1b[2J\n"}) {
    snapshot.state = state;
    for (unsigned columns = 20; columns <= 200; ++columns) {
      const std::string line = format_status(snapshot, columns);
      CAPTURE(columns, line);
      CHECK(columns_of(line) <= columns);
      CHECK(line.starts_with("00:01:23"));
      CHECK(std::ranges::none_of(line, [](unsigned char c) { return c < 0x20 || c == 0x7f; }));
    }
  }
}

TEST_CASE("numbers at the start of a recording") {
  CHECK(format_status({}, 80) == "00:00:00  0.0 fps  0 dropped  0 b/s  queue 0+0  0 B  0 frames");
}

TEST_CASE("sizes and rates scale by thousands") {
  CHECK(bytes_text(0) == "0 B");
  CHECK(bytes_text(999) == "999 B");
  CHECK(bytes_text(999.6) == "1.0 kB");
  CHECK(bytes_text(1500) == "1.5 kB");
  CHECK(bytes_text(999'960) == "1.0 MB");
  CHECK(bytes_text(4.2e9) == "4.2 GB");
  CHECK(bytes_text(4.2e15) == "4200000.0 GB");
  CHECK(bit_rate_text(800e3) == "800.0 kb/s");
  CHECK(bit_rate_text(-1) == "0 b/s");
  CHECK(clock_text(3723s) == "01:02:03");
  CHECK(clock_text(-1s) == "00:00:00");
  CHECK(clock_text(100h) == "100:00:00");
}

TEST_CASE("a terminal's line rewrites itself at most four times a second") {
  const Fds terminal = make_terminal(41);
  {
    StatusLine line(terminal.writer, StatusLine::Mode::Live);
    CHECK(line.due(1000ms));
    line.show(busy(), 1000ms);
    CHECK(drain(terminal.reader) == "\r\x1b[K00:01:23  59.9 fps  2 dropped  5.8 Mb/s\r");
    CHECK_FALSE(line.due(1249ms));
    line.show(busy(), 1249ms);
    CHECK(drain(terminal.reader).empty());
    line.show(busy(), 1250ms);
    CHECK_FALSE(drain(terminal.reader).empty());
    line.erase();
    CHECK(drain(terminal.reader) == "\r\x1b[K");
    line.erase();
    CHECK(drain(terminal.reader).empty());
    line.show(busy(), 1500ms);
    static_cast<void>(drain(terminal.reader));
  }
  CHECK(drain(terminal.reader) == "\r\x1b[K");
}

TEST_CASE("without a terminal there is one plain line every ten seconds") {
  const Fds pipe = make_pipe();
  StatusLine line(pipe.writer, StatusLine::mode_for(pipe.writer, false));
  line.show(busy(), 100s);
  line.show(busy(), 109'999ms);
  CHECK(drain(pipe.reader).empty());
  line.show(busy(), 110s);
  CHECK(drain(pipe.reader) == format_status(busy(), 200) + "\n");
  CHECK_FALSE(line.due(119s));
}

TEST_CASE("quiet and dumb terminals get no live line") {
  const Fds terminal = make_terminal(80);
  const char* before = std::getenv("TERM");
  const std::string saved = before == nullptr ? "" : before;
  ::setenv("TERM", "xterm", 1);
  CHECK(StatusLine::mode_for(terminal.writer, false) == StatusLine::Mode::Live);
  CHECK(StatusLine::mode_for(terminal.writer, true) == StatusLine::Mode::Off);
  ::setenv("TERM", "dumb", 1);
  CHECK(StatusLine::mode_for(terminal.writer, false) == StatusLine::Mode::Plain);
  ::unsetenv("TERM");
  CHECK(StatusLine::mode_for(terminal.writer, false) == StatusLine::Mode::Plain);
  if (before != nullptr) ::setenv("TERM", saved.c_str(), 1);

  StatusLine off(terminal.writer, StatusLine::Mode::Off);
  CHECK_FALSE(off.due(100s));
  off.show(busy(), 100s);
  CHECK(drain(terminal.reader).empty());
}

TEST_CASE("a terminal that is gone does not matter") {
  StatusLine line(-1, StatusLine::Mode::Live);
  line.show(busy(), 1s);
  CHECK_FALSE(line.due(1s));
}
