#pragma once

#include "base/clock.h"
#include "media/packet.h"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace zc {

enum class QueuePolicy : std::uint8_t {
  Block,           ///< never drops: a full queue makes the producer wait (files)
  DropToKeyframe,  ///< never waits: a full queue is emptied and stays so until the next keyframe (live peers)
};

/// The queue is full when either is reached; a lone packet always fits.
struct QueueLimits {
  std::size_t packets = 256;
  std::size_t bytes = std::size_t{16} << 20U;
  /// Block: how long push() waits for room while nothing leaves the queue; zero: for ever.
  std::chrono::milliseconds patience{};
};

/// Bounded queue between the encoder's thread and one sink's. Every method is thread-safe; storage is allocated once.
class PacketQueue {
 public:
  PacketQueue(QueuePolicy policy, QueueLimits limits);

  enum class Push : std::uint8_t {
    Queued,
    Dropped,         ///< still waiting for a keyframe
    KeyframeWanted,  ///< dropped, and the start of the wait: the encoder should make a keyframe
    Closed,          ///< nothing is taken any more
    Stuck,           ///< dropped: patience is over
  };
  /// Block: waits for room until close(), or as long as its limits say. DropToKeyframe: never waits.
  [[nodiscard]] Push push(const Packet& packet);

  enum class Pop : std::uint8_t { Packet, TimedOut, Closed };
  /// The oldest packet into `packet`; Closed when close() was called and all is out.
  [[nodiscard]] Pop pop(Packet& packet, std::chrono::milliseconds timeout);

  /// As QueueLimits::patience, from now on, also for a push() that waits already.
  void set_patience(std::chrono::milliseconds patience);
  /// Throws away all that is queued; the next packet to enter is a keyframe.
  void restart_at_keyframe();
  /// Takes no more packets and wakes everybody; what is queued can still be popped.
  void close();
  /// close(), and throws away what is queued: how many packets that were.
  std::size_t abort();

  struct Counters {
    std::uint64_t pushed = 0;   ///< packets offered, dropped ones and those after close() too
    std::uint64_t dropped = 0;  ///< of these: thrown away
    std::size_t packets = 0;    ///< queued now
    std::size_t bytes = 0;      ///< queued now
  };
  [[nodiscard]] Counters counters() const;
  /// When the oldest packet was pushed that has not been dealt with: the one popped last counts until the next pop()
  /// or restart_at_keyframe(). nullopt: there is none.
  [[nodiscard]] std::optional<Nanoseconds> oldest() const;

 private:
  struct Entry {
    Packet packet;
    Nanoseconds pushed{};
  };
  [[nodiscard]] bool full(std::size_t more_bytes) const;
  /// One that is not queued; what it says of the stream, the next keyframe says.
  void drop(const Packet& packet);
  /// False: patience is over.
  [[nodiscard]] bool wait_for_room(std::unique_lock<std::mutex>& lock, std::size_t more_bytes);
  void clear();
  void enqueue(Packet packet);

  const QueuePolicy policy_;
  QueueLimits limits_;
  mutable std::mutex mutex_;
  std::condition_variable not_empty_;
  std::condition_variable not_full_;
  std::vector<Entry> ring_;
  std::optional<Nanoseconds> in_hand_;  ///< push of the packet popped last
  std::size_t head_ = 0;                ///< index of the oldest
  Counters counters_;
  std::uint64_t popped_ = 0;
  std::shared_ptr<const StreamParameters> new_stream_;  ///< of a packet that was dropped
  bool wait_for_keyframe_ = false;
  bool closed_ = false;
};

}  // namespace zc
