// The layouts of NVENC's input, and how each becomes a planar picture.
#pragma once

#include "softgpu/codecs/picture.h"

#include <ffnvcodec/nvEncodeAPI.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace zc::softgpu {

/// The bytes of one input picture.
struct InputView {
  const std::uint8_t* data;
  unsigned width;  ///< px
  unsigned height;
  std::size_t pitch;  ///< bytes
};

struct InputFormat {
  NV_ENC_BUFFER_FORMAT format;
  unsigned pixel_bytes;  ///< of one pixel of a luma or packed row
  unsigned half_planes;  ///< pitch times height times this, halved, is the size of a picture
  unsigned depth;
  bool yuv444;  ///< planes of full size; packed RGB gives either
  bool rgb;
  void (*read)(const InputView& from, Picture& to);

  [[nodiscard]] std::size_t picture_bytes(std::size_t pitch, unsigned height) const {
    return pitch * ((std::size_t{height} * half_planes + 1) / 2);
  }
};

[[nodiscard]] std::span<const InputFormat> input_formats();
/// Null for a format that the stand-in does not take.
[[nodiscard]] const InputFormat* find_input_format(NV_ENC_BUFFER_FORMAT format);

/// Fills `to`, whose size, chroma and depth are set. False when the format does not give that chroma and depth; 8 bits
/// give 10 too.
[[nodiscard]] bool read_input(const InputFormat& format, const InputView& from, Picture& to);

}  // namespace zc::softgpu
