// RTP by its datagrams, and RTSP against FFmpeg's own server.
#include "live_support.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <catch2/catch_test_macros.hpp>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "support/temporary_folder.h"

using namespace zc;
using namespace zc::test;

namespace {

using Datagram = std::vector<std::uint8_t>;

/// What has come by now.
void take(const UniqueFd& socket, std::vector<Datagram>& into) {
  while (true) {
    Datagram bytes(2048);
    const ssize_t got = ::recv(socket.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got < 0) return;
    bytes.resize(static_cast<std::size_t>(got));
    into.push_back(std::move(bytes));
  }
}

unsigned sequence(const Datagram& packet) { return packet[2] * 256U + packet[3]; }

/// Two ports, one after the other, that nothing uses at this moment.
std::uint16_t free_pair() {
  while (true) {
    const std::uint16_t port = free_port(SOCK_DGRAM);
    if (port % 2 == 0) return port;
  }
}

}  // namespace

TEST_CASE("RTP's packets are short and numbered, with reports beside them and a description") {
  const TemporaryFolder folder;
  const std::uint16_t port = free_pair();
  const UniqueFd media = listen_on(port, SOCK_DGRAM);
  const UniqueFd control = listen_on(static_cast<std::uint16_t>(port + 1), SOCK_DGRAM);
  Events events;
  const auto runner =
      make_runner(fmt::format("rtp://127.0.0.1:{}?payload=100&sdp={}", port, folder.file("live.sdp")), events);
  Feed feed;
  REQUIRE(runner->start(feed.parameters()));
  std::vector<Datagram> packets;
  std::vector<Datagram> reports;
  REQUIRE(feed.until({runner.get()}, [&] {
    take(media, packets);
    take(control, reports);
    return packets.size() >= 200 && !reports.empty();
  }));
  [[maybe_unused]] const auto stopped = runner->stop();
  CHECK(events.messages().empty());

  for (std::size_t i = 0; i < packets.size(); ++i) {
    const Datagram& packet = packets[i];
    CAPTURE(i);
    REQUIRE(packet.size() > 12);
    CHECK(packet.size() <= 1200);
    CHECK(packet[0] == 0x80);  // version 2 and nothing else
    CHECK((packet[1] & 0x7f) == 100);
    if (i > 0) CHECK(sequence(packet) == (sequence(packets[i - 1]) + 1) % 65536);
  }
  // RFC 3550: a sender report.
  CHECK(reports.front().at(1) == 200);

  const std::string sdp = folder.read("live.sdp");
  INFO(sdp);
  CHECK(sdp.contains(fmt::format("m=video {} RTP/AVP 100\r\n", port)));
  CHECK(sdp.contains("a=rtpmap:100 H264/90000\r\n"));
  CHECK(sdp.contains("packetization-mode=1"));
  CHECK_FALSE(std::filesystem::exists(folder.file("live.sdp.part")));
}

TEST_CASE("RTP without a receiver is not an error, and a description that cannot be written is one") {
  Events events;
  const auto runner = make_runner(fmt::format("rtp://127.0.0.1:{}", free_pair()), events);
  Feed feed;
  REQUIRE(runner->start(feed.parameters()));
  REQUIRE(feed.until({runner.get()}, [&] { return runner->stats().packets >= 60; }));
  CHECK(events.errors == 0);

  Events refused;
  const auto other = make_runner(fmt::format("rtp://127.0.0.1:{}?sdp=/nowhere/live.sdp", free_pair()), refused);
  REQUIRE(other->start(feed.parameters()));
  REQUIRE(feed.until({other.get()}, [&] { return refused.errors > 0; }));
  CHECK(refused.messages().contains("/nowhere/live.sdp"));
}

TEST_CASE("RTSP publishes from a keyframe on, and again when the server is back") {
  const std::uint16_t port = free_port(SOCK_STREAM);
  const std::string url = fmt::format("rtsp://127.0.0.1:{}/live/cam", port);
  Events events;
  const auto runner = make_runner(url, events);
  Feed feed;
  REQUIRE(runner->start(feed.parameters()));
  for (int round = 0; round < 2; ++round) {
    CAPTURE(round, events.messages());
    Reader server(url, 90, {{"rtsp_flags", "listen"}});
    REQUIRE(feed.until({runner.get()}, [&] { return server.done(); }));
    ReadMedia media = server.get();
    // FFmpeg's own reader knows no time of the first one.
    REQUIRE(media.packets.size() == 90);
    media.packets.front().pts = media.packets[1].pts - kFrame;
    check_stream(media, 90, 1);
    CHECK(runner->stats().reconnects == static_cast<unsigned>(round));
  }
  [[maybe_unused]] const auto stopped = runner->stop();
  CHECK_FALSE(events.fatal());
}

TEST_CASE("an RTSP server that says nothing does not hold anybody up") {
  const std::uint16_t port = free_port(SOCK_STREAM);
  const UniqueFd silent = listen_on(port, SOCK_STREAM);
  Events events;
  const auto runner = make_runner(fmt::format("rtsp://127.0.0.1:{}/cam", port), events);
  Feed feed;
  REQUIRE(runner->start(feed.parameters()));
  [[maybe_unused]] const auto stopped = runner->stop();
  CHECK(runner->stats().packets == 0);
}
