#pragma once

#include "output/byte_stream.h"
#include "output/interrupt.h"
#include "output/output_spec.h"

#include <chrono>
#include <memory>

namespace zc {

/// How long a peer may take to answer a call, and to take the next byte, before it counts as lost.
inline constexpr std::chrono::milliseconds kConnectTimeout{5000};
inline constexpr std::chrono::milliseconds kWriteTimeout{5000};

/// A network peer that can be called (or waited for) again after it was lost. One thread; every wait ends with the
/// Interrupt, which outlives the stream.
class PeerStream : public ByteStream {
 public:
  /// Calls the peer, or waits for one to call: a listener waits until it is interrupted. Lost, NotFound, Timeout: try
  /// again later.
  [[nodiscard]] virtual Result<void> connect() = 0;
  /// Hangs up; what was written before still goes out where the protocol does that.
  virtual void disconnect() noexcept = 0;
};

[[nodiscard]] Result<std::unique_ptr<PeerStream>> make_udp_stream(const UdpOutput& output, const Interrupt& interrupt);
/// With `listen` the port is bound here. Busy: somebody else has it.
[[nodiscard]] Result<std::unique_ptr<PeerStream>> make_tcp_stream(const TcpOutput& output, const Interrupt& interrupt);
/// Unsupported: this libavformat was built without SRT.
[[nodiscard]] Result<std::unique_ptr<PeerStream>> make_srt_stream(const SrtOutput& output, const Interrupt& interrupt);

}  // namespace zc
