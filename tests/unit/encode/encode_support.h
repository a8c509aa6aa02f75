// Pictures to encode and what came of them.
#pragma once

#include "encode/encoder.h"
#include "encode/encoder_table.h"
#include "encode/settings.h"
#include "media/surface.h"
#include "tools/decode.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

namespace zc::test {

/// The rows that the contract is checked over: those of the backend named by ZEROCAST_TEST_BACKEND ("software" without
/// it) that this FFmpeg has. Each of them must work here.
[[nodiscard]] const std::vector<const EncoderRow*>& rows_under_test();
/// One after the other, as a Catch2 generator.
[[nodiscard]] const EncoderRow& any_row();

/// A moving slope with a moving box, and the mark of `number` in its luma; every byte follows from `number`.
[[nodiscard]] Surface make_picture(const SurfaceFormat& format, std::uint32_t number, Nanoseconds stream_time);

/// The planes of make_picture()'s result, de-interleaved for NV12 and P010, to compare with a decoder's.
class PlanarCopy {
 public:
  explicit PlanarCopy(const Surface& surface);
  [[nodiscard]] const DecodedPlane& plane(unsigned index) const { return planes_.at(index); }

 private:
  std::array<std::vector<std::byte>, 3> storage_;
  std::array<DecodedPlane, 3> planes_;
};

/// EncoderChain::create() and open_first() in one.
[[nodiscard]] Result<std::unique_ptr<Encoder>> open_first(const EncoderSettings& settings,
                                                          const VideoParameters& video);

struct EncodeRun {
  std::vector<Packet> packets;
  /// Per submitted picture: how many packets had come out once it was in.
  std::vector<std::size_t> received_after;
  /// Most pictures inside the encoder after a submit and all receives.
  std::size_t max_inside = 0;
};

/// Submits `count` pictures numbered from 0 at the given times, receiving all there is after each, then drains. Checks
/// nothing but that every call succeeds. `before` is called before each picture.
[[nodiscard]] EncodeRun encode(
    Encoder& encoder, std::uint32_t count, const std::function<Nanoseconds(std::uint32_t)>& time_of,
    const std::function<void(std::uint32_t)>& before = [](std::uint32_t) {});

/// Time of picture n at a constant rate.
[[nodiscard]] std::function<Nanoseconds(std::uint32_t)> at_rate(double fps);

}  // namespace zc::test
