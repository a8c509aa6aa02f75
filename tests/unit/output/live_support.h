// Live outputs under test: an endless stream to feed them with, and readers of what they send.
#pragma once

#include "base/unique_fd.h"
#include "media_support.h"
#include "output/sink_runner.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <future>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace zc::test {

inline constexpr std::int64_t kFrame = 1500;  // 60 fps

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
  explicit Feed(Codec codec = Codec::H264)
      : stream_(make_stream({.codec = codec, .frames = 60, .size = {160, 90}, .gop = 15})) {}
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
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
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
inline UrlOptions patient(UrlOptions options = {}) {
  options.emplace_back("tlpktdrop", "0");
  return options;
}

/// Reads `packets` packets of a URL in its own thread.
class Reader {
 public:
  Reader(const std::string& url, std::size_t packets, UrlOptions options = {}) {
    ReadOptions read_options;
    read_options.options = url.starts_with("srt:") ? patient(std::move(options)) : std::move(options);
    read_options.format = url.starts_with("rtmp:") ? "flv" : url.starts_with("rtsp:") ? "rtsp" : "mpegts";
    read_options.max_packets = packets;
    read_options.stop = &stop_;
    read_options.read = &read_;
    media_ = std::async(std::launch::async, [url, read_options] { return read_media(url, read_options); });
  }
  ~Reader() { stop_ = true; }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  Reader(Reader&&) = delete;
  Reader& operator=(Reader&&) = delete;
  [[nodiscard]] bool done() const { return media_.wait_for(std::chrono::seconds(0)) == std::future_status::ready; }
  /// Packets so far.
  [[nodiscard]] unsigned read() const { return read_; }
  ReadMedia get() { return media_.get(); }

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<unsigned> read_ = 0;
  std::future<ReadMedia> media_;
};

/// A loopback port that nothing uses at this moment.
inline std::uint16_t free_port(int type) {
  const UniqueFd fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  REQUIRE(fd.get() >= 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  REQUIRE(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length) == 0);
  REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) == 0);
  return ntohs(address.sin_port);
}

inline UniqueFd listen_on(std::uint16_t port, int type) {
  UniqueFd fd(::socket(AF_INET, type | SOCK_CLOEXEC, 0));
  REQUIRE(fd.get() >= 0);
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

inline std::unique_ptr<SinkRunner> make_runner(const std::string& url, SinkEvents& events) {
  const auto spec = parse_output(url, std::nullopt, false);
  INFO(url);
  REQUIRE(spec);
  auto runner = make_sink_runner(*spec, events);
  REQUIRE(runner);
  return std::move(*runner);
}

/// Starts at a keyframe, decodes, and no picture is missing in between. `rounding`: of the container's times.
inline void check_stream(const ReadMedia& media, std::size_t packets, std::int64_t rounding = 0) {
  INFO("reader: " << media.error);
  REQUIRE(media.packets.size() == packets);
  CHECK(media.packets.front().keyframe);
  CHECK(media.decode_errors == 0);
  CHECK(media.size == Size{160, 90});
  std::size_t holes = 0;
  for (std::size_t i = 1; i < media.packets.size(); ++i) {
    if (std::abs(media.packets[i].pts - media.packets[i - 1].pts - kFrame) > rounding) ++holes;
  }
  CHECK(holes == 0);
}

}  // namespace zc::test
