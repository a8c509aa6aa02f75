// Live outputs against real libavformat readers on loopback.
#include "output/sink_runner.h"

#include "base/unique_fd.h"
#include "media_support.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <fstream>
#include <functional>
#include <future>
#include <mutex>
#include <new>
#include <thread>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t kFrame = 1500;  // 60 fps

class Events final : public SinkEvents {
 public:
  void on_error(const std::string& name, const Error& error, bool fatal) override {
    const std::scoped_lock lock(mutex_);
    messages_.push_back(name + ": " + error.message());
    fatal_ = fatal_ || fatal;
    ++errors;
  }
  void on_keyframe_wanted(const std::string& /*name*/) override { ++keyframes_wanted; }
  [[nodiscard]] std::string messages() const {
    const std::scoped_lock lock(mutex_);
    return fmt::format("{}", fmt::join(messages_, "; "));
  }
  [[nodiscard]] bool fatal() const {
    const std::scoped_lock lock(mutex_);
    return fatal_;
  }
  std::atomic<int> errors = 0;
  std::atomic<int> keyframes_wanted = 0;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> messages_;
  bool fatal_ = false;
};

/// An endless stream: the same second again and again under rising times, at about five times its real speed.
class Feed {
 public:
  Feed() : stream_(make_stream({.frames = 60, .size = {160, 90}, .gop = 15})) {}
  [[nodiscard]] const StreamParameters& parameters() const { return stream_.parameters; }
  Packet next() {
    Packet packet = stream_.packets[count_ % stream_.packets.size()];
    const auto shift = static_cast<std::int64_t>(count_ / stream_.packets.size()) * 60 * kFrame;
    packet.pts += shift;
    packet.dts += shift;
    ++count_;
    return packet;
  }
  /// Pushes into every runner until `done`; false after two minutes or more.
  bool until(const std::vector<SinkRunner*>& runners, const std::function<bool()>& done) {
    for (int i = 0; i < 40'000; ++i) {
      if (done()) return true;
      const Packet packet = next();
      for (SinkRunner* runner : runners) runner->push(packet);
      std::this_thread::sleep_for(3ms);
    }
    return false;
  }
  [[nodiscard]] std::size_t count() const { return count_; }

 private:
  TestStream stream_;
  std::size_t count_ = 0;
};

using UrlOptions = std::vector<std::pair<std::string, std::string>>;

/// For a reader of SRT: what comes late, as on a busy machine, is waited for. Otherwise libsrt skips it, and a hole
/// would be nobody's fault.
UrlOptions patient(UrlOptions options = {}) {
  options.emplace_back("tlpktdrop", "0");
  return options;
}

/// Reads `packets` packets of a URL in its own thread.
class Reader {
 public:
  Reader(const std::string& url, std::size_t packets, UrlOptions options = {}) {
    ReadOptions read_options;
    read_options.options = url.starts_with("srt:") ? patient(std::move(options)) : std::move(options);
    read_options.format = "mpegts";
    read_options.max_packets = packets;
    read_options.stop = &stop_;
    media_ = std::async(std::launch::async, [url, read_options] { return read_media(url, read_options); });
  }
  ~Reader() { stop_ = true; }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  Reader(Reader&&) = delete;
  Reader& operator=(Reader&&) = delete;
  [[nodiscard]] bool done() const { return media_.wait_for(0s) == std::future_status::ready; }
  ReadMedia get() { return media_.get(); }

 private:
  std::atomic<bool> stop_ = false;
  std::future<ReadMedia> media_;
};

/// A loopback port that nothing uses at this moment.
std::uint16_t free_port(int type) {
  const UniqueFd fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
  REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
  return ntohs(address.sin_port);
}

UniqueFd listen_on(std::uint16_t port, int type) {
  UniqueFd fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  const int one = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  const int small = 4096;
  if (type == SOCK_STREAM) ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  if (type == SOCK_STREAM) REQUIRE(::listen(fd.get(), 4) == 0);
  return fd;
}

