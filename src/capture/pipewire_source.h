// Frames of one PipeWire node: a compositor's screen cast (through the portal or by name), gamescope, a camera.
#pragma once

#include "base/error.h"
#include "base/unique_fd.h"
#include "capture/source.h"
#include "media/timeline.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>

namespace zc {

struct PipeWireNodeId {
  std::uint32_t id = 0;  ///< the registry's id; the portal names its streams this way
};
struct PipeWireObjectSerial {
  std::uint64_t serial = 0;  ///< object.serial: never reused while the daemon lives
};
struct PipeWireNodeName {
  std::string name;  ///< node.name, exact
};

/// Which node of which PipeWire daemon.
struct PipeWireTarget {
  using NodeId = PipeWireNodeId;
  using ObjectSerial = PipeWireObjectSerial;
  using NodeName = PipeWireNodeName;

  /// A connected socket, as org.freedesktop.portal.ScreenCast.OpenPipeWireRemote hands out. Empty: the default daemon.
  /// The source's first start() uses it up.
  UniqueFd remote;
  std::variant<NodeId, ObjectSerial, NodeName> node;
  std::optional<Size> size = std::nullopt;  ///< no other is wanted: of a producer that draws for its consumer
};

/// A source of the video frames of one node. Nothing is connected before start().
///
/// start() ends within about 5 s: NotFound (no daemon, no such node), Unsupported (no common format), Denied, Timeout
/// (nothing linked the node to us: no session manager), Lost (the daemon went away). Later on_state(Ended) carries
/// Lost (node or daemon gone) or Unsupported (a renegotiation found no common format).
/// The listener is called on the source's own PipeWire thread. A lease may die on any thread, also after stop().
///
/// `stop` ends the waits of start() with Cancelled.
/// `kind` and `description` go into SourceInfo: "portal", "monitor HEADLESS-1 through the desktop portal".
/// Invalid: an empty node name.
[[nodiscard]] Result<std::unique_ptr<Source>> make_pipewire_source(PipeWireTarget target, std::string kind,
                                                                   std::string description, std::stop_token stop = {});
/// The same with something else to open the timelines of explicit synchronisation than the system's DRM nodes.
[[nodiscard]] Result<std::unique_ptr<Source>> make_pipewire_source_with(std::shared_ptr<TimelineDevice> timelines,
                                                                        PipeWireTarget target, std::string kind,
                                                                        std::string description,
                                                                        std::stop_token stop = {});

}  // namespace zc
