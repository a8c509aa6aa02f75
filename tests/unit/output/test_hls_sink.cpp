// HLS in a folder: what players read of it through a plain web server, and what is left when something goes wrong.
#include "live_support.h"
#include "output/hls_playlist.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "support/temporary_folder.h"

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

constexpr int kDone = 0;
constexpr int kNoSpace = 10;
constexpr int kOther = 11;
constexpr int kNoMount = 20;

pid_t start(std::vector<std::string> command) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child > 0) return child;
  std::vector<char*> words;
  for (std::string& word : command) words.push_back(word.data());
  words.push_back(nullptr);
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (nowhere < 0) ::_exit(127);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nowhere, fd);
  ::execvp(words[0], words.data());
  ::_exit(127);
}

/// A web server that knows files and nothing else.
class StaticServer {
 public:
  explicit StaticServer(const fs::path& folder)
      : port_(free_port(SOCK_STREAM)),
        child_(start({"python3", "-m", "http.server", "--bind", "127.0.0.1", "--directory", folder.string(),
                      std::to_string(port_)})) {}
  StaticServer(const StaticServer&) = delete;
  StaticServer& operator=(const StaticServer&) = delete;
  ~StaticServer() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  [[nodiscard]] std::string url(std::string_view name) const {
    return fmt::format("http://127.0.0.1:{}/{}", port_, name);
  }
  [[nodiscard]] bool serves() const {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }

 private:
  std::uint16_t port_;
  pid_t child_;
};

std::string url_of(const fs::path& folder, std::string_view options = "") {
  return fmt::format("hls://{}{}", folder.string(), options);
}

Error refused(const fs::path& folder) {
  const auto spec = parse_output(url_of(folder), std::nullopt, false);
  REQUIRE(spec);
  const auto sink = make_sink(*spec);
  REQUIRE_FALSE(sink);
  CHECK(sink.error().message().find('\n') == std::string::npos);
  return sink.error();
}

/// Names that a playlist tells.
std::vector<std::string> names_in(const std::string& playlist) {
  std::vector<std::string> names;
  std::size_t at = 0;
  while (at < playlist.size()) {
    std::string line = playlist.substr(at, playlist.find('\n', at) - at);
    at += line.size() + 1;
    if (const auto quote = line.find("URI=\""); quote != std::string::npos) {
      line = line.substr(quote + 5);
      names.push_back(line.substr(0, line.find('"')));
    } else if (!line.starts_with('#') && !line.empty()) {
      names.push_back(line);
    }
  }
  return names;
}

/// All that is told is there, and nothing that is half written.
void check_told(const TemporaryFolder& folder, const std::string& sub) {
  const std::string playlist = folder.read(sub + "/media.m3u8");
  const auto names = names_in(playlist);
  CHECK_FALSE(names.empty());
  for (const std::string& name : names) {
    CAPTURE(name);
    CHECK(fs::exists(folder.path() / sub / name));
    CHECK_FALSE(top_level_boxes(folder.file(sub + "/" + name)).contains("?"));
  }
}

std::unique_ptr<Sink> open_sink(const fs::path& folder, std::string_view options, const StreamParameters& stream) {
  auto spec = parse_output(url_of(folder, options), std::nullopt, false);
  REQUIRE(spec);
  auto sink = make_sink(*spec);
  REQUIRE(sink);
  REQUIRE((*sink)->open(stream));
  return *std::move(sink);
}

}  // namespace