std::unique_ptr<SinkRunner> make_runner(const std::string& url, SinkEvents& events) {
  const auto spec = parse_output(url, std::nullopt, false);
  INFO(url);
  REQUIRE(spec);
  auto runner = make_sink_runner(*spec, events);
  REQUIRE(runner);
  return std::move(*runner);
}

/// Starts at a keyframe, decodes, and no picture is missing in between.
void check_stream(const ReadMedia& media, std::size_t packets) {
  INFO("reader: " << media.error);
  REQUIRE(media.packets.size() == packets);
  CHECK(media.packets.front().keyframe);
  CHECK(media.decode_errors == 0);
  CHECK(media.size == Size{160, 90});
  std::size_t holes = 0;
  for (std::size_t i = 1; i < media.packets.size(); ++i) {
    if (media.packets[i].pts - media.packets[i - 1].pts != kFrame) ++holes;
  }
  CHECK(holes == 0);
}

}  // namespace

TEST_CASE("UDP sends whole MPEG-TS packets that a reader can join") {
  const std::uint16_t port = free_port(SOCK_DGRAM);
  const UniqueFd receiver = listen_on(port, SOCK_DGRAM);
  Events events;
  const auto runner = make_runner(fmt::format("udp://127.0.0.1:{}", port), events);
  Feed feed;
  REQUIRE(runner->start(feed.parameters()));
  const TemporaryFolder dir;
  std::ofstream copy(dir.file("udp.ts"), std::ios::binary);
  std::size_t bad = 0;
  std::size_t bytes = 0;
  std::size_t datagrams = 0;
  std::array<char, 65536> buffer{};
  REQUIRE(feed.until({runner.get()}, [&] {
    ssize_t count = 0;
    while ((count = ::recv(receiver.get(), buffer.data(), buffer.size(), MSG_DONTWAIT)) > 0) {
      if (count > 1316 || count % 188 != 0 || buffer[0] != 0x47) ++bad;
      copy.write(buffer.data(), count);
      bytes += static_cast<std::size_t>(count);
      ++datagrams;
    }
    return feed.count() >= 300;
  }));
  CHECK(runner->stop());
  ssize_t count = 0;
  while ((count = ::recv(receiver.get(), buffer.data(), buffer.size(), MSG_DONTWAIT)) > 0)
    copy.write(buffer.data(), count);
  copy.close();
  CHECK(bad == 0);
  CHECK(datagrams > 300);
  check_stream(read_media(dir.file("udp.ts")), 300);
  CHECK(runner->stats().dropped == 0);
}

TEST_CASE("UDP without a receiver is not an error") {
  Events events;
  const auto runner = make_runner(fmt::format("udp://127.0.0.1:{}", free_port(SOCK_DGRAM)), events);
  Feed feed;
  REQUIRE(runner->start(feed.parameters()));
  REQUIRE(feed.until({runner.get()}, [&] { return feed.count() >= 200; }));
  CHECK(runner->stop());
  CHECK(runner->stats().packets == 200);
  CHECK(events.errors == 0);
}

TEST_CASE("TCP calls a listening reader, again and again until it is there") {
  const std::uint16_t port = free_port(SOCK_STREAM);
  Events events;
  const auto runner = make_runner(fmt::format("tcp://localhost:{}", port), events);
  Feed feed;
  REQUIRE(runner->start(feed.parameters()));
  REQUIRE(feed.until({runner.get()}, [&] { return events.errors == 1; }));  // nobody listens yet
  Reader reader(fmt::format("tcp://127.0.0.1:{}?listen=1", port), 120);
  REQUIRE(feed.until({runner.get()}, [&] { return reader.done(); }));
  check_stream(reader.get(), 120);
  CHECK_FALSE(events.fatal());
  [[maybe_unused]] const auto stopped = runner->stop();
}

