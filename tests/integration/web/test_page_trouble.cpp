// What goes wrong between a page and its server: a page that stands still, a bad network, tokens that are over, and
// pages of other sites.
#include "integration/web/page_rig.h"
#include "integration/web/web_rig.h"
#include "support/temporary_folder.h"
#include "web/access.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

using namespace zc;
using namespace zc::test;

namespace {

std::string token_until(WebRig& rig, std::chrono::seconds from_now) {
  const auto access = web::Access::open(rig.key_file());
  REQUIRE(access);
  const auto now = std::chrono::time_point_cast<std::chrono::seconds>(std::chrono::system_clock::now());
  return access->make_token(web::Role::Control, now + from_now);
}

/// Serves one empty page to whoever asks, on a port of its own: another site.
class OtherSite {
 public:
  OtherSite() : listener_(listen_on_loopback()), thread_([this](const std::stop_token& stop) { serve(stop); }) {}

  [[nodiscard]] std::string url() const { return fmt::format("http://127.0.0.1:{}/", listener_.second); }

 private:
  void serve(const std::stop_token& stop) const {
    while (!stop.stop_requested()) {
      pollfd waiting{.fd = listener_.first.get(), .events = POLLIN, .revents = 0};
      if (::poll(&waiting, 1, 50) <= 0) continue;
      const UniqueFd peer(::accept(listener_.first.get(), nullptr, nullptr));
      if (!peer) continue;
      std::array<char, 4096> request{};
      pollfd asked{.fd = peer.get(), .events = POLLIN, .revents = 0};
      if (::poll(&asked, 1, 1000) <= 0 || ::recv(peer.get(), request.data(), request.size(), 0) <= 0) continue;
      send_text(peer,
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 22\r\nConnection: close\r\n\r\n"
                "<title>another</title>");
    }
  }

  std::pair<UniqueFd, std::uint16_t> listener_;
  std::jthread thread_;
};

/// Two network namespaces, joined by a cable that is long and loses packets: the test's, which its thread stays in, and
/// a far one that ends with its object. Not the machine's: a new cable there is a changed network to every browser,
/// which gives up what it is loading.
class FarNetwork {
 public:
  /// Why there is none; empty: it is there. Before any other thread or process of the test. `log`: what commands print.
  std::string make(const std::string& log) {
    if (const std::string why = leave(); !why.empty()) return why;
    const std::string near = ns_link("self");
    if (auto child = ChildProcess::start({"unshare", "--net", "sleep", "infinity"}, log)) far_ = *std::move(child);
    if (!far_ || !eventually([&] { return ns_link(std::to_string(far_->pid())) != near || !far_->running(); })) {
      return "no network of its own";
    }
    const std::string inside = fmt::format("nsenter --net --target {} ", far_->pid());
    for (const std::string& command :
         {std::string("ip link set lo up"),
          fmt::format("ip link add near type veth peer name far netns {}", far_->pid()),
          fmt::format("ip addr add {}/30 dev near", kNear), inside + fmt::format("ip addr add {}/30 dev far", kFar),
          std::string("ip link set near up"), inside + "ip link set far up", inside + "ip link set lo up",
          // Each way half of 50 ms; what is lost is lost where pictures go.
          std::string("tc qdisc add dev near root netem delay 25ms"),
          inside + "tc qdisc add dev far root netem delay 25ms loss 2%"}) {
      auto process =
          ChildProcess::start({"env", "PATH=/usr/sbin:/sbin:/usr/bin:/bin", "sh", "-c", "exec " + command}, log);
      if (process && eventually([&] { return !process->running(); }) && process->exit_code() == 0) continue;
      std::ifstream file(log);
      return fmt::format("no network of its own: {}: {}", command,
                         std::string{std::istreambuf_iterator<char>(file), {}});
    }
    return {};
  }
  [[nodiscard]] std::vector<std::string> inside(std::vector<std::string> command) const {
    std::vector<std::string> words{"nsenter", "--net", "--target", std::to_string(far_->pid())};
    words.insert(words.end(), command.begin(), command.end());
    return words;
  }

  static constexpr const char* kNear = "198.18.77.1";  // RFC 2544: for tests of networks
  static constexpr const char* kFar = "198.18.77.2";

 private:
  /// Out of the machine's network; somebody who is not root is root in a user namespace of their own.
  static std::string leave() {
    if (::unshare(CLONE_NEWNET) == 0) return {};
    const std::string map = fmt::format("0 {} 1", ::getuid());
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
      return "no network of its own: " + std::string(std::strerror(errno));
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << map;
    return {};
  }
  static std::string ns_link(const std::string& process) {
    std::error_code none;
    return std::filesystem::read_symlink("/proc/" + process + "/ns/net", none);
  }

