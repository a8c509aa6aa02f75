#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "support/child_process.h"

namespace zc::test {

/// A dbus-daemon of our own that starts no services. While it lives it is the session bus (DBUS_SESSION_BUS_ADDRESS).
class PrivateBus {
 public:
  [[nodiscard]] static Result<std::unique_ptr<PrivateBus>> start();
  PrivateBus(const PrivateBus&) = delete;
  PrivateBus& operator=(const PrivateBus&) = delete;
  ~PrivateBus();

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_; }
  /// SIGKILL: every connection breaks.
  void kill() noexcept { daemon_->end(/*kill_at_once=*/true); }
  /// After kill(): another one at the same address.
  [[nodiscard]] Result<void> restart();

 private:
  PrivateBus() = default;

  std::filesystem::path folder_;
  std::optional<std::string> address_before_;
  std::optional<ChildProcess> daemon_;
};

}  // namespace zc::test