TEST_CASE("TCP listens, and takes the next reader after the first") {
  const std::uint16_t port = free_port(SOCK_STREAM);
  Events events;
  const auto runner = make_runner(fmt::format("tcp://:{}?listen=1", port), events);
  const auto taken = parse_output(fmt::format("tcp://127.0.0.1:{}?listen=1", port), std::nullopt, false);
  const auto second_runner = make_sink_runner(*taken, events);
  REQUIRE_FALSE(second_runner);
  CHECK(second_runner.error().kind == ErrorKind::Busy);

  Feed feed;
  REQUIRE(runner->start(feed.parameters()));
  for (int round = 0; round < 3; ++round) {
    CAPTURE(round, events.messages());
    Reader reader(fmt::format("tcp://127.0.0.1:{}", port), 100);
    REQUIRE(feed.until({runner.get()}, [&] { return reader.done(); }));
    check_stream(reader.get(), 100);
  }
  CHECK(runner->stats().reconnects == 2);
  CHECK(events.keyframes_wanted >= 2);
  [[maybe_unused]] const auto stopped = runner->stop();
}

TEST_CASE("SRT calls and listens, with and without a passphrase") {
  for (const bool listener : {false, true}) {
    for (const std::string passphrase : {"", "correct-horse-battery"}) {
      CAPTURE(listener, passphrase);
      const std::uint16_t port = free_port(SOCK_DGRAM);
      Events events;
      const auto runner =
          make_runner(fmt::format("srt://127.0.0.1:{}?mode={}&latency=60{}", port, listener ? "listener" : "caller",
                                  passphrase.empty() ? "" : "&passphrase=" + passphrase),
                      events);
      Feed feed;
      REQUIRE(runner->start(feed.parameters()));
      Reader reader(fmt::format("srt://127.0.0.1:{}", port), 120,
                    {{"mode", listener ? "caller" : "listener"}, {"passphrase", passphrase}});
      REQUIRE(feed.until({runner.get()}, [&] { return reader.done(); }));
      check_stream(reader.get(), 120);
      // The reader has hung up: SRT tells the sink sooner or later.
      const auto stopped = runner->stop();
      const std::string complaint = stopped ? "" : stopped.error().message();
      CAPTURE(complaint);
      CHECK((stopped || stopped.error().kind == ErrorKind::Lost));
      CHECK(runner->name().find(passphrase.empty() ? "passphrase" : passphrase) == std::string::npos);
    }
  }
}

TEST_CASE("SRT refuses a wrong passphrase and keeps listening for the right one") {
  const std::uint16_t port = free_port(SOCK_DGRAM);
  Events events;
  const auto runner =
      make_runner(fmt::format("srt://127.0.0.1:{}?mode=listener&passphrase=correct-horse-battery", port), events);
  Feed feed;
  REQUIRE(runner->start(feed.parameters()));
  for (const std::string wrong : {"wrong-horse-battery", ""}) {
    CAPTURE(wrong);
    Reader reader(fmt::format("srt://127.0.0.1:{}", port), 10, {{"mode", "caller"}, {"passphrase", wrong}});
    REQUIRE(feed.until({runner.get()}, [&] { return reader.done(); }));
    const ReadMedia media = reader.get();
    CHECK_FALSE(media.error.empty());
    CHECK(media.packets.empty());
  }
  CHECK(runner->stats().packets == 0);
  Reader reader(fmt::format("srt://127.0.0.1:{}", port), 60,
                {{"mode", "caller"}, {"passphrase", "correct-horse-battery"}});
  REQUIRE(feed.until({runner.get()}, [&] { return reader.done(); }));
  check_stream(reader.get(), 60);
  [[maybe_unused]] const auto stopped = runner->stop();
}

