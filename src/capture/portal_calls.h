// What the clients of several portals have in common. Private to the portal client.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "capture/portal_bus.h"

#include <stop_token>
#include <string>

namespace zc {

/// Under our own name the dialog names zerocast, and a permission is the same for a terminal's recording and the
/// service's: the portal keeps permissions by name, and would take the name from the process's systemd unit. Portals
/// from 1.20 on have it (org.freedesktop.host.portal.Registry), once per connection and before any other call on it.
/// Not being registered is no reason to fail; a portal that does not answer is.
[[nodiscard]] Result<void> register_with_portal(PortalBus& bus, Nanoseconds within, const std::stop_token& stop);

/// The answer of Properties.GetAll on one of the portal's interfaces, and who gave it: the portal's unique name.
struct PortalProperties {
  MessagePtr message;
  std::string owner;
};
[[nodiscard]] Result<PortalProperties> portal_properties(PortalBus& bus, const char* interface, Nanoseconds within,
                                                         const std::stop_token& stop);

/// OpenPipeWireRemote of `interface`; `session`: its first argument, empty where it has none.
[[nodiscard]] Result<UniqueFd> open_portal_remote(PortalBus& bus, const std::string& owner, const char* interface,
                                                  const std::string& session, Nanoseconds within,
                                                  const std::stop_token& stop);

}  // namespace zc
