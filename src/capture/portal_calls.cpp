#include "capture/portal_calls.h"

#include "base/log.h"
#include "capture/portal_request.h"

#include <mutex>
#include <utility>

namespace zc {

Result<void> register_with_portal(PortalBus& bus, Nanoseconds within, const std::stop_token& stop) {
  constexpr const char* kOperation = "tell the desktop portal who captures";
  sd_bus_message* raw = nullptr;
  int r = sd_bus_message_new_method_call(bus.get(), &raw, kPortalName, kPortalPath,
                                         "org.freedesktop.host.portal.Registry", "Register");
  const MessagePtr message(raw);
  if (r >= 0) r = sd_bus_message_append(raw, "s", kAppId);
  if (r >= 0) r = append_options(raw, {});
  if (r < 0) return fail_bus(r, kOperation);
  const auto answer = bus.call(raw, within, stop, kOperation);
  if (answer) return {};
  const Error& error = answer.error();
  switch (error.kind) {
    case ErrorKind::Cancelled:
    case ErrorKind::Lost:
    case ErrorKind::Timeout: return std::unexpected(error);
    case ErrorKind::NotFound:  // an older portal; or none, which the next call says in more words
      logger("capture").debug("{}", error.message());
      return {};
    default: break;
  }
  static std::once_flag once;
  std::call_once(once, [&] {
    logger("capture").warn(
        "the desktop portal does not know this program as {} ({}): is {}.desktop installed? Its dialog may name "
        "another program, and permissions count for that one",
        kAppId, error.detail, kAppId);
  });
  return {};
}

Result<PortalProperties> portal_properties(PortalBus& bus, const char* interface, Nanoseconds within,
                                           const std::stop_token& stop) {
  constexpr const char* kReach = "reach the desktop portal";
  sd_bus_message* raw = nullptr;
  int r = sd_bus_message_new_method_call(bus.get(), &raw, kPortalName, kPortalPath, "org.freedesktop.DBus.Properties",
                                         "GetAll");
  const MessagePtr message(raw);
  if (r >= 0) r = sd_bus_message_append(raw, "s", interface);
  if (r < 0) return fail_bus(r, kReach);
  auto answer = bus.call(raw, within, stop, kReach);
  if (!answer) return std::unexpected(std::move(answer.error()));
  const char* sender = sd_bus_message_get_sender(answer->get());
  PortalProperties properties{.message = std::move(*answer), .owner = sender == nullptr ? "" : sender};
  if (properties.owner.starts_with(':')) return properties;
  return fail(ErrorKind::Internal, kReach, "the bus did not say who answered");
}

Result<UniqueFd> open_portal_remote(PortalBus& bus, const std::string& owner, const char* interface,
                                    const std::string& session, Nanoseconds within, const std::stop_token& stop) {
  constexpr const char* kOperation = "open the desktop portal's PipeWire connection";
  sd_bus_message* raw = nullptr;
  int r = sd_bus_message_new_method_call(bus.get(), &raw, owner.c_str(), kPortalPath, interface, "OpenPipeWireRemote");
  const MessagePtr message(raw);
  if (r >= 0 && !session.empty()) r = sd_bus_message_append(raw, "o", session.c_str());
  if (r >= 0) r = append_options(raw, {});
  if (r < 0) return fail_bus(r, kOperation);
  const auto answer = bus.call(raw, within, stop, kOperation);
  if (!answer) return std::unexpected(answer.error());
  int borrowed = -1;  // the message's own
  if (sd_bus_message_read(answer->get(), "h", &borrowed) <= 0) {
    return fail(ErrorKind::Internal, kOperation, "the desktop portal's answer holds no file descriptor");
  }
  return UniqueFd::dup(borrowed);
}

}  // namespace zc