TEST_CASE("an SRT caller with a wrong passphrase says so without showing it") {
  const std::uint16_t port = free_port(SOCK_DGRAM);
  Events events;
  Reader reader(fmt::format("srt://127.0.0.1:{}", port), 10,
                {{"mode", "listener"}, {"passphrase", "correct-horse-battery"}});
  const auto runner = make_runner(fmt::format("srt://127.0.0.1:{}?passphrase=wrong-horse-battery", port), events);
  Feed feed;
  REQUIRE(runner->start(feed.parameters()));
  REQUIRE(feed.until({runner.get()}, [&] { return events.errors >= 1; }));
  CHECK_FALSE(events.fatal());
  CHECK(events.messages().find("horse") == std::string::npos);
  CHECK(runner->stats().packets == 0);
  [[maybe_unused]] const auto stopped = runner->stop();
}

TEST_CASE("a TCP peer that never reads holds up neither the pusher nor a file, and is called again") {
  const std::uint16_t port = free_port(SOCK_STREAM);
  UniqueFd silent = listen_on(port, SOCK_STREAM);
  const TemporaryFolder dir;
  Events events;
  const auto live = make_runner(fmt::format("tcp://127.0.0.1:{}", port), events);
  const auto file = make_runner(dir.file("beside.mkv"), events);
  // Pictures big enough to fill the socket's buffers.
  const TestStream big = make_stream({.frames = 900, .size = {320, 180}, .gop = 30, .noise = 255});
  REQUIRE(live->start(big.parameters));
  REQUIRE(file->start(big.parameters));
  for (int round = 0; live->stats().state != SinkState::Running; ++round) {
    REQUIRE(round < 6000);
    std::this_thread::sleep_for(10ms);
  }
  for (const Packet& packet : big.packets) {
    live->push(packet);
    file->push(packet);
  }
  CHECK(file->stop(60s));
  CHECK(file->stats().packets == big.packets.size());
  CHECK(file->stats().dropped == 0);
  CHECK(read_media(dir.file("beside.mkv")).frame_pts.size() == big.packets.size());
  CHECK(live->stats().dropped > 0);
  CHECK(events.keyframes_wanted >= 1);

  // The silent peer hangs up; a real one takes its place.
  silent.reset();
  Feed feed;
  while (feed.count() < 60UL * 16) static_cast<void>(feed.next());  // times go on rising
  Reader reader(fmt::format("tcp://127.0.0.1:{}?listen=1", port), 100);
  REQUIRE(feed.until({live.get()}, [&] { return reader.done(); }));
  const ReadMedia media = reader.get();
  INFO(media.error << " " << events.messages());
  REQUIRE(media.packets.size() == 100);
  CHECK(media.packets.front().keyframe);
  CHECK(live->stats().reconnects >= 1);
  CHECK_FALSE(events.fatal());
  [[maybe_unused]] const auto stopped = live->stop();
}

TEST_CASE("stop delivers what was queued to a peer that reads") {
  for (const std::string scheme : {"tcp", "srt"}) {
    CAPTURE(scheme);
    const std::uint16_t port = free_port(scheme == "tcp" ? SOCK_STREAM : SOCK_DGRAM);
    Events events;
    const auto runner = make_runner(
        fmt::format("{}://127.0.0.1:{}?{}", scheme, port, scheme == "tcp" ? "listen=1" : "mode=listener"), events);
    Feed feed;
    REQUIRE(runner->start(feed.parameters()));
    std::atomic<unsigned> read = 0;
    ReadOptions options;
    options.format = "mpegts";
    options.read = &read;
    if (scheme == "srt") options.options = patient();
    auto reader = std::async(std::launch::async,
                             [&] { return read_media(fmt::format("{}://127.0.0.1:{}", scheme, port), options); });
    REQUIRE(feed.until({runner.get()}, [&] { return read > 0; }));
    const std::size_t before = feed.count();
    for (int i = 0; i < 100; ++i) runner->push(feed.next());
    CHECK(runner->stop(60s));
    const ReadMedia media = reader.get();
    CHECK(media.packets.back().pts - media.packets.front().pts ==
          static_cast<std::int64_t>(runner->stats().packets - 1) * kFrame);
    CHECK(runner->stats().packets >= 100);
    CHECK(before + 100 == feed.count());
    check_stream(media, runner->stats().packets);
  }
}

