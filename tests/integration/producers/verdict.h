// What came of a recording of a replayed producer.
#pragma once

#include "media/geometry.h"
#include "support/producer_fixture.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace zc::test {

/// What the replayed producers show, small: the machine has to keep up with every picture.
inline constexpr Size kScreen{640, 360};

struct Verdict {
  enum class Kind : std::uint8_t { Right, Wrong, Refused } kind = Kind::Right;
  std::string reason;  ///< of the first thing that is not right
  std::string note;    ///< figures, also of one that is right
  [[nodiscard]] bool right() const { return kind == Kind::Right; }
};
[[nodiscard]] std::string_view to_string(Verdict::Kind kind);

/// A recording that was made.
struct Recorded {
  int exit_code = -1;  ///< -1: it had to be ended
  std::string log;     ///< stdout and stderr, with --json
  std::string file;
  bool dmabuf = false;          ///< it was to come by dmabufs
  bool pointer = false;         ///< the pointer moved between the pictures: each may come twice
  std::optional<Size> resized;  ///< to this, from kScreen, on the way
};

/// Looks at everything: the exit code, the messages, and each picture of the file with its number, its time and its
/// colours. Times and repeats are not looked at without `in_time`, where the producer could not keep its own times, nor
/// where the encoder was starved.
[[nodiscard]] Verdict judge(const ProducerFixture& fixture, const Recorded& recorded, bool in_time);

}  // namespace zc::test
