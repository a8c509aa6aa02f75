#pragma once

#include "output/byte_stream.h"
#include "output/congestion.h"
#include "output/interrupt.h"
#include "output/output_spec.h"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

namespace zc {

/// How long a peer may take to answer a call, and to take the next byte, before it counts as lost.
inline constexpr std::chrono::milliseconds kConnectTimeout{5000};
inline constexpr std::chrono::milliseconds kWriteTimeout{5000};

/// How long to wait before hanging up on an SRT peer: srt_close() throws away what the peer has not acknowledged, and
/// the peer what it has not played yet. libsrt's own answer, SRTO_LINGER, cannot be interrupted.
inline std::chrono::milliseconds srt_tail(const SrtOutput& output) {
  constexpr std::chrono::milliseconds kDefaultLatency{120};  // libsrt: SRTO_LATENCY
  constexpr std::chrono::milliseconds kMargin{200};          // for the way there and the acknowledgement
  return output.latency.value_or(kDefaultLatency) + kMargin;
}

/// A network peer, or several that come by themselves, which can be called (or waited for) again after it was lost. One
/// thread but where it says otherwise; every wait ends with the
/// Interrupt, which outlives the stream.
class PeerStream : public ByteStream {
 public:
  /// Calls the peer, or waits for one to call: a listener waits until it is interrupted. Lost, NotFound, Timeout: try
  /// again later.
  [[nodiscard]] virtual Result<void> connect() = 0;
  /// Before each picture, and now and then while none comes: lets those in who have called since. They get what is
  /// written from here on if that is a `keyframe`, else from the next one. Lost: nobody is left.
  [[nodiscard]] virtual Result<void> admit(bool /*keyframe*/) { return {}; }
  /// Whether somebody waits for a keyframe who did not at the last call.
  [[nodiscard]] virtual bool take_keyframe_wish() { return false; }
  /// As Sink::viewers(). Any thread.
  [[nodiscard]] virtual std::optional<std::size_t> viewers() const { return std::nullopt; }
  /// As Sink::congestion(). Any thread.
  [[nodiscard]] virtual std::optional<std::vector<Congestion>> congestion() const { return std::nullopt; }
  /// Hangs up; what was written before still goes out where the protocol does that.
  virtual void disconnect() noexcept = 0;
};

[[nodiscard]] Result<std::unique_ptr<PeerStream>> make_udp_stream(const UdpOutput& output, const Interrupt& interrupt);
/// With `listen` the port is bound here. Busy: somebody else has it.
[[nodiscard]] Result<std::unique_ptr<PeerStream>> make_tcp_stream(const TcpOutput& output, const Interrupt& interrupt);
/// Unsupported: this libavformat was built without SRT. A listener's port is bound here (Busy: somebody else has it).
[[nodiscard]] Result<std::unique_ptr<PeerStream>> make_srt_stream(const SrtOutput& output, const Interrupt& interrupt);
/// The part of make_srt_stream() for callers; null: libsrt is out of reach.
[[nodiscard]] std::unique_ptr<PeerStream> make_srt_caller(const SrtOutput& output, const Interrupt& interrupt);
/// Unsupported: this libavformat was built without RTMP or TLS. A server that refuses the key, or whose certificate
/// nobody vouches for, is called again like one that is not there.
[[nodiscard]] Result<std::unique_ptr<PeerStream>> make_rtmp_stream(const RtmpOutput& output,
                                                                   const Interrupt& interrupt);
/// The part of make_srt_stream() for listeners.
[[nodiscard]] Result<std::unique_ptr<PeerStream>> make_srt_listener(const SrtOutput& output,
                                                                    const Interrupt& interrupt);

}  // namespace zc
