// One encoding for several viewers by SRT, on loopback: libavformat reads what they get, libsrt calls by itself.
#include "live_support.h"
#include "srt_peer.h"

#include <fmt/format.h>
#include <srt/access_control.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <memory>
#include <new>
#include <optional>
#include <string_view>

using namespace zc;
using namespace zc::test;

namespace {

constexpr std::size_t kTsPacket = 188;

int pid_of(std::string_view ts) {
  return (static_cast<unsigned char>(ts[1]) & 0x1f) << 8 | static_cast<unsigned char>(ts[2]);
}
/// ISO/IEC 13818-1, 2.4.3.4: the random_access_indicator of a packet's adaptation field.
bool is_random_access(std::string_view ts) {
  const bool has_field = (static_cast<unsigned char>(ts[3]) & 0x20) != 0;
  return has_field && ts[4] > 0 && (static_cast<unsigned char>(ts[5]) & 0x40) != 0;
}

std::string url_of(std::uint16_t port, const std::string& options = "") {
  return fmt::format("srt://127.0.0.1:{}?mode=listener&latency=60{}", port, options);
}
std::string call_url(std::uint16_t port) { return fmt::format("srt://127.0.0.1:{}", port); }

/// Of a stream that its sender ended: libavformat's reader throws away what it has not read by then, which may be a
/// part of a picture. All that came before is there.
void check_to_the_end(const ReadMedia& media) {
  REQUIRE(media.frame_pts.size() > 1);
  CHECK(media.packets.front().keyframe);
  CHECK(media.frame_pts.front() == media.packets.front().pts);
  CHECK(media.frame_pts.size() + 1 >= media.packets.size());
  CHECK(media.decode_errors <= 1);
  std::size_t holes = 0;
  for (std::size_t i = 1; i < media.frame_pts.size(); ++i) {
    if (media.frame_pts[i] - media.frame_pts[i - 1] != kFrame) ++holes;
  }
  CHECK(holes == 0);
}

}  // namespace

TEST_CASE("several viewers watch one encoding: each begins at a keyframe, and goes when it likes") {
  const std::uint16_t port = free_port(SOCK_DGRAM);
  Events events;
  const auto runner = make_runner(url_of(port), events);
  Feed feed;
  REQUIRE(runner->start(feed.parameters()));
  // Nobody watches: nothing piles up.
  REQUIRE(feed.until({runner.get()}, [&] { return runner->stats().dropped > 0; }));
  CHECK(runner->stats().queued <= 256);
  CHECK(runner->stats().state == SinkState::Opening);

  std::vector<std::unique_ptr<Reader>> readers;
  const std::array<std::size_t, 3> lengths{600, 400, 80};
  for (const std::size_t length : lengths) {
    const int wishes = events.keyframes_wanted;
    const std::size_t there = readers.size();
    CAPTURE(there);
    readers.push_back(std::make_unique<Reader>(call_url(port), length));
    REQUIRE(feed.until({runner.get()}, [&] { return readers.back()->read() >= 10; }));
    // The last one sees only 80 pictures, so that the first two are still there.
    CHECK(runner->stats().viewers == there + 1);
    CHECK(runner->stats().state == SinkState::Running);
    if (there == 0) CHECK(events.keyframes_wanted > wishes);
  }
  REQUIRE(feed.until({runner.get()}, [&] { return readers.back()->done(); }));
  REQUIRE(feed.until({runner.get()}, [&] { return runner->stats().viewers == 2; }));
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    CAPTURE(i);
    REQUIRE(feed.until({runner.get()}, [&] { return readers[i]->done(); }));
    check_stream(readers[i]->get(), lengths.at(i));
  }
  REQUIRE(feed.until({runner.get()}, [&] { return runner->stats().state == SinkState::Opening; }));
  CHECK(runner->stats().viewers == 0);

  // And one who comes after all of them.
  Reader late(call_url(port), 60);
  REQUIRE(feed.until({runner.get()}, [&] { return late.done(); }));
  check_stream(late.get(), 60);
  CHECK(runner->stats().reconnects == 1);
  INFO(events.messages());
  CHECK(events.errors == 0);  // coming and going is no error
  CHECK(runner->stop());
}

