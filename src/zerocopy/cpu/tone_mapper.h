#pragma once

#include "zerocopy/cpu/rgb_to_yuv.h"
#include "zerocopy/tone_map.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace zc {

/// Maps whole pictures on the CPU, pixel by pixel through tables. Keeps its memory. One thread.
class ToneMapper {
 public:
  /// `format`: RGB.
  ToneMapper(PixelFormat format, ToneMap map);

  /// The same pixels as an SDR picture, in this object's memory until the next call.
  [[nodiscard]] RgbView apply(const RgbView& picture);

 private:
  static constexpr std::size_t kGammaSteps = 4096;
  [[nodiscard]] std::uint32_t map(std::uint32_t word) const;

  RgbFields fields_;
  ToneMap map_;
  std::array<unsigned, 3> shift_{};   ///< of red, green, blue in the word
  std::uint32_t most_ = 255;          ///< the largest code value
  std::vector<float> light_;          ///< by code value; 1: SDR's white
  std::vector<float> scale_;          ///< by the largest component's code value
  std::vector<std::uint16_t> gamma_;  ///< by the square root of the light
  std::vector<std::uint32_t> memory_;
};

}  // namespace zc
