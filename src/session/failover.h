// When another encoder takes a failed one's place.
#pragma once

#include "base/clock.h"
#include "encode/encoder_chain.h"

#include <string>

namespace zc {

/// How long an encoder may give nothing, or its driver keep a call.
struct EncoderPatience {
  /// Hardware that keeps more pictures than it should (Encoder::most_held()) and gives none, or takes none.
  Nanoseconds stall = std::chrono::seconds(2);
  /// One call into an encoder that another one could replace, or into hardware.
  Nanoseconds hang = std::chrono::seconds(10);
  /// Draining one and closing it before the machine sleeps, which does so five seconds after it was told to.
  Nanoseconds sleep = std::chrono::milliseconds(2500);
  /// Trying and opening one.
  Nanoseconds open = kOpenPatience;
};

/// One encoder in the place of another.
struct Failover {
  std::string failed;
  std::string reason;
  std::string encoder;
  // Each from the moment the failure was noticed.
  Nanoseconds opened{};        ///< the successor was open
  Nanoseconds resumed{};       ///< it had all pictures that the failed one had not given back
  Nanoseconds first_packet{};  ///< its first packet was there; zero: none yet
};

}  // namespace zc