TEST_CASE("an SRT viewer who comes in the middle asks for a keyframe and gets tables before it") {
  const std::uint16_t port = free_port(SOCK_DGRAM);
  Events events;
  const auto runner = make_runner(url_of(port), events);
  const TestStream stream = make_stream({.frames = 120, .size = {160, 90}, .gop = 60});
  REQUIRE(runner->start(stream.parameters));
  std::int64_t time = 0;
  const auto push = [&](bool keyframe) {
    Packet packet = stream.packets[keyframe ? 0 : 1 + static_cast<std::size_t>(time) % 59];
    packet.pts = packet.dts = time++ * kFrame;
    runner->push(packet);
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  };
  const auto until = [&](const auto& done) {
    for (int i = 0; i < 40'000 && !done(); ++i) push(false);
    return done();
  };
  const auto first_message = [&](const SrtPeer& viewer) {
    std::string message;
    for (int i = 0; i < 40'000 && message.empty(); ++i) {
      push(i == 0);
      message = viewer.receive();
    }
    return message;
  };
  std::vector<std::unique_ptr<SrtPeer>> viewers;
  for (std::size_t there = 1; there <= 3; ++there) {
    CAPTURE(there);
    const int wishes = events.keyframes_wanted;
    viewers.push_back(std::make_unique<SrtPeer>(port));
    REQUIRE_FALSE(viewers.back()->refused());
    REQUIRE(until([&] { return events.keyframes_wanted > wishes; }));
    CHECK(events.keyframes_wanted == wishes + 1);
    // Until that keyframe comes there is nothing for it.
    for (int i = 0; i < 100; ++i) push(false);
    CHECK(viewers.back()->receive().empty());
    CHECK(events.keyframes_wanted == wishes + 1);
    CHECK(runner->stats().viewers == there);

    const std::string message = first_message(*viewers.back());
    REQUIRE(message.size() >= 4 * kTsPacket);
    CHECK(message.size() % kTsPacket == 0);
    std::vector<int> pids;
    for (std::size_t at = 0; at < message.size(); at += kTsPacket) {
      const std::string_view ts = std::string_view(message).substr(at, kTsPacket);
      CHECK(ts[0] == 0x47);
      pids.push_back(pid_of(ts));
      if (pids.size() == 4) CHECK(is_random_access(ts));
    }
    // Services, programs, this program's streams; then the picture.
    CHECK(std::vector<int>(pids.begin(), pids.begin() + 3) == std::vector{0x11, 0x00, 0x1000});
    CHECK(pids[3] == 0x100);
  }
  CHECK(events.errors == 0);
}

TEST_CASE("a viewer who takes nothing holds up nobody, and is hung up on when its buffer is full") {
  const std::uint16_t port = free_port(SOCK_DGRAM);
  Events events;
  const auto runner = make_runner(url_of(port), events);
  const TestStream big = make_stream({.frames = 60, .size = {320, 180}, .gop = 30, .noise = 255});
  REQUIRE(runner->start(big.parameters));
  Reader quick(call_url(port), 1'000'000);
  std::size_t count = 0;
  // Written and not counted by it; once: what it has not read yet would add up.
  std::optional<std::uint64_t> before;
  // No faster than the quick one reads; until it does, as fast as a screen.
  const auto until = [&](const auto& done) {
    for (int i = 0; i < 300'000; ++i) {
      if (done()) return true;
      const SinkStats stats = runner->stats();
      const unsigned read = quick.read();
      if (!before && read > 0) before = stats.packets - std::min<std::uint64_t>(stats.packets, read);
      if (before ? stats.queued < 30 && stats.packets < *before + read + 60 : i % 33 == 0) {
        Packet packet = big.packets[count % big.packets.size()];
        packet.pts = packet.dts = static_cast<std::int64_t>(count++) * kFrame;
        runner->push(packet);
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  };
  REQUIRE(until([&] { return quick.read() >= 10; }));
  const SrtPeer idle(port, {.stream_id = {}, .buffer_packets = 64, .skips = false});
  REQUIRE_FALSE(idle.refused());
  REQUIRE(until([&] { return runner->stats().viewers == 2; }));
  const std::uint64_t bytes = runner->stats().bytes;
  REQUIRE(until([&] { return runner->stats().viewers == 1; }));
  CHECK(runner->stats().bytes - bytes > 8'000'000);  // libsrt's buffer, not the first packet it had no place for
  const unsigned then = quick.read();
  REQUIRE(until([&] { return quick.read() >= then + 60; }));

  // It may call again.
  const SrtPeer again(port);
  REQUIRE_FALSE(again.refused());
  std::string message;
  REQUIRE(until([&] {
    if (message.empty()) message = again.receive();
    return !message.empty();
  }));
  CHECK(pid_of(message) == 0x11);
  CHECK(runner->stop(std::chrono::seconds(60)));
  const ReadMedia media = quick.get();
  REQUIRE(media.packets.size() > then + 60);
  check_to_the_end(media);
  CHECK(events.errors == 0);
}

TEST_CASE("a caller with a wrong passphrase disturbs no viewer") {
  const std::uint16_t port = free_port(SOCK_DGRAM);
  Events events;
  const auto runner = make_runner(url_of(port, "&passphrase=correct-horse-battery&pbkeylen=32"), events);
  Feed feed;
  REQUIRE(runner->start(feed.parameters()));
  const UrlOptions right{{"passphrase", "correct-horse-battery"}};
  Reader watching(call_url(port), 400, right);
  REQUIRE(feed.until({runner.get()}, [&] { return watching.read() >= 10; }));
  for (const std::string wrong : {"wrong-horse-battery", ""}) {
    CAPTURE(wrong);
    Reader refused(call_url(port), 10, {{"passphrase", wrong}});
    REQUIRE(feed.until({runner.get()}, [&] { return refused.done(); }));
    CHECK_FALSE(refused.get().error.empty());
    CHECK(runner->stats().viewers == 1);
  }
  Reader beside(call_url(port), 60, right);
  REQUIRE(feed.until({runner.get()}, [&] { return watching.done() && beside.done(); }));
  check_stream(watching.get(), 400);
  check_stream(beside.get(), 60);
  CHECK(events.errors == 0);
  CHECK(runner->stop());
}

TEST_CASE("no more viewers than max-viewers says") {
  const std::uint16_t port = free_port(SOCK_DGRAM);
  Events events;
  const auto runner = make_runner(url_of(port, "&max-viewers=2"), events);
  Feed feed;
  REQUIRE(runner->start(feed.parameters()));
  const auto first = std::make_unique<SrtPeer>(port);
  auto second = std::make_unique<SrtPeer>(port);
  REQUIRE(feed.until({runner.get()}, [&] { return runner->stats().viewers == 2; }));
  CHECK(SrtPeer(port).refused() == SRT_REJX_OVERLOAD);
  CHECK(runner->stats().viewers == 2);
  second.reset();
  REQUIRE(feed.until({runner.get()}, [&] { return runner->stats().viewers == 1; }));
  const SrtPeer third(port);
  CHECK_FALSE(third.refused());
  REQUIRE(feed.until({runner.get()}, [&] { return runner->stats().viewers == 2; }));
  CHECK_FALSE(first->refused());
  CHECK(events.errors == 0);
}

TEST_CASE("a listener with a streamid serves those who name it") {
  const std::uint16_t port = free_port(SOCK_DGRAM);
  Events events;
  const auto runner = make_runner(url_of(port, "&streamid=live/cam%201%26%2b"), events);
  Feed feed;
  REQUIRE(runner->start(feed.parameters()));
  CHECK(SrtPeer(port).refused() == SRT_REJX_NOTFOUND);
  CHECK(SrtPeer(port, {.stream_id = "live/cam 1&"}).refused() == SRT_REJX_NOTFOUND);
  CHECK(runner->stats().viewers == 0);
  Reader reader(call_url(port), 60, {{"streamid", "live/cam 1&+"}});
  REQUIRE(feed.until({runner.get()}, [&] { return reader.done(); }));
  check_stream(reader.get(), 60);

  // Without one, whoever calls, whatever it names.
  const std::uint16_t any = free_port(SOCK_DGRAM);
  const auto open_runner = make_runner(url_of(any), events);
  REQUIRE(open_runner->start(feed.parameters()));
  CHECK_FALSE(SrtPeer(any, {.stream_id = "whatever"}).refused());
}

TEST_CASE("an SRT caller's streamid reaches its peer as it was meant") {
  const std::uint16_t port = free_port(SOCK_DGRAM);
  const SrtPeer server = SrtPeer::listener(port);
  Events events;
  const auto runner = make_runner(
      fmt::format("srt://127.0.0.1:{}?streamid=%23!::r%3Dlive/cam%201,m%3Dpublish,u%3Da%26b%2bc", port), events);
  Feed feed;
  REQUIRE(runner->start(feed.parameters()));
  std::optional<std::string> told;
  REQUIRE(feed.until({runner.get()}, [&] {
    if (!told) told = server.accept();
    return told.has_value();
  }));
  CHECK(*told == "#!::r=live/cam 1,m=publish,u=a&b+c");
}

TEST_CASE("an SRT listener's port is taken when it is made, or that is refused") {
  const std::uint16_t port = free_port(SOCK_DGRAM);
  Events events;
  const auto runner = make_runner(url_of(port), events);
  const auto taken = make_sink_runner(*parse_output(url_of(port), std::nullopt, false), events);
  REQUIRE_FALSE(taken);
  CHECK(taken.error().kind == ErrorKind::Busy);

  const std::uint16_t other = free_port(SOCK_DGRAM);
  const UniqueFd somebody = listen_on(other, SOCK_DGRAM);
  const auto elsewhere = make_sink_runner(*parse_output(url_of(other), std::nullopt, false), events);
  REQUIRE_FALSE(elsewhere);
  INFO(elsewhere.error().message());
  CHECK(elsewhere.error().kind == ErrorKind::Busy);
}

TEST_CASE("a viewer who is killed is forgotten, and the others watch on") {
  const std::uint16_t port = free_port(SOCK_DGRAM);
  void* memory =
      ::mmap(nullptr, sizeof(std::atomic<unsigned>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  auto* read = new (memory) std::atomic<unsigned>(0);
  // Before any thread of ours: the child is a copy of this process.
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ReadOptions options;
    options.read = read;
    // Until somebody listens.
    while (*read == 0) static_cast<void>(read_media(call_url(port), options));
    ::_exit(0);
  }
  Events events;
  const auto runner = make_runner(url_of(port), events);
  Feed feed;
  REQUIRE(runner->start(feed.parameters()));
  const bool watched = feed.until({runner.get()}, [&] { return *read >= 10; });
  Reader reader(call_url(port), 30'000);
  const bool both = feed.until({runner.get()}, [&] { return reader.read() >= 10 && runner->stats().viewers == 2; });
  REQUIRE(::kill(child, SIGKILL) == 0);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  ::munmap(memory, sizeof(std::atomic<unsigned>));
  REQUIRE(watched);
  REQUIRE(both);
  REQUIRE(feed.until({runner.get()}, [&] { return runner->stats().viewers == 1; }));
  const unsigned then = reader.read();
  REQUIRE(feed.until({runner.get()}, [&] { return reader.read() >= then + 60; }));
  CHECK(runner->stop());
  check_to_the_end(reader.get());
  CHECK(events.errors == 0);
}
