// A daemon with sessions, and the server that shows them.
#pragma once

#include "integration/daemon/daemon_rig.h"
#include "support/child_process.h"
#include "support/loopback.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

namespace zc::test {

/// Folders of this test's own in the environment's place.
class OwnFolders {
 public:
  explicit OwnFolders(const std::string& base) {
    for (const char* name : {"XDG_STATE_HOME", "XDG_RUNTIME_DIR"}) {
      const char* before = std::getenv(name);
      before_.emplace_back(name, before == nullptr ? std::optional<std::string>() : before);
      const std::string folder = base + "/" + name;
      std::filesystem::create_directories(folder);
      ::setenv(name, folder.c_str(), 1);
    }
  }
  OwnFolders(const OwnFolders&) = delete;
  OwnFolders& operator=(const OwnFolders&) = delete;
  ~OwnFolders() {
    for (const auto& [name, value] : before_) {
      value ? ::setenv(name.c_str(), value->c_str(), 1) : ::unsetenv(name.c_str());
    }
  }

 private:
  std::vector<std::pair<std::string, std::optional<std::string>>> before_;
};

class WebRig {
 public:
  /// `config`: of the daemon and the server, as a file's text.
  explicit WebRig(std::vector<std::string> arguments = {}, const std::string& config = "")
      : daemon_(config), folders_(daemon_.path("own")) {
    std::vector<std::string> command{ZEROCAST_PROGRAM, "view", "--listen", address()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    auto process = ChildProcess::start(command, daemon_.path("view.log"));
    REQUIRE(process);
    process_ = *std::move(process);
    const bool serves = eventually([&] { return is_listening(port_) || !process_->running(); });
    INFO(log());
    REQUIRE(serves);
    REQUIRE(process_->running());
  }

  [[nodiscard]] DaemonRig& daemon() { return daemon_; }
  [[nodiscard]] ChildProcess& process() { return *process_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] std::string address() const { return fmt::format("127.0.0.1:{}", port_); }
  [[nodiscard]] std::string log() const {
    std::ifstream file(daemon_.path("view.log"));
    return {std::istreambuf_iterator<char>(file), {}};
  }
  [[nodiscard]] std::filesystem::path key_file() const {
    return daemon_.path("own") + "/XDG_STATE_HOME/zerocast/view.key";
  }
  /// As `zerocast view --link` prints it.
  [[nodiscard]] std::string link(std::vector<std::string> more = {}) {
    std::vector<std::string> words{"view", "--link", "--listen", address()};
    words.insert(words.end(), more.begin(), more.end());
    const Answer answer = run(daemon_, words);
    REQUIRE(answer.exit_code == 0);
    return answer.text.substr(0, answer.text.find('\n'));
  }
  [[nodiscard]] std::string token(std::vector<std::string> more = {}) {
    const std::string text = link(std::move(more));
    return text.substr(text.find('#') + 1);
  }
  /// Sends a request as it is and returns all of the answer; the request has to ask for the connection's end.
  [[nodiscard]] std::string request(const std::string& text) const {
    const UniqueFd socket = connect_to(port_);
    REQUIRE(socket);
    send_text(socket, text);
    return receive_all(socket);
  }
  [[nodiscard]] std::string get(const std::string& path, const std::string& more = {}) const {
    return request(fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{}\r\n", path, address(), more));
  }

 private:
  DaemonRig daemon_;
  OwnFolders folders_;
  std::uint16_t port_ = free_port();
  std::optional<ChildProcess> process_;
};

}  // namespace zc::test
