#pragma once

#include "base/clock.h"
#include "media/packet.h"

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

namespace zc {

/// Puts the packets of a stream's tracks in the order of their dts, a picture before sound of the same time: what
/// one track has is held until every other one has something, too. Nothing comes before the first picture; later a
/// track that has nothing for so long is not waited for. A keyframe stands where it is shown: a file that begins
/// with it has just the sound from there on.
class TrackOrder {
 public:
  /// As long as an encoder keeps a picture that nothing follows, and then some.
  static constexpr Nanoseconds kPatience = std::chrono::seconds(8);

  /// `audio`: tracks beside the pictures. `patience`: for how long one that has nothing is waited for.
  explicit TrackOrder(std::size_t audio, Nanoseconds patience = kPatience) : patience_(patience), waiting_(audio + 1) {}

  void push(Packet packet);
  /// The next one whose turn it is.
  [[nodiscard]] std::optional<Packet> pop();
  /// The next one, whatever may still come.
  [[nodiscard]] std::optional<Packet> pop_rest();

 private:
  [[nodiscard]] std::deque<Packet>* first();

  Nanoseconds patience_;
  std::vector<std::deque<Packet>> waiting_;  ///< by track
  bool begun_ = false;                       ///< there has been a picture
  std::int64_t newest_ = 0;                  ///< kPacketClock ticks
};

}  // namespace zc