TEST_CASE("a player reads a folder through any web server, every picture in its order, to the end") {
  const TemporaryFolder folder;
  const StaticServer server(folder.path());
  Events events;
  // All of it stays: the feed is faster than time.
  const auto runner = make_runner(url_of(folder.path() / "live", "?segment=1&window=1000"), events);
  Feed feed;
  REQUIRE(runner->start(feed.parameters()));
  REQUIRE(feed.until({runner.get()}, [&] { return fs::exists(folder.path() / "live/seg-3.m4s") && server.serves(); }));
  std::atomic<bool> stop = false;
  std::atomic<unsigned> read = 0;
  ReadOptions options;
  options.format = "hls";
  options.options = {{"live_start_index", "0"}};
  options.stop = &stop;
  options.read = &read;
  auto reader = std::async(std::launch::async, [&] { return read_media(server.url("live/index.m3u8"), options); });
  const bool came = feed.until({runner.get()}, [&] { return read >= 400; });
  const auto stopped = runner->stop();
  if (!came) stop = true;
  const ReadMedia media = reader.get();
  REQUIRE(came);
  CHECK(stopped);
  CHECK(events.messages().empty());
  CHECK(media.error.empty());
  CHECK(media.decode_errors == 0);
  // Nobody tells it that more may come: it has come to the end by itself.
  CHECK(media.packets.size() == runner->stats().packets);
  std::size_t holes = 0;
  for (std::size_t i = 1; i < media.packets.size(); ++i) {
    if (std::abs(media.packets[i].pts - media.packets[i - 1].pts - kFrame) > 1) ++holes;
  }
  CHECK(holes == 0);
  CHECK(folder.read("live/media.m3u8").ends_with("#EXT-X-ENDLIST\n"));
  check_told(folder, "live");
  const std::string index = folder.read("live/index.m3u8");
  INFO(index);
  CHECK(index.contains("CODECS=\"avc1."));
  CHECK(index.contains("RESOLUTION=160x90"));
  CHECK_FALSE(index.contains("BANDWIDTH=0,"));
}

TEST_CASE("mpv plays a folder to its end") {
  if (std::system("mpv --version >/dev/null 2>&1") != 0) SKIP("mpv is not installed");
  const TemporaryFolder folder;
  const TestStream stream = make_stream({.frames = 240, .gop = 30});
  auto sink = open_sink(folder.path() / "live", "?segment=1", stream.parameters);
  for (const Packet& packet : stream.packets) REQUIRE(sink->write(packet));
  REQUIRE(sink->close());
  const StaticServer server(folder.path());
  for (int i = 0; !server.serves(); ++i) {
    REQUIRE(i < 6000);
    std::this_thread::sleep_for(10ms);
  }
  const std::string log = folder.file("mpv.log");
  const std::string command =
      fmt::format("mpv --no-config --vo=null --ao=null --untimed --msg-level=all=v {} >{} 2>&1 </dev/null",
                  server.url("live/index.m3u8"), log);
  CHECK(std::system(command.c_str()) == 0);
  INFO(folder.read("mpv.log"));
  CHECK(folder.read("mpv.log").contains("End of file"));
}

TEST_CASE("a folder that cannot be had is refused in one line before anything is captured") {
  const TemporaryFolder folder;
  CHECK(refused(folder.path() / "no/such").kind == ErrorKind::NotFound);
  folder.write("file", "x");
  CHECK(refused(folder.path() / "file").kind == ErrorKind::Invalid);
  CHECK(refused("/proc").message().contains("/proc"));
  folder.write("theirs/index.m3u8", "#EXTM3U\n");
  const Error theirs = refused(folder.path() / "theirs");
  CHECK(theirs.kind == ErrorKind::Invalid);
  CHECK(theirs.message().contains("index.m3u8 of another program"));
  CHECK(folder.read("theirs/index.m3u8") == "#EXTM3U\n");
  const TestStream stream = make_stream({.frames = 2});
  const auto one = open_sink(folder.path() / "taken", "", stream.parameters);
  CHECK(refused(folder.path() / "taken").kind == ErrorKind::Busy);
  if (::geteuid() != 0) {
    fs::create_directory(folder.path() / "locked");
    fs::permissions(folder.path() / "locked", fs::perms::owner_read | fs::perms::owner_exec);
    CHECK(refused(folder.path() / "locked").kind == ErrorKind::Denied);
  }
}

