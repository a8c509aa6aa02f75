#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "media/packet.h"
#include "output/output_spec.h"

#include <chrono>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

namespace zc {

/// The newest packets of a stream, kept in memory to be written out when somebody asks: at least `length` once there
/// is that much, from a keyframe on. Every method is thread-safe; packets share their bytes with the sinks.
class ReplayBuffer {
 public:
  /// What is kept is cut to so many bytes, whatever its length.
  static constexpr std::size_t kMostBytes = std::size_t{1} << 30U;
  /// A group of pictures that is this much longer than what is to be kept is one without an end.
  static constexpr Nanoseconds kMostExtra = std::chrono::seconds(10);

  explicit ReplayBuffer(Nanoseconds length, std::size_t most_bytes = kMostBytes)
      : length_(to_packet_clock(length)), most_bytes_(most_bytes) {}

  /// Before the first packet.
  void start(const StreamParameters& stream);
  /// True: what is kept can only be cut at a keyframe, and none comes; the encoder should make one. Told once per group
  /// of pictures.
  [[nodiscard]] bool push(const Packet& packet);
  /// Another length from now on: what is too much goes at once, what is too little comes in time.
  void set_length(Nanoseconds length);
  /// Of the stream, kept now.
  [[nodiscard]] Nanoseconds held() const;

  /// Writes what is kept into a new file, on the calling thread. Its path; with further ones, the first. Busy: nothing
  /// is kept yet. Invalid: `spec` is no file. Errors as Sink's.
  [[nodiscard]] Result<std::string> save(const OutputSpec& spec) const;

 private:
  /// Takes whole groups of pictures off the front, as long as enough is left.
  void trim();
  void drop_front();
  [[nodiscard]] bool wants_keyframe();

  std::int64_t length_;  ///< kPacketClock ticks
  const std::size_t most_bytes_;
  mutable std::mutex mutex_;
  std::shared_ptr<const StreamParameters> stream_;  ///< of the first packet
  std::deque<Packet> packets_;
  std::deque<std::int64_t> keyframes_;  ///< their times
  std::size_t bytes_ = 0;
  bool asked_ = false;  ///< for a keyframe, since the last one
};

}  // namespace zc
