// A bit rate that follows what a real reader takes.
#include "base/unique_fd.h"
#include "session/recording.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <stop_token>
#include <thread>
#include <vector>

using namespace zc;
using namespace std::chrono_literals;

namespace {

/// Takes one connection after another on a loopback port; while it is slow it leaves all but a little unread.
class SlowReader {
 public:
  SlowReader() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    REQUIRE(listener_);
    const int small = 32 * 1024;
    REQUIRE(::setsockopt(listener_.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    REQUIRE(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), length) == 0);
    REQUIRE(::listen(listener_.get(), 4) == 0);
    REQUIRE(::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  [[nodiscard]] std::string url() const { return fmt::format("tcp://127.0.0.1:{}", port_); }
  void set_slow(bool on) { slow_ = on; }

 private:
  void run(const std::stop_token& stop) const {
    UniqueFd peer;
    std::vector<char> bytes(16 * 1024);
    while (!stop.stop_requested()) {
      pollfd readable{peer ? peer.get() : listener_.get(), POLLIN, 0};
      if (::poll(&readable, 1, 20) <= 0) continue;
      if (!peer) {
        peer.reset(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        continue;
      }
      // About 80 kbit/s.
      if (slow_) std::this_thread::sleep_for(20ms);
      if (::recv(peer.get(), bytes.data(), slow_ ? 200 : bytes.size(), 0) <= 0) peer.reset();
    }
  }

  UniqueFd listener_;
  std::uint16_t port_ = 0;
  std::atomic<bool> slow_{false};
  std::jthread thread_;
};

constexpr std::int64_t kMost = 400'000;

RecordingOptions options(const SlowReader& reader) {
  RecordingOptions o;
  o.source = parse_source("test:1280x720@30").value();
  o.outputs.push_back(parse_output(reader.url(), std::nullopt, false).value());
  o.live = true;
  // The pattern hardly moves: keyframes alone have as many bits as are asked for.
  o.encoder.preset = Preset::LowLatency;
  o.encoder.options = {{"x264-params", "keyint=1"}};
  o.encoder.bit_rate = kMost;
  o.adaptive = {.most = kMost, .least = 100'000};
  return o;
}

/// False: not within two minutes of stream time.
template <class Condition>
bool until(Recording& recording, Condition condition) {
  const Nanoseconds begin = recording.status().elapsed;
  while (!condition(recording.status())) {
    if (recording.wait(50ms) || recording.status().elapsed - begin > 120s) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("the bit rate falls for a reader that slows down and comes back with it, in one connection") {
  SlowReader reader;
  auto recording = Recording::start(options(reader), {});
  REQUIRE(recording);
  Recording& running = **recording;
  REQUIRE(until(running, [](const RecordingStatus& now) { return now.outputs.at(0).stats.packets > 30; }));
  CHECK(running.status().bitrate_target == kMost);

  reader.set_slow(true);
  REQUIRE(until(running, [](const RecordingStatus& now) { return now.bitrate_reductions > 0; }));
  const std::int64_t lowered = running.status().bitrate_target;
  CHECK(lowered < kMost);
  REQUIRE(until(running, [](const RecordingStatus& now) { return now.bitrate_target <= kMost / 2; }));

  reader.set_slow(false);
  const std::int64_t least = running.status().bitrate_target;
  CHECK(until(running, [&](const RecordingStatus& now) { return now.bitrate_target > least * 5 / 4; }));
  const RecordingStatus now = running.status();
  CHECK(now.reopens == 0);
  CHECK(now.outputs.at(0).stats.reconnects == 0);
  CHECK_FALSE(now.outputs.at(0).stats.outage);
  const RecordingReport report = running.finish();
  CHECK(report.end == EndReason::Stopped);
}

TEST_CASE("a rate that is asked for while it follows is the new limit") {
  SlowReader reader;
  auto recording = Recording::start(options(reader), {});
  REQUIRE(recording);
  Recording& running = **recording;
  REQUIRE(until(running, [](const RecordingStatus& now) { return now.outputs.at(0).stats.packets > 30; }));
  REQUIRE(running.set_bitrate(300'000));
  CHECK(running.status().bitrate_target == 300'000);
  reader.set_slow(true);
  CHECK(until(running, [](const RecordingStatus& now) { return now.bitrate_target < 300'000; }));
  CHECK(running.finish().end == EndReason::Stopped);
}
