// Live outputs against real libavformat readers on loopback.
#include "live_support.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <future>
#include <new>
#include <optional>
#include <thread>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

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

namespace {

/// How the next datagram came: how many routers it might still have passed, and by which interface.
struct Way {
  int ttl = 0;
  int interface = 0;
};
std::optional<Way> way_of_next(const UniqueFd& fd) {
  std::array<char, 2048> data{};
  alignas(cmsghdr) std::array<char, 256> control{};
  iovec place{data.data(), data.size()};
  msghdr message{};
  message.msg_iov = &place;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  if (::recvmsg(fd.get(), &message, MSG_DONTWAIT) < 0) return std::nullopt;
  Way way;
  for (cmsghdr* one = CMSG_FIRSTHDR(&message); one != nullptr; one = CMSG_NXTHDR(&message, one)) {
    if (one->cmsg_level != IPPROTO_IP) continue;
    if (one->cmsg_type == IP_TTL) std::memcpy(&way.ttl, CMSG_DATA(one), sizeof way.ttl);
    in_pktinfo info{};
    if (one->cmsg_type == IP_PKTINFO) {
      std::memcpy(&info, CMSG_DATA(one), sizeof info);
      way.interface = info.ipi_ifindex;
    }
  }
  return way;
}

}  // namespace

TEST_CASE("UDP datagrams go as far as ttl says, and those to a group by the interface named") {
  const int loopback = static_cast<int>(::if_nametoindex("lo"));
  REQUIRE(loopback > 0);
  struct Case {
    const char* host;
    const char* options;
    int ttl;  ///< 0: the system's
  };
  for (const Case& row : {Case{"127.0.0.1", "?ttl=7", 7}, Case{"127.0.0.1", "", 0},
                          Case{"239.255.77.1", "?ttl=3&interface=lo", 3}, Case{"239.255.77.1", "?interface=lo", 1}}) {
    CAPTURE(row.host, row.options);
    const UniqueFd receiver(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    socklen_t length = sizeof address;
    REQUIRE(::bind(receiver.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::getsockname(receiver.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
    ip_mreqn group{};
    group.imr_ifindex = loopback;
    if (::inet_pton(AF_INET, row.host, &group.imr_multiaddr) == 1 && IN_MULTICAST(ntohl(group.imr_multiaddr.s_addr))) {
      REQUIRE(::setsockopt(receiver.get(), IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group) == 0);
    }
    const int on = 1;
    REQUIRE(::setsockopt(receiver.get(), IPPROTO_IP, IP_RECVTTL, &on, sizeof on) == 0);
    REQUIRE(::setsockopt(receiver.get(), IPPROTO_IP, IP_PKTINFO, &on, sizeof on) == 0);

    Events events;
    const auto runner =
        make_runner(fmt::format("udp://{}:{}{}", row.host, ntohs(address.sin_port), row.options), events);
    Feed feed;
    REQUIRE(runner->start(feed.parameters()));
    std::optional<Way> way;
    REQUIRE(feed.until({runner.get()}, [&] {
      if (!way) way = way_of_next(receiver);
      return way.has_value();
    }));
    CHECK(way->interface == loopback);
    if (row.ttl != 0) CHECK(way->ttl == row.ttl);
    if (row.ttl == 0) CHECK(way->ttl > 7);
    CHECK(runner->stop());
    CHECK(events.errors == 0);
  }
  Events events;
  const auto runner = make_runner("udp://239.255.77.1:9?interface=none0", events);
  Feed feed;
  REQUIRE(runner->start(feed.parameters()));
  REQUIRE(feed.until({runner.get()}, [&] { return events.errors >= 1; }));
  CHECK(events.messages().find("there is no interface none0") != std::string::npos);
  CHECK(runner->stats().packets == 0);
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
    REQUIRE(feed.until({runner.get()}, [&] { return runner->stats().viewers == 0; }));
    Reader reader(fmt::format("tcp://127.0.0.1:{}", port), 100);
    REQUIRE(feed.until({runner.get()}, [&] { return runner->stats().viewers == 1 || reader.done(); }));
    REQUIRE(feed.until({runner.get()}, [&] { return reader.done(); }));
    check_stream(reader.get(), 100);
  }
  CHECK(runner->stats().reconnects == 2);
  CHECK(events.keyframes_wanted >= 2);
  CHECK(events.errors == 0);  // readers come and go
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

TEST_CASE("live sinks tell how their peers keep up; a file and UDP have nothing to tell") {
  const TemporaryFolder dir;
  Events events;
  for (const std::string& silent : {dir.file("one.mkv"), fmt::format("udp://127.0.0.1:{}", free_port(SOCK_DGRAM))}) {
    CHECK_FALSE(make_runner(silent, events)->congestion());
  }
  for (const std::string scheme : {"tcp", "srt"}) {
    CAPTURE(scheme);
    const std::uint16_t port = free_port(scheme == "tcp" ? SOCK_STREAM : SOCK_DGRAM);
    const std::string url = fmt::format("{}://127.0.0.1:{}", scheme, port);
    const auto runner = make_runner(url, events);
    const auto before = runner->congestion();
    REQUIRE(before);
    CHECK(before->away);
    CHECK(before->peers.empty());
    Feed feed;
    REQUIRE(runner->start(feed.parameters()));
    const UrlOptions listens{{scheme == "tcp" ? "listen" : "mode", scheme == "tcp" ? "1" : "listener"}};
    Reader reader(url, 120, listens);
    REQUIRE(feed.until({runner.get()}, [&] { return reader.read() >= 60; }));
    std::uint64_t delivered = 0;
    CHECK(feed.until({runner.get()}, [&] {
      const auto now = runner->congestion();
      if (now && now->peers.size() == 1) delivered = now->peers.front().delivered;
      return delivered > 0 || reader.done();
    }));
    CHECK(delivered > 0);
    REQUIRE(feed.until({runner.get()}, [&] { return reader.done(); }));
    [[maybe_unused]] const auto stopped = runner->stop();
  }
}
