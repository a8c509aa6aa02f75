// A daemon of our own on a session bus of our own, and its client.
#pragma once

#include "base/clock.h"
#include "ipc/daemon_client.h"
#include "support/child_process.h"
#include "support/private_bus.h"
#include "tools/frame_report.h"

#include <catch2/catch_test_macros.hpp>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zc::test {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kMemoryCounts = false;  ///< AddressSanitizer keeps what was freed
#else
inline constexpr bool kMemoryCounts = true;
#endif

class DaemonRig {
 public:
  /// Starts both and waits until the daemon answers. `config`: its file's text. `wrapper`: a command that runs the
  /// daemon, its words; "{}" in them stands for the rig's folder.
  explicit DaemonRig(const std::string& config = "", std::vector<std::string> wrapper = {});
  DaemonRig(const DaemonRig&) = delete;
  DaemonRig& operator=(const DaemonRig&) = delete;
  ~DaemonRig();

  [[nodiscard]] DaemonClient& client() { return *client_; }
  [[nodiscard]] PrivateBus& bus() { return *bus_; }
  [[nodiscard]] ChildProcess& process() { return *process_; }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }
  void write_config(const std::string& text) const;
  [[nodiscard]] std::string log() const;
  /// A new connection, and the daemon answers on it.
  void connect();
  /// Another daemon after the last one ended.
  void start_daemon();

  /// Starts a session of the test pattern into a file of that name and waits until it records.
  std::string start(const std::string& file, std::vector<Setting> more = {});
  /// Waits, 60 s at most, until the session shows what is asked for; fails the test otherwise.
  SessionView wait_for(const std::string& name, const std::function<bool(const SessionView&)>& good);
  SessionView wait_for_state(const std::string& name, const std::string& state);

  // Of the daemon's own process.
  [[nodiscard]] std::uint64_t open_files() const;
  [[nodiscard]] std::uint64_t resident_kib() const;

 private:
  std::filesystem::path folder_;
  std::vector<std::string> wrapper_;
  std::unique_ptr<PrivateBus> bus_;
  std::optional<ChildProcess> process_;
  std::unique_ptr<DaemonClient> client_;
  std::optional<std::string> config_before_;
};

/// A command of ours, which talks to the rig's daemon, to its end.
struct Answer {
  int exit_code = -1;
  std::string text;  ///< stdout and stderr
  [[nodiscard]] bool has(std::string_view part) const { return text.find(part) != std::string::npos; }
};
[[nodiscard]] Answer run(DaemonRig& rig, std::vector<std::string> arguments);

/// Waits, 60 s at most; false: it did not come.
[[nodiscard]] bool eventually(const std::function<bool()>& good);

/// A figure of a session; 0 when it is not there.
[[nodiscard]] double figure(const SessionView& session, std::string_view name);
[[nodiscard]] pid_t process_of(const std::string& session);

/// Decodes a file of the test pattern: it must be whole, with every picture in order.
FrameReport check_file(const std::string& path);

}  // namespace zc::test
