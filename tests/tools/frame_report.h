#pragma once

#include "base/error.h"
#include "tools/decode.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace zc::test {

/// What a whole decoded stream looks like. Marks are counted modulo nothing: frame numbers as painted.
struct FrameReport {
  MediaInfo media;
  ColourDescription colour;  ///< of the first picture
  unsigned bit_depth = 8;
  std::uint64_t frames = 0;              ///< decoded pictures
  std::uint64_t keyframes = 0;           ///< as the decoder saw them
  std::uint64_t decode_errors = 0;       ///< damaged pictures and packets
  std::uint64_t marked = 0;              ///< pictures with a legible mark
  std::vector<std::uint64_t> illegible;  ///< the first ones without, counted from 0
  std::uint64_t distinct = 0;            ///< different frame numbers among them
  std::uint64_t duplicates = 0;          ///< pictures with the frame number of the one before
  std::vector<std::uint64_t> repeats;    ///< the first ones of them, counted from 0
  std::uint64_t out_of_order = 0;        ///< pictures with a lower frame number than one before
  /// A picture whose frame number is neither the one after the one before, nor that one.
  struct Jump {
    double seconds = 0;  ///< its time
    std::uint32_t from = 0;
    std::uint32_t to = 0;
  };
  std::vector<Jump> jumps;
  std::uint64_t missing = 0;         ///< frame numbers between the lowest and the highest that never came
  std::uint64_t pts_not_rising = 0;  ///< pictures whose time is not after the one before
  double first_seconds = 0;
  double last_seconds = 0;
  double max_gap_seconds = 0;
  double max_keyframe_gap_seconds = 0;  ///< between the starts of two groups of pictures
  double fps = 0;                       ///< pictures per second between the first and the last
  std::optional<std::uint32_t> first_mark;
  std::optional<std::uint32_t> last_mark;
};

/// Decodes everything. `painted`: the size the marks were painted in; empty: the picture's.
[[nodiscard]] Result<FrameReport> check_frames(Decoder decoder, Size painted);

}  // namespace zc::test
