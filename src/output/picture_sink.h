// Where pictures go as they are, before any encoder.
#pragma once

#include "base/clock.h"
#include "media/surface.h"
#include "output/sink.h"

#include <cstdint>
#include <functional>

namespace zc {

/// A sink of pictures instead of packets: a camera that others read. Slow or stuck readers never hold anybody up: of
/// pictures that wait the newest is kept.
class PictureSink : public Sink {
 public:
  struct Counters {
    std::uint64_t shown = 0;    ///< pictures handed to those who read
    std::uint64_t bytes = 0;    ///< of these
    std::uint64_t dropped = 0;  ///< pictures that a newer one replaced, or that no buffer was free for
  };

  /// Any thread, at any time: somebody reads. Pictures for nobody are not even converted.
  [[nodiscard]] virtual bool watched() const = 0;
  /// One thread, beside that of the Sink; returns at once. The surface is referenced until it has been
  /// converted or a newer one is here: two at most at a time. `captured`: when its producer made it.
  virtual void show(const Surface& picture, Nanoseconds captured) = 0;
  /// In the place of write(), after open(): returns when interrupted (Cancelled) or when the other side is gone (Lost).
  /// Calls `picture_wanted` whenever somebody has come who reads, and has no picture yet.
  [[nodiscard]] virtual Result<void> attend(const std::function<void()>& picture_wanted) = 0;
  /// Any thread.
  [[nodiscard]] virtual Counters counters() const = 0;

  [[nodiscard]] Result<void> write(const Packet& /*packet*/) final {
    return fail(ErrorKind::Internal, "write " + name(), "it takes no packets");
  }
};

}  // namespace zc
