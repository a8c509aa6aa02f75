// RTMP against FFmpeg's own server, a server that says nothing, and one that nobody vouches for.
#include "live_support.h"
#include "media/av_log.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

/// FLV's times are milliseconds.
constexpr std::int64_t kFlvRounding = 90;

/// FFmpeg's own RTMP server, which takes one stream.
Reader rtmp_server(std::uint16_t port, std::size_t packets) {
  return Reader(fmt::format("rtmp://127.0.0.1:{}/live/hush", port), packets, {{"listen", "1"}});
}

}  // namespace

TEST_CASE("RTMP publishes from a keyframe on, and again when the server is back") {
  const std::uint16_t port = free_port(SOCK_STREAM);
  Events events;
  const auto runner = make_runner(fmt::format("rtmp://127.0.0.1:{}/live?key=hush", port), events);
  Feed feed;
  REQUIRE(runner->start(feed.parameters()));
  for (int round = 0; round < 2; ++round) {
    CAPTURE(round, events.messages());
    Reader server = rtmp_server(port, 90);
    REQUIRE(feed.until({runner.get()}, [&] { return server.done(); }));
    const ReadMedia media = server.get();
    check_stream(media, 90, kFlvRounding);
    CHECK(media.packets.front().pts < 10 * kFrame);  // each connection begins anew
    CHECK(runner->stats().reconnects == static_cast<unsigned>(round));
  }
  [[maybe_unused]] const auto stopped = runner->stop();
  CHECK_FALSE(events.fatal());
  CHECK(events.messages().find("hush") == std::string::npos);
}

TEST_CASE("RTMP takes HEVC where libavformat does, and elsewhere says what it takes") {
  if (const auto takes = check_codec(Container::Flv, Codec::HEVC); !takes) {
    CHECK(takes.error().message() == "put hevc into FLV: flv takes h264; hevc fits into mkv, mp4, ts");
    SKIP("libavformat before 6.1 puts no HEVC into FLV");
  }
  const std::uint16_t port = free_port(SOCK_STREAM);
  Events events;
  const auto runner = make_runner(fmt::format("rtmp://127.0.0.1:{}/live?key=hush", port), events);
  Feed feed(Codec::HEVC);
  REQUIRE(runner->start(feed.parameters()));
  Reader server = rtmp_server(port, 90);
  REQUIRE(feed.until({runner.get()}, [&] { return server.done(); }));
  const ReadMedia media = server.get();
  check_stream(media, 90, kFlvRounding);
  CHECK(media.has_extradata);
  [[maybe_unused]] const auto stopped = runner->stop();
  CHECK_FALSE(events.fatal());
}

TEST_CASE("RTMP goes on with another encoder's stream in a new connection") {
  const std::uint16_t port = free_port(SOCK_STREAM);
  Events events;
  const auto runner = make_runner(fmt::format("rtmp://127.0.0.1:{}/live?key=hush", port), events);
  Feed feed;
  REQUIRE(runner->start(feed.parameters()));
  Reader first = rtmp_server(port, 1'000'000);
  REQUIRE(feed.until({runner.get()}, [&] { return first.read() >= 30; }));
  const auto other = std::make_shared<StreamParameters>(feed.parameters());
  other->bit_depth = 10;  // a change that only it tells
  other->extradata.push_back(std::byte{0});
  Packet successor = feed.next();
  while (!successor.keyframe) successor = feed.next();
  successor.new_stream = other;
  runner->push(successor);
  REQUIRE(feed.until({runner.get()}, [&] { return first.done(); }));
  CHECK(first.get().decode_errors == 0);
  Reader second = rtmp_server(port, 60);
  REQUIRE(feed.until({runner.get()}, [&] { return second.done(); }));
  check_stream(second.get(), 60, kFlvRounding);
  CHECK(events.messages().find("FLV cannot take a stream of another encoder") != std::string::npos);
  // It is the same stream from there on: nothing to begin anew for.
  CHECK(runner->stats().reconnects == 1);
  [[maybe_unused]] const auto stopped = runner->stop();
  CHECK_FALSE(events.fatal());
}

TEST_CASE("a server that hangs up or says nothing holds up no stop, and no message has the key") {
  for (const bool answers : {false, true}) {
    CAPTURE(answers);
    const std::uint16_t port = free_port(SOCK_STREAM);
    const UniqueFd listener = listen_on(port, SOCK_STREAM);
    Events events;
    const auto runner = make_runner(fmt::format("rtmp://127.0.0.1:{}/live?key=hush", port), events);
    Feed feed;
    REQUIRE(runner->start(feed.parameters()));
    if (answers) {
      REQUIRE(feed.until({runner.get()}, [&] {
        const UniqueFd caller(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        return events.errors > 0;
      }));
      CHECK(events.messages().find(fmt::format("connect to rtmp://127.0.0.1:{}/live", port)) != std::string::npos);
    }
    const auto stopped = runner->stop();
    REQUIRE_FALSE(stopped);
    CHECK(stopped.error().kind == (answers ? ErrorKind::Lost : ErrorKind::Timeout));
    CHECK_FALSE(events.fatal());
    CHECK(events.messages().find("hush") == std::string::npos);
  }
}

namespace {

/// A TLS server with a certificate that it made itself.
class TlsServer {
 public:
  TlsServer(std::uint16_t port, const TemporaryFolder& folder) {
    const std::string made = fmt::format(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -keyout {0}/key -out {0}/cert "
        "2>{0}/log </dev/null",
        folder.path().string());
    REQUIRE(std::system(made.c_str()) == 0);
    child_ = ::fork();
    REQUIRE(child_ >= 0);
    if (child_ == 0) {
      const std::string at = std::to_string(port);
      const std::string key = folder.file("key");
      const std::string certificate = folder.file("cert");
      ::execlp("openssl", "openssl", "s_server", "-quiet", "-accept", at.c_str(), "-key", key.c_str(), "-cert",
               certificate.c_str(), nullptr);
      ::_exit(127);
    }
    for (int i = 0; !open(port); ++i) {
      REQUIRE(i < 6000);
      std::this_thread::sleep_for(10ms);
    }
  }
  TlsServer(const TlsServer&) = delete;
  TlsServer& operator=(const TlsServer&) = delete;
  ~TlsServer() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }

 private:
  static bool open(std::uint16_t port) {
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }

  pid_t child_ = -1;
};

}  // namespace

TEST_CASE("RTMPS refuses a certificate that nobody vouches for") {
  const std::uint16_t port = free_port(SOCK_STREAM);
  const TemporaryFolder folder;
  // Before any thread of ours: the child is a copy of this process.
  const TlsServer server(port, folder);
  Events events;
  const auto runner = make_runner(fmt::format("rtmps://127.0.0.1:{}/live?key=hush", port), events);
  Feed feed;
  set_ffmpeg_logging(false);  // the feed has silenced it, and the reason with it
  REQUIRE(runner->start(feed.parameters()));
  REQUIRE(feed.until({runner.get()}, [&] { return events.errors > 0; }));
  const auto stopped = runner->stop();
  CHECK_FALSE(stopped);
  CAPTURE(events.messages());
  CHECK(events.messages().find("certificate") != std::string::npos);
  CHECK(events.messages().find("hush") == std::string::npos);
  CHECK(runner->stats().packets == 0);
}
