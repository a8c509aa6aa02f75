// When what an application plays is heard.
#pragma once

#include "base/clock.h"
#include "pipewire/pipewire_connection.h"
#include "pipewire/pipewire_handles.h"

#include <pipewire/port.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace zc {

/// From the cycle in which sound arrives until it is at the loudspeaker.
struct AudioDelay {
  double cycles = 0;  ///< of the graph; below zero where it arrives later than it was mixed
  Nanoseconds more{};
  bool operator==(const AudioDelay&) const = default;
};

/// Which port says how far the loudspeaker is from a stream that records what a sink or an application plays.
struct LoudspeakerPort {
  std::uint32_t port = 0;
  std::string serial;                 ///< the port's, which no other one has had
  std::optional<std::uint32_t> sink;  ///< the node whose monitor is recorded
};
/// `node`: the stream's own. Empty: it is not linked yet. Port 0: it records a microphone, whose delay its time has.
[[nodiscard]] std::optional<LoudspeakerPort> loudspeaker_port(const PipeWireConnection::Registry& registry,
                                                              std::uint32_t node);

/// What a port says of the way from it to the loudspeaker (SPA_PARAM_Latency of the input's direction): an ALSA sink's
/// buffer, a Bluetooth headset, an offset that the user has set. The loop's thread.
class PortLatency {
 public:
  /// `changed`: called when there is another value.
  PortLatency(pw_registry* registry, std::uint32_t port, std::function<void()> changed);
  PortLatency(const PortLatency&) = delete;
  PortLatency& operator=(const PortLatency&) = delete;
  ~PortLatency() { hook_.remove(); }

  /// Empty: it has not answered yet.
  [[nodiscard]] const std::optional<AudioDelay>& value() const { return value_; }

 private:
  struct Events;
  std::function<void()> changed_;
  std::optional<AudioDelay> value_;
  ProxyPtr proxy_;
  Hook hook_;
};

}  // namespace zc
