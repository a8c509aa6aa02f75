// The portals' way to call: a method answers with a request object, whose Response signal brings the result. Private to
// the portal client.
#pragma once

#include "capture/portal_bus.h"
#include "capture/portal_results.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace zc {

inline constexpr const char* kPortalName = "org.freedesktop.portal.Desktop";
inline constexpr const char* kPortalPath = "/org/freedesktop/portal/desktop";
inline constexpr const char* kScreenCastInterface = "org.freedesktop.portal.ScreenCast";
inline constexpr const char* kCameraInterface = "org.freedesktop.portal.Camera";
/// Who captures. The desktop file, which the portal looks for, and the icon have the same name.
inline constexpr const char* kAppId = "org.zerocast.Zerocast";

/// Values of the dictionaries we send.
using PortalValue = std::variant<bool, std::uint32_t, std::string>;
using PortalOptions = std::vector<std::pair<const char*, PortalValue>>;

/// Appends an a{sv}. Negative: errno of sd-bus.
[[nodiscard]] int append_options(sd_bus_message* message, const PortalOptions& options);

/// A name for a handle_token: letters and digits nobody else uses.
[[nodiscard]] std::string unique_token();

struct PortalCall {
  const char* interface = kScreenCastInterface;
  const char* method = nullptr;
  const char* operation = nullptr;           ///< in the user's words
  std::string session;                       ///< first argument (o); empty: none
  bool parent_window = false;                ///< an empty parent window (s) follows
  PortalOptions options;                     ///< without handle_token
  Nanoseconds reply_within{};                ///< for the method's own answer
  std::optional<Nanoseconds> result_within;  ///< for the Response; nullopt: as long as the user takes
};

/// Requests to one portal process over one bus connection. Same thread rules as PortalBus.
class PortalRequests {
 public:
  /// `owner` is the portal's unique bus name: nobody else's signals count.
  [[nodiscard]] static Result<std::unique_ptr<PortalRequests>> create(PortalBus& bus, const std::string& owner);

  /// Calls and waits. Denied: the user said no (response 1); Lost: the portal gave up (response 2) or went away.
  /// `interrupted` may give another reason to stop waiting. A request that is not waited for any longer is closed,
  /// which takes its dialog off the screen.
  [[nodiscard]] Result<PortalResults> perform(const PortalCall& call, const std::stop_token& stop,
                                              const std::function<const Error*()>& interrupted);

  /// The path the portal gives to an object with this token: PREFIX/SENDER/TOKEN.
  [[nodiscard]] std::string object_path(std::string_view kind, const std::string& token) const;

 private:
  PortalRequests(PortalBus& bus, std::string owner) : bus_(bus), owner_(std::move(owner)) {}
  static int on_response(sd_bus_message* message, void* self, sd_bus_error* error) noexcept;
  [[nodiscard]] MessagePtr take_response(const std::string& expected, const std::string& answered);

  PortalBus& bus_;
  std::string owner_;
  SlotPtr match_;
  /// Responses not claimed yet: one may come before the method's answer that names its path (portals before 0.9 choose
  /// the path themselves). Bounded.
  std::vector<MessagePtr> responses_;
};

}  // namespace zc