  std::optional<ChildProcess> far_;
};

/// Pictures that came to the page, by their numbers in its own records.
constexpr const char* kReceived = "window.zerocast.stats().received";

}  // namespace

TEST_CASE("a page that stands still for half a minute costs nobody else a picture, and catches up") {
  const auto stopped = browser();
  const auto other = browser();
  WebRig rig;
  // Four megabits a second, filled up: more in half a minute than the connection of the page that stands still holds.
  const std::string session =
      rig.daemon().start("beside.mkv", {{"source", std::string("test:640x360@15"), {}},
                                        {"encoder", std::string("libx264"), {}},
                                        {"bitrate", std::string("4M"), {}},
                                        {"rate-control", std::string("cbr"), {}},
                                        {"encoder-option", std::vector<std::string>{"x264-params=keyint=15"}, {}},
                                        {"audio", std::vector<std::string>{"test"}, {}},
                                        {"live", true, {}}});
  Page still = open(*stopped, rig.link());
  wait_for_pictures(still, 15);
  std::vector<Page> others;
  for (int i = 0; i < 3; ++i) others.push_back(open(*other, rig.link()));
  // Only the last tab is seen; those behind it are listened to, and get pictures all the same.
  wait_for_pictures(others.back(), 15);
  std::vector<int> before;
  for (Page& page : others) {
    wait_until(page, "window.zerocast.audio.played > 0");
    before.push_back(value_of(page, kReceived).get<int>());
  }

  REQUIRE(stopped->stop());
  std::this_thread::sleep_for(std::chrono::seconds(30));
  stopped->go_on();

  // Pictures came to the others all the while. A browser that is short of the machine is sent fewer: one among many.
  for (std::size_t i = 0; i < others.size(); ++i) {
    CAPTURE(i);
    const int since = value_of(others[i], kReceived).get<int>() - before[i];
    CHECK(since > 15);
    CHECK(value_of(others[i], "window.zerocast.stats().server_skipped").get<int>() < since / 2);
  }
  CHECK(value_of(others.back(), "window.zerocast.samples.every((one, i, all) => i === 0 || one[0] > all[i - 1][0])") ==
        true);

  // It shows what is, not what was: the newest picture is younger than what it had missed.
  wait_until(still,
             "(() => { const {samples} = window.zerocast, last = samples.at(-1);"
             " return samples.length > 15 && last[6] - last[0] < 5e6 && last[0] - samples[0][0] > 29e6; })()");
  const auto resumed = value_of(still, "window.zerocast.stats().painted").get<int>();
  wait_for_pictures(still, resumed + 15);

  const auto report = rig.daemon().client().stop(session);
  REQUIRE(report);
  const auto dropped = nlohmann::json::parse(*report).at("dropped").get<std::uint64_t>();
  CHECK(check_file(rig.daemon().path("beside.mkv")).missing <= dropped);
}

TEST_CASE("a network of 50 ms that loses two packets of a hundred is followed, and nothing piles up") {
  const TemporaryFolder folder;
  FarNetwork network;
  if (const std::string why = network.make(folder.file("network.log")); !why.empty()) SKIP(why);
  const auto chromium = browser({.ignore_certificate_errors = true});
  WebRig rig;
  const std::string session =
      rig.daemon().start("beside.mkv", {{"source", std::string("test:640x360@30"), {}},
                                        {"bitrate", std::string("2M"), {}},
                                        {"encoder", std::string("libx264"), {}},
                                        {"encoder-option", std::vector<std::string>{"x264-params=keyint=30"}, {}},
                                        {"live", true, {}}});
  const auto port = free_port();
  const std::string address = fmt::format("{}:{}", FarNetwork::kFar, port);
  auto server = ChildProcess::start(network.inside({ZEROCAST_PROGRAM, "view", "--listen", address}),
                                    rig.daemon().path("far.log"));
  REQUIRE(server);
  REQUIRE(eventually([&] { return static_cast<bool>(connect_to(port, FarNetwork::kFar)) || !server->running(); }));
  REQUIRE(server->running());
  const std::string token = rig.token();
  Page page = open(*chromium, fmt::format("https://{}/#{}", address, token));
  wait_for_pictures(page, 30);
  wait_until(page, "window.zerocast.stats().clock.trip_ms > 40");
  // Twenty seconds of pictures: more than would fit into any buffer on the way.
  wait_for_pictures(page, 600);
  // What is painted at the end is as young as what was at the beginning, give or take packets that were sent again.
  wait_until(page, "window.zerocast.stats().stages.total[0] < 1000");
  CHECK(value_of(page, "window.zerocast.samples.length > 300") == true);
  const auto report = rig.daemon().client().stop(session);
  REQUIRE(report);
  const auto dropped = nlohmann::json::parse(*report).at("dropped").get<std::uint64_t>();
  CHECK(check_file(rig.daemon().path("beside.mkv")).missing <= dropped);
}

