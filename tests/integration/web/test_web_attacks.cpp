// Who has no token, a wrong one or none of the manners.
#include "integration/web/web_rig.h"

#include <csignal>
#include <random>
#include <string>
#include <thread>
#include <vector>

using namespace zc;
using namespace zc::test;

namespace {

std::string status_of(const std::string& answer) { return answer.substr(0, answer.find("\r\n")); }

std::string login(WebRig& rig, const std::string& token) {
  return rig.request(
      fmt::format("POST /login HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{}",
                  rig.address(), token.size(), token));
}

std::string upgrade(WebRig& rig, const std::string& path, const std::string& more) {
  const UniqueFd socket = connect_to(rig.port());
  REQUIRE(socket);
  send_text(socket, fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\nSec-WebSocket-Version: 13\r\n{}\r\n",
                                path, rig.address(), more));
  std::string text;
  std::array<char, 256> bytes{};
  const ssize_t got = ::read(socket.get(), bytes.data(), bytes.size());
  if (got > 0) text.assign(bytes.data(), static_cast<std::size_t>(got));
  return status_of(text);
}

}  // namespace

TEST_CASE("nothing of a session is shown without a token that is good") {
  WebRig rig;
  const std::string session = rig.daemon().start("one.mkv");
  const std::string good = rig.token();
  CHECK(status_of(rig.get("/")) == "HTTP/1.1 200 OK");  // the page itself holds no secret
  CHECK(status_of(login(rig, good)) == "HTTP/1.1 204 No Content");
  CHECK(login(rig, good).contains("HttpOnly; SameSite=Strict"));
  CHECK(upgrade(rig, "/ws?token=" + good, "") == "HTTP/1.1 101 Switching Protocols");
  CHECK(upgrade(rig, "/ws", "Authorization: Bearer " + good + "\r\n") == "HTTP/1.1 101 Switching Protocols");
  CHECK(upgrade(rig, "/ws", fmt::format("Cookie: a=b; zerocast-{}={}\r\n", rig.port(), good)) ==
        "HTTP/1.1 101 Switching Protocols");
  CHECK(rig.get("/snapshot/" + session + ".png?token=" + good).contains("\x89PNG"));

  CHECK(status_of(login(rig, "")) == "HTTP/1.1 401 Unauthorized");
  CHECK(upgrade(rig, "/ws", "") == "HTTP/1.1 401 Unauthorized");
  CHECK(status_of(rig.get("/ws")) == "HTTP/1.1 401 Unauthorized");  // a page is told why
  CHECK(status_of(rig.get("/ws?token=" + good)) == "HTTP/1.1 426 Upgrade Required");
  CHECK(status_of(rig.get("/snapshot/" + session + ".png")) == "HTTP/1.1 401 Unauthorized");
  // Over long ago, and with the signature of another one.
  CHECK(status_of(login(rig, "c1" + good.substr(good.find('.')))) == "HTTP/1.1 401 Unauthorized");
  CHECK(status_of(login(rig, "v" + good.substr(1))) == "HTTP/1.1 401 Unauthorized");
}

TEST_CASE("other sites and other names get nothing") {
  WebRig rig;
  const std::string good = rig.token();
  CHECK(upgrade(rig, "/ws?token=" + good, "Origin: http://evil.example\r\n") == "HTTP/1.1 403 Forbidden");
  CHECK(upgrade(rig, "/ws?token=" + good, "Origin: null\r\n") == "HTTP/1.1 403 Forbidden");
  CHECK(upgrade(rig, "/ws?token=" + good, fmt::format("Origin: http://{}\r\n", rig.address())) ==
        "HTTP/1.1 101 Switching Protocols");
  const auto rebound = rig.request("GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
  CHECK(status_of(rebound) == "HTTP/1.1 403 Forbidden");
}

TEST_CASE("after ten wrong tokens none is looked at for a while") {
  WebRig rig;
  const std::string good = rig.token();
  for (int i = 0; i < 10; ++i) CHECK(status_of(login(rig, "c0.wrong")) == "HTTP/1.1 401 Unauthorized");
  CHECK(status_of(login(rig, good)) == "HTTP/1.1 429 Too Many Requests");
}

TEST_CASE("no path leads out of the page") {
  WebRig rig;
  for (const char* path : {"/../etc/passwd", "/..%2f..%2fetc/passwd", "//etc/passwd", "/snapshot/../../x.png",
                           "/app.js/../x", "/index.html%00", "/hls/../../x"}) {
    const std::string answer = rig.get(path);
    INFO(path << ": " << answer);
    CHECK((answer.contains("404 Not Found") || answer.contains("401 Unauthorized") ||
           answer.contains("400 Bad Request") || answer.empty()));
    CHECK_FALSE(answer.contains("root:"));
  }
}

TEST_CASE("garbage and connections that say nothing leave the server as it was") {
  WebRig rig;
  std::mt19937 random(7);
  std::uniform_int_distribution<int> byte(0, 255);
  for (int i = 0; i < 200; ++i) {
    std::string garbage(static_cast<std::size_t>(1 + i * 7), '\0');
    for (char& c : garbage) c = static_cast<char>(byte(random));
    const UniqueFd socket = connect_to(rig.port());
    REQUIRE(socket);
    send_text(socket, i % 2 == 0 ? garbage : "GET /ws HTTP/1.1\r\nHost: " + garbage);
  }
  // Each holds a connection and says half a request.
  std::vector<UniqueFd> slow;
  for (int i = 0; i < 200; ++i) {
    slow.push_back(connect_to(rig.port()));
    REQUIRE(slow.back());
    send_text(slow.back(), "GET / HTTP/1.1\r\nHost: ");
  }
  CHECK(status_of(rig.get("/")) == "HTTP/1.1 200 OK");
  CHECK(rig.process().running());
}

TEST_CASE("beyond loopback there is TLS alone, with a certificate of its own") {
  WebRig rig;
  const auto port = free_port();
  auto secure = ChildProcess::start({ZEROCAST_PROGRAM, "view", "--listen", fmt::format("0.0.0.0:{}", port)},
                                    rig.daemon().path("secure.log"));
  REQUIRE(secure);
  REQUIRE(eventually([&] { return is_listening(port); }));
  const UniqueFd socket = connect_to(port);
  send_text(socket, fmt::format("GET /x HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: close\r\n\r\n", port));
  const std::string answer = receive_all(socket);
  CHECK(answer.contains("301 Moved Permanently"));
  CHECK(answer.contains(fmt::format("https://127.0.0.1:{}/x", port)));
  std::ifstream log(rig.daemon().path("secure.log"));
  const std::string said{std::istreambuf_iterator<char>(log), {}};
  CHECK(said.contains("https://"));
  CHECK(said.contains("certificate, SHA-256: "));
}

TEST_CASE("the daemon serves the page as long as the configuration says so") {
  DaemonRig rig;
  const OwnFolders folders(rig.path("own"));
  const auto port = free_port();
  // The daemon has its folders from the environment it was started in.
  rig.process().end();
  rig.write_config(fmt::format("[web]\nlisten = \"127.0.0.1:{}\"\n", port));
  rig.start_daemon();
  REQUIRE(eventually([&] { return is_listening(port); }));
  const Answer link = run(rig, {"view", "--link"});
  CHECK(link.text.starts_with(fmt::format("http://127.0.0.1:{}/#c", port)));
  CHECK_FALSE(rig.log().contains(link.text.substr(link.text.find('#') + 1, 8)));  // no token in a log
  rig.write_config("");
  REQUIRE(rig.client().reload());
  CHECK(eventually([&] { return !is_listening(port); }));
}
