#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace zc {

enum class DecoderBackend : std::uint8_t {
  Software,
  Nvdec,  ///< NVIDIA's decoder, through libavcodec's CUDA hwaccel
  Vaapi,
  Vulkan,  ///< Vulkan Video, from FFmpeg 6.1 on
};
inline constexpr std::array kDecoderBackends{DecoderBackend::Software, DecoderBackend::Nvdec, DecoderBackend::Vaapi,
                                             DecoderBackend::Vulkan};
/// "software", "nvdec", "vaapi", "vulkan".
[[nodiscard]] std::string_view to_string(DecoderBackend backend);

}  // namespace zc
