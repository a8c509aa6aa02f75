#pragma once

#include "base/clock.h"
#include "media/surface.h"

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

namespace zc {

/// A surface on its way to the encoder, with what the packet's statistics need later.
struct EncodeJob {
  Surface surface;
  Nanoseconds captured{};  ///< CLOCK_MONOTONIC time of the picture at its producer
  bool repeat = false;     ///< the picture was encoded before: no part of the latency statistics
};

/// What happens when the encoder is slower than the capture.
enum class RingPolicy : std::uint8_t {
  Block,       ///< recording: the worker waits (and a full mailbox drops whole captures, cheaply, unconverted)
  DropOldest,  ///< live: the oldest waiting surface goes, the newest stays
};

inline constexpr std::size_t kMaxRingFrames = 32;

/// The most surfaces a ring may hold of a pool of `surfaces` when the encoder holds `held` by design: one more that it
/// is being given, the one shown last, the one being made and one that is being looked at (PictureWorker::newest())
/// need theirs, and each of the `cameras` (PictureSink) two. At least 1.
[[nodiscard]] constexpr std::size_t most_ring_frames(std::size_t surfaces, std::size_t held, std::size_t cameras = 0) {
  constexpr std::size_t kBesides = 4;
  const std::size_t taken = held + kBesides + 2 * cameras;
  return surfaces > taken + 1 ? surfaces - taken : 1;
}

/// Bounded queue between the worker and the encoder thread; fixed storage.
class EncodeRing {
 public:
  EncodeRing(std::size_t capacity, RingPolicy policy) : jobs_(capacity), policy_(policy) {}

  /// False when close() ended the wait for room: the job was not taken.
  [[nodiscard]] bool push(EncodeJob job);
  /// Waits for a job; nullopt when the ring is empty and was closed or woken, or that time (CLOCK_MONOTONIC) has come.
  [[nodiscard]] std::optional<EncodeJob> pop(std::optional<Nanoseconds> until = std::nullopt);
  void wake();
  /// No push comes any more.
  void close();
  [[nodiscard]] bool closed() const;

  [[nodiscard]] std::size_t depth() const;
  [[nodiscard]] std::size_t capacity() const { return jobs_.size(); }
  /// Pictures (not repeats) that DropOldest threw away.
  [[nodiscard]] std::uint64_t dropped() const;

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<EncodeJob> jobs_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  std::uint64_t dropped_ = 0;
  RingPolicy policy_;
  bool closed_ = false;
  bool woken_ = false;
};

}  // namespace zc