TEST_CASE("a token that is over lets nobody in") {
  const auto chromium = browser();
  WebRig rig;
  static_cast<void>(rig.daemon().start("one.mkv"));
  Page page = open(*chromium, fmt::format("http://{}/#{}", rig.address(), token_until(rig, std::chrono::seconds(-1))));
  wait_until(page, "!document.getElementById('login').hidden");
  wait_until(page, "document.getElementById('login-error').textContent.startsWith('This token is not valid')");
  CHECK(value_of(page, "window.zerocast.stats().received") == 0);
}

TEST_CASE("a token that runs out while somebody watches ends the connection, and another one goes on") {
  const auto chromium = browser();
  WebRig rig;
  static_cast<void>(rig.daemon().start("one.mkv"));
  Page page = open(*chromium, fmt::format("http://{}/#{}", rig.address(), token_until(rig, std::chrono::seconds(20))));
  wait_for_pictures(page);
  wait_until(page, "!document.getElementById('login').hidden");
  CHECK(value_of(page, "document.getElementById('login-error').textContent") == "That token is no longer valid.");
  const auto received = value_of(page, kReceived).get<int>();
  CHECK(received > 0);

  // Typed in, as the page asks for it.
  static_cast<void>(value_of(page, "document.getElementById('token').focus()"));
  order(page, "Input.insertText", {{"text", rig.link()}});
  order(page, "Input.dispatchKeyEvent",
        {{"type", "keyDown"}, {"key", "Enter"}, {"text", "\r"}, {"windowsVirtualKeyCode", 13}});
  wait_until(page, fmt::format("{} > {} + 5", kReceived, received));
  CHECK(value_of(page, "document.getElementById('login').hidden") == true);
}

TEST_CASE("a page of another site gets nothing, even in a browser that is logged in") {
  const auto chromium = browser();
  WebRig rig;
  const std::string session = rig.daemon().start("one.mkv");
  Page own = open(*chromium, rig.link());
  wait_for_pictures(own);
  const OtherSite site;
  Page page = open(*chromium, site.url());
  // Another port is the same site to a browser's cookies: the request has one, and is refused for where it comes from.
  const auto opened = value_of(page, fmt::format(R"(new Promise(done => {{
    const socket = new WebSocket('ws://{}/ws');
    socket.onopen = () => done('open');
    socket.onclose = () => done('closed');
  }}))",
                                                 rig.address()));
  CHECK(opened == "closed");
  const auto read =
      value_of(page, fmt::format(R"(fetch('http://{}/snapshot/{}.png', {{credentials: 'include', mode: 'no-cors'}})
    .then(answer => answer.type, () => 'refused'))",
                                 rig.address(), session));
  CHECK(read == "refused");
  const auto drawn = value_of(page, fmt::format(R"(new Promise(done => {{
    const image = new Image();
    image.onload = () => done('drawn');
    image.onerror = () => done('refused');
    image.src = 'http://{}/snapshot/{}.png';
  }}))",
                                                rig.address(), session));
  CHECK(drawn == "refused");
  static_cast<void>(value_of(page, fmt::format(R"(new Promise(done => {{
    const frame = document.createElement('iframe');
    frame.onload = () => done(true);
    frame.src = 'http://{}/';
    document.body.append(frame);
  }}))",
                                               rig.address())));
  const auto tree = page.command("Page.getFrameTree");
  REQUIRE(tree);
  const auto frames = tree->at("frameTree").value("childFrames", nlohmann::json::array());
  REQUIRE(frames.size() == 1);
  CHECK(frames[0]["frame"]["url"].get<std::string>().starts_with("chrome-error:"));
  // The page that belongs there goes on, as soon as somebody looks at it again.
  order(own, "Page.bringToFront", nlohmann::json::object());
  const auto painted = value_of(own, "window.zerocast.stats().painted").get<int>();
  wait_for_pictures(own, painted + 5);
}