TEST_CASE("stop returns although the peer is dead") {
  const std::uint16_t port = free_port(SOCK_STREAM);
  const UniqueFd silent = listen_on(port, SOCK_STREAM);
  Events events;
  const TestStream big = make_stream({.frames = 600, .size = {320, 180}, .gop = 30, .noise = 255});
  struct Case {
    std::string url;
    SinkState state;
  };
  const std::vector<Case> cases{
      {fmt::format("tcp://127.0.0.1:{}", port), SinkState::Running},  // accepts, never reads
      {fmt::format("tcp://127.0.0.1:{}", free_port(SOCK_STREAM)), SinkState::BackingOff},
      {fmt::format("tcp://127.0.0.1:{}?listen=1", free_port(SOCK_STREAM)), SinkState::Opening},
      {fmt::format("srt://127.0.0.1:{}", free_port(SOCK_DGRAM)), SinkState::Opening},
      {fmt::format("srt://127.0.0.1:{}?mode=listener", free_port(SOCK_DGRAM)), SinkState::Opening},
      {"tcp://no-such-host.invalid:9", SinkState::BackingOff},
  };
  for (const Case& row : cases) {
    CAPTURE(row.url);
    const auto runner = make_runner(row.url, events);
    REQUIRE(runner->start(big.parameters));
    for (int round = 0; runner->stats().state != row.state; ++round) {
      REQUIRE(round < 6000);
      std::this_thread::sleep_for(10ms);
    }
    // Until nothing moves any more and the queue has overflowed.
    for (std::size_t i = 0; runner->stats().dropped == 0; ++i) {
      REQUIRE(i < 60'000);
      runner->push(big.packets[i % big.packets.size()]);
      std::this_thread::sleep_for(1ms);
    }
    const auto start = std::chrono::steady_clock::now();
    [[maybe_unused]] const auto stopped = runner->stop();
    const auto took = std::chrono::steady_clock::now() - start;
    fmt::print("stop of {}: {} ms\n", row.url, std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
    CHECK(took < 120s);  // not "for ever"; how fast it really is depends on the machine
    CHECK(runner->stats().state == SinkState::Closed);
    CHECK(runner->stats().queued == 0);
  }
}

TEST_CASE("a killed SRT peer is found again and starts at a keyframe") {
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
    options.options = patient({{"mode", "listener"}});
    options.read = read;
    static_cast<void>(read_media(fmt::format("srt://127.0.0.1:{}", port), options));
    ::_exit(0);
  }
  const TemporaryFolder dir;
  Events events;
  const auto live = make_runner(fmt::format("srt://127.0.0.1:{}?latency=60", port), events);
  const auto file = make_runner(dir.file("beside.mp4"), events);
  Feed feed;
  REQUIRE(live->start(feed.parameters()));
  REQUIRE(file->start(feed.parameters()));
  const bool reading = feed.until({live.get(), file.get()}, [&] { return *read >= 30; });
  REQUIRE(::kill(child, SIGKILL) == 0);
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  ::munmap(memory, sizeof(std::atomic<unsigned>));
  REQUIRE(reading);

  Reader reader(fmt::format("srt://127.0.0.1:{}", port), 60, {{"mode", "listener"}});
  REQUIRE(feed.until({live.get(), file.get()}, [&] { return reader.done(); }));
  check_stream(reader.get(), 60);
  CHECK(live->stats().reconnects == 1);
  [[maybe_unused]] const auto stopped = live->stop();
  CHECK(file->stop(60s));
  CHECK(file->stats().packets == feed.count());
  CHECK(read_media(dir.file("beside.mp4")).packets.size() == feed.count());
}
