// Who may see and who may control.
#pragma once

#include "base/error.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zc::web {

enum class Role : std::uint8_t { View, Control };
[[nodiscard]] std::string_view to_string(Role role);

/// What a token is good for.
struct Grant {
  Role role = Role::View;
  std::chrono::sys_seconds until;  ///< from then on for nothing
};

/// Tokens that this machine's key signs; nothing is kept of those that were given out. Another key makes all of them
/// invalid. Any thread.
class Access {
 public:
  using Time = std::chrono::sys_seconds;

  /// Reads the key, or makes one that only its owner can read.
  [[nodiscard]] static Result<Access> open(const std::filesystem::path& key_file);

  [[nodiscard]] std::string make_token(Role role, Time until) const;
  /// nullopt: not from here, or its time is over. Takes any bytes.
  [[nodiscard]] std::optional<Grant> check(std::string_view token, Time now) const;

 private:
  static constexpr std::size_t kKeyBytes = 32;
  using Key = std::array<unsigned char, kKeyBytes>;

  explicit Access(const Key& key) : key_(key) {}
  [[nodiscard]] std::string sign(std::string_view text) const;

  Key key_;
};

/// Wrong tokens by address: after ten within a minute no more are looked at for the rest of it. One thread.
class LoginLimit {
 public:
  using Clock = std::chrono::steady_clock;
  [[nodiscard]] bool exceeded(const std::string& address, Clock::time_point now);
  void count_failure(const std::string& address, Clock::time_point now);

 private:
  struct Failures {
    unsigned count = 0;
    Clock::time_point since;
  };
  std::map<std::string, Failures> failures_;  ///< 4096 at most
};

/// What a server is called. Beyond loopback numeric addresses are taken as they come: only a name can be made to lead
/// to somebody else's server.
struct HostNames {
  std::vector<std::string> names;  ///< lower case, without port
  bool any_address = false;
};
/// Whether `host` ("name:port") is one of them, and `origin` (empty: there is none), as browsers send it, the same
/// place.
[[nodiscard]] bool is_own_request(const HostNames& own, std::string_view host, std::string_view origin);

}  // namespace zc::web
