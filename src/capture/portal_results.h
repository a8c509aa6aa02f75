// Reading what a portal answers: dictionaries of foreign values, of which nothing is certain. Private to the portal
// client.
#pragma once

#include "base/error.h"
#include "capture/portal_choice.h"

#include <systemd/sd-bus.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace zc {

/// One entry of `streams` (a(ua{sv})).
struct PortalStream {
  std::uint32_t node = 0;               ///< PipeWire id of the node
  std::optional<std::uint64_t> serial;  ///< its object.serial; since version 6
  StreamIdentity identity;
};

/// The known keys of a Response's dictionary. A key of an unexpected type counts as missing.
struct PortalResults {
  std::string session_handle;  ///< a valid object path or empty
  std::string restore_token;
  std::vector<PortalStream> streams;
};

/// Reads an a{sv} at the message's current position. Internal: it is none.
[[nodiscard]] Result<PortalResults> read_portal_results(sd_bus_message* message);

/// Reads the answer of Properties.GetAll on org.freedesktop.portal.ScreenCast.
[[nodiscard]] Result<PortalAbilities> read_portal_abilities(sd_bus_message* message);

}  // namespace zc
