// Sinks that fail: a full disk, a peer that is gone. The session's other sinks do not notice.
#include "integration/daemon/daemon_rig.h"
#include "integration/daemon/signal_log.h"
#include "support/loopback.h"

#include <catch2/generators/catch_generators.hpp>

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

using namespace zc;
using namespace zc::test;

namespace {

bool write_text(const char* path, const std::string& text) {
  const UniqueFd file(::open(path, O_WRONLY | O_CLOEXEC));
  return file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

/// Mounts of this process and its children from now on are their own. False: the machine does not let us.
bool own_mounts() {
  const auto user = static_cast<unsigned>(::geteuid());
  const auto group = static_cast<unsigned>(::getegid());
  if (::unshare(CLONE_NEWNS) != 0) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    // user_namespaces(7): the same ids inside as outside, which D-Bus compares.
    if (!write_text("/proc/self/setgroups", "deny") ||
        !write_text("/proc/self/uid_map", fmt::format("{0} {0} 1", user)) ||
        !write_text("/proc/self/gid_map", fmt::format("{0} {0} 1", group))) {
      return false;
    }
  }
  return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

/// A file system that is soon full; after own_mounts().
class SmallDisk {
 public:
  explicit SmallDisk(std::string path) : path_(std::move(path)) {
    std::filesystem::create_directory(path_);
    REQUIRE(::mount("tmpfs", path_.c_str(), "tmpfs", 0, "size=48k") == 0);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() { ::umount2(path_.c_str(), MNT_DETACH); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::vector<Setting> fast(double megabits) {
  return {{"preset", std::string("low-latency"), {}},
          {"bitrate", fmt::format("{}M", megabits), {}},
          {"source", std::string("test:640x360@30"), {}}};
}

/// The figures of one sink; empty: the session has none of that name.
std::vector<Setting> sink_of(const SessionView& session, std::string_view name) {
  for (const std::vector<Setting>& sink : session.sink_statistics) {
    const auto found = std::ranges::find(sink, "name", &Setting::name);
    if (found != sink.end() && std::get<std::string>(found->value).find(name) != std::string::npos) return sink;
  }
  return {};
}
std::int64_t count(const std::vector<Setting>& sink, std::string_view name) {
  const auto found = std::ranges::find(sink, name, &Setting::name);
  return found == sink.end() ? 0 : std::get<std::int64_t>(found->value);
}

std::string text_of(const std::vector<Setting>& sink, std::string_view name) {
  const auto found = std::ranges::find(sink, name, &Setting::name);
  return found == sink.end() ? std::string() : std::get<std::string>(found->value);
}

}  // namespace

TEST_CASE("a peer that is not there is told by status and by stop's exit code") {
  DaemonRig rig;
  const std::string url = fmt::format("{}://127.0.0.1:{}", GENERATE("tcp", "srt"), free_port(Transport::Tcp));
  const std::string name = rig.start("beside.mkv", fast(1));
  CHECK_FALSE(run(rig, {"status"}).has("is not connected"));
  REQUIRE(rig.client().call(name, "AddSink", url));
  const SessionView dead =
      rig.wait_for(name, [&](const SessionView& one) { return !text_of(sink_of(one, url), "error").empty(); });
  CHECK(dead.state == "recording");
  const std::string note = fmt::format("{} is not connected: connect to {}: ", url, url);
  for (const auto& [arguments, expected] :
       {std::pair{std::vector<std::string>{"status"}, fmt::format("\n{}: {}", name, note)},
        std::pair{std::vector<std::string>{"session", "status", name},
                  fmt::format("\nsink 2                  {}", note)}}) {
    const Answer status = run(rig, arguments);
    INFO(status.text);
    CHECK(status.exit_code == 0);
    CHECK(status.has(expected));
    CHECK_FALSE(status.has("beside.mkv is not"));
  }
  const Answer removed = run(rig, {"session", "remove-sink", name, "3"});
  CHECK(removed.exit_code != 0);
  CHECK(removed.has("beside.mkv"));
  const Answer stopped = run(rig, {"stop", name});
  INFO(stopped.text);
  CHECK(stopped.exit_code == 6);
  CHECK(stopped.has(fmt::format("{}: no packets: ", url)));
  CHECK(check_file(rig.path("beside.mkv")).frames > 0);
}

TEST_CASE("viewers come to an SRT listener and go: status counts them and says what they type") {
  DaemonRig rig;
  const std::uint16_t port = free_port(Transport::Udp);
  const std::string url = fmt::format("srt://127.0.0.1:{}", port);
  const Answer started =
      run(rig, {"start", "--name", "show", "--source", "test:320x180@30", "--preset", "low-latency", "--sink",
                url + "?mode=listener&passphrase=correct-horse", "--sink", rig.path("beside.mkv")});
  INFO(started.text);
  REQUIRE(started.exit_code == 0);
  const std::string watch = fmt::format("ffplay -passphrase '...' '{}'", url);
  CHECK(started.has(fmt::format("watch: {}\n", watch)));
  CHECK(run(rig, {"status"}).has(fmt::format("\nshow: {} waits for viewers; watch: {}\n", url, watch)));

  const auto view = [&](const char* report) {
    auto viewer = ChildProcess::start({ZEROCAST_FRAMECHECK, "--json", url + "?passphrase=correct-horse&tlpktdrop=0"},
                                      rig.path(report));
    REQUIRE(viewer);
    return std::move(*viewer);
  };
  const auto count_viewers = [&](std::int64_t viewers) {
    return rig.wait_for("show", [&](const SessionView& one) { return count(sink_of(one, url), "viewers") == viewers; });
  };
  ChildProcess first = view("first.json");
  count_viewers(1);
  ChildProcess second = view("second.json");
  const SessionView both = count_viewers(2);
  CHECK(text_of(sink_of(both, url), "state") == "running");
  CHECK(text_of(sink_of(both, url), "watch") == watch);
  CHECK(run(rig, {"status"}).has(fmt::format("\nshow: {} has 2 viewers; watch: {}\n", url, watch)));
  first.end(/*kill_at_once=*/true);
  const SessionView one_left = count_viewers(1);
  const std::int64_t sent = count(sink_of(one_left, url), "packets");
  rig.wait_for("show", [&](const SessionView& one) { return count(sink_of(one, url), "packets") >= sent + 30; });

  const Answer stopped = run(rig, {"stop", "show"});
  INFO(stopped.text);
  CHECK(stopped.exit_code == 0);
  REQUIRE(eventually([&] { return !second.running(); }));
  std::ifstream report(rig.path("second.json"));
  std::string text;
  for (std::string line; std::getline(report, line);) text = line;  // the last one
  INFO(text);
  const auto seen = nlohmann::json::parse(text, nullptr, false);
  REQUIRE(seen.is_object());
  CHECK(seen["frames"] >= 30);
  CHECK(seen["decode_errors"] <= 1);  // the end of the last picture may be thrown away
  CHECK(seen["out_of_order"] == 0);
  CHECK(seen["marked_frames"] == seen["frames"]);
  CHECK(check_file(rig.path("beside.mkv")).frames > 0);
  CHECK(rig.log().find("correct-horse") == std::string::npos);
}

TEST_CASE("a full disk ends one sink, which plays to there, and not the others") {
  if (!own_mounts()) SKIP("no right to mount a small disk");
  DaemonRig rig;
  const SmallDisk small(rig.path("disk"));
  const std::string& disk = small.path();
  SignalLog signals;
  const std::string name = rig.start("whole.mkv", fast(4));
  REQUIRE(rig.client().call(name, "AddSink", disk + "/full.mkv"));
  const auto error = signals.wait_for("SinkError");
  REQUIRE(error.arguments.size() == 3);
  CHECK(error.arguments[0] == disk + "/full.mkv");
  CHECK(error.arguments[1].find("No space left on device") != std::string::npos);
  CHECK(error.arguments[2] == "true");
  const SessionView after = rig.wait_for(name, [](const SessionView& one) {
    const auto sink = sink_of(one, "full.mkv");
    const auto state = std::ranges::find(sink, "state", &Setting::name);
    return state != sink.end() && std::get<std::string>(state->value) == "failed";
  });
  CHECK(after.state == "recording");
  // Its error was told: that it goes is no further one, and what a new process would begin with has it no more.
  CHECK(rig.client().call(name, "RemoveSink", disk + "/full.mkv"));
  CHECK(rig.client().session(name)->sinks == std::vector{rig.path("whole.mkv")});
  const double frames = figure(after, "encoder_frames");
  rig.wait_for(name, [&](const SessionView& one) { return figure(one, "encoder_frames") >= frames + 20; });
  const auto stopped = rig.client().stop(name);
  REQUIRE(stopped);
  const auto report = nlohmann::json::parse(*stopped);
  CHECK(report["end"] == "stopped");
  REQUIRE(report["outputs"].size() == 2);
  // Those that were removed come first.
  CHECK(report["outputs"][0]["error"].get<std::string>().find("No space left") != std::string::npos);
  CHECK_FALSE(report["outputs"][1].contains("error"));
  CHECK(check_file(disk + "/full.mkv").frames >= 5);
  CHECK(check_file(rig.path("whole.mkv")).frames >= static_cast<std::uint64_t>(frames));
  CHECK(signals.all("SinkError").size() == 1);
  std::filesystem::remove(disk + "/full.mkv");

  // When it is the only sink, the session is over and says why.
  std::vector<Setting> options = fast(4);
  options.push_back({"sinks", std::vector{disk + "/alone.mkv"}, {}});
  const auto alone = rig.client().start(options);
  REQUIRE(alone);
  const SessionView failed = rig.wait_for_state(*alone, "failed");
  CHECK(failed.error.find("No space left on device") != std::string::npos);
  CHECK(check_file(disk + "/alone.mkv").frames >= 5);
}

TEST_CASE("a peer goes away and comes back: it is told, waited for, and gets pictures from a keyframe on") {
  DaemonRig rig;
  const bool srt = GENERATE(false, true);
  const Transport transport = srt ? Transport::Udp : Transport::Tcp;
  const std::uint16_t port = free_port(transport);
  const std::string url = fmt::format("{}://127.0.0.1:{}", srt ? "srt" : "tcp", port);
  const auto listen = [&](const char* report) {
    // libsrt would skip what comes late, as on a busy machine.
    auto peer = ChildProcess::start(
        {ZEROCAST_FRAMECHECK, "--json", url + (srt ? "?mode=listener&tlpktdrop=0" : "?listen=1")}, rig.path(report));
    REQUIRE(peer);
    return std::move(*peer);
  };
  ChildProcess peer = listen("first.json");
  REQUIRE(eventually([&] { return is_listening(port, transport); }));
  SignalLog signals;
  const std::string name = rig.start("beside.mkv", fast(1));
  REQUIRE(rig.client().call(name, "AddSink", url));
  const auto sent = [&](std::int64_t least) {
    return rig.wait_for(name, [&](const SessionView& one) { return count(sink_of(one, url), "packets") >= least; });
  };
  sent(30);
  peer.end(/*kill_at_once=*/true);
  const auto error = signals.wait_for("SinkError");
  REQUIRE(error.arguments.size() == 3);
  CHECK(error.arguments[0] == url);
  CHECK_FALSE(error.arguments[1].empty());
  CHECK(error.arguments[2] == "false");
  CHECK(rig.client().session(name)->state == "recording");

  ChildProcess again = listen("second.json");  // which is called at once, and listens no more then
  const SessionView back =
      rig.wait_for(name, [&](const SessionView& one) { return count(sink_of(one, url), "reconnects") >= 1; });
  sent(count(sink_of(back, url), "packets") + 30);
  REQUIRE(rig.client().stop(name));
  CHECK(eventually([&] { return !again.running(); }));
  std::ifstream report(rig.path("second.json"));
  std::string text;
  for (std::string line; std::getline(report, line);) text = line;  // the last one
  INFO(text);
  const auto seen = nlohmann::json::parse(text, nullptr, false);
  REQUIRE(seen.is_object());
  CHECK(seen["frames"] >= 20);
  // An SRT peer may throw away the end of the last picture when its caller hangs up.
  CHECK(seen["decode_errors"] <= (srt ? 1 : 0));
  CHECK(seen["pts_not_rising"] == 0);
  CHECK(seen["out_of_order"] == 0);
  CHECK(seen["marked_frames"] == seen["frames"]);
  const FrameReport beside = check_file(rig.path("beside.mkv"));
  CHECK(beside.frames >= 60);
  for (const auto& one : signals.all("SinkError")) CHECK(one.arguments.back() == "false");
}
