#pragma once

#include "base/error.h"
#include "base/unique_fd.h"
#include "support/child_process.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace zc::test {

/// A PipeWire daemon and a session manager of our own in a private runtime folder: no D-Bus, no devices, any user.
/// While it lives, XDG_RUNTIME_DIR and its like point there, so "the default daemon" is this one. One at a time.
class PrivatePipeWire {
 public:
  enum class SessionManager : std::uint8_t { None, WirePlumber };
  /// Starts both and waits (up to 20 s) until the daemon and the session manager's linking policy are ready.
  [[nodiscard]] static Result<std::unique_ptr<PrivatePipeWire>> start(
      SessionManager manager = SessionManager::WirePlumber);
  PrivatePipeWire(const PrivatePipeWire&) = delete;
  PrivatePipeWire& operator=(const PrivatePipeWire&) = delete;
  ~PrivatePipeWire();

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  [[nodiscard]] std::filesystem::path socket() const { return folder_ / "pipewire-0"; }
  /// A connected socket, like the one the portal hands out.
  [[nodiscard]] Result<UniqueFd> connect() const;
  /// SIGKILL.
  void kill_daemon() noexcept;
  /// Both processes anew, in the same folder, as start().
  [[nodiscard]] Result<void> restart();

 private:
  struct SavedVariable {
    std::string name;
    std::optional<std::string> value;
  };
  explicit PrivatePipeWire(SessionManager manager) : wanted_(manager) {}
  void set_variable(const std::string& name, const std::optional<std::string>& value);

  const SessionManager wanted_;
  std::filesystem::path folder_;
  std::vector<SavedVariable> saved_;
  std::optional<ChildProcess> daemon_;
  std::optional<ChildProcess> manager_;
};

}  // namespace zc::test