TEST_CASE("a stream in the place of an earlier one goes on with its numbers and leaves others' files alone") {
  const TemporaryFolder folder;
  const fs::path live = folder.path() / "live";
  folder.write("live/index.html", "mine");
  folder.write("live/seg-notes.txt", "mine, too");
  const TestStream stream = make_stream({.frames = 240, .gop = 30});
  for (int run = 0; run < 2; ++run) {
    CAPTURE(run);
    auto sink = open_sink(live, "?segment=1", stream.parameters);
    for (const Packet& packet : stream.packets) REQUIRE(sink->write(packet));
    REQUIRE(sink->close());
    check_told(folder, "live");
    const std::string playlist = folder.read("live/media.m3u8");
    INFO(playlist);
    CHECK(playlist.contains(fmt::format("#EXT-X-MEDIA-SEQUENCE:{}\n", run * 4)));
    CHECK(playlist.contains(fmt::format("init-{}.mp4", run + 1)));
    CHECK((playlist.contains("#EXT-X-DISCONTINUITY\n")) == (run == 1));
  }
  CHECK_FALSE(fs::exists(live / "seg-0.m4s"));
  CHECK(folder.read("live/index.html") == "mine");
  CHECK(folder.read("live/seg-notes.txt") == "mine, too");
}

TEST_CASE("a process that is killed leaves no half file behind what it told") {
  const TestStream stream = make_stream({.frames = 120, .size = {320, 180}, .gop = 30, .noise = 64});
  const TemporaryFolder folder;
  for (int kill = 0; kill < 8; ++kill) {
    const std::string sub = fmt::format("live-{}", kill);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      auto spec = parse_output(url_of(folder.path() / sub, "?segment=1&part=100"), std::nullopt, false);
      auto sink = make_sink(*spec);
      if (!sink || !(*sink)->open(stream.parameters)) ::_exit(kOther);
      for (std::int64_t round = 0;; ++round) {
        for (Packet packet : stream.packets) {
          packet.pts += round * 120 * kFrame;
          packet.dts += round * 120 * kFrame;
          if (!(*sink)->write(packet)) ::_exit(kOther);
        }
      }
    }
    const fs::path playlist = folder.path() / sub / "media.m3u8";
    for (int i = 0; !fs::exists(playlist) && i < 6000; ++i) std::this_thread::sleep_for(10ms);
    std::this_thread::sleep_for(std::chrono::milliseconds(7 * kill));
    REQUIRE(::kill(child, SIGKILL) == 0);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    check_told(folder, sub);
  }
}

TEST_CASE("a full disk ends the stream with what is whole") {
  const TestStream stream = make_stream({.frames = 300, .size = {320, 180}, .gop = 30, .noise = 64});
  const TemporaryFolder folder;
  const std::string small = folder.file("small");
  fs::create_directories(small);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("none", small.c_str(), "tmpfs", 0, "size=4m") != 0) {
      ::_exit(kNoMount);
    }
    auto spec = parse_output(url_of(small, "?segment=1&window=1000"), std::nullopt, false);
    auto sink = make_sink(*spec);
    if (!sink || !(*sink)->open(stream.parameters)) ::_exit(kOther);
    Result<void> result;
    for (std::int64_t round = 0; result && round < 100; ++round) {
      for (Packet packet : stream.packets) {
        packet.pts += round * 300 * kFrame;
        packet.dts += round * 300 * kFrame;
        result = (*sink)->write(packet);
        if (!result) break;
      }
    }
    [[maybe_unused]] const auto closed = (*sink)->close();
    std::error_code error;
    fs::copy(small, folder.file("saved"), error);
    ::_exit(error || result ? kOther : result.error().kind == ErrorKind::NoSpace ? kNoSpace : kOther);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kNoMount) SKIP("mounting a tmpfs needs root");
  CHECK(WEXITSTATUS(status) == kNoSpace);
  CHECK(folder.read("saved/media.m3u8").ends_with("#EXT-X-ENDLIST\n"));
  check_told(folder, "saved");
  const ReadMedia media = read_media(folder.file("saved/index.m3u8"));
  CHECK(media.error.empty());
  CHECK(media.decode_errors == 0);
  CHECK(media.packets.size() >= 60);
}
