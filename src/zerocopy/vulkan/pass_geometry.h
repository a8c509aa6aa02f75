// What the conversion pass is told per stream and per picture: pure functions.
#pragma once

#include "base/error.h"
#include "media/surface.h"
#include "zerocopy/picture_plan.h"
#include "zerocopy/surface_layout.h"
#include "zerocopy/vulkan/layer_geometry.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace zc {

/// The push constants of shaders/rgb_to_yuv.comp, member by member.
struct PassGeometry {
  std::array<std::int32_t, 2> size, box_at, box_size, content, origin, step_x, step_y;
  std::int32_t source_offset, source_stride;                  ///< bytes
  std::int32_t luma_pitch, chroma_pitch, u_offset, v_offset;  ///< 32-bit words
  std::array<std::int32_t, 2> shown;                          ///< px of the turned picture before it is scaled
  std::array<float, 2> ratio;                                 ///< of those to one of the box
  bool operator==(const PassGeometry&) const = default;
};
static_assert(sizeof(PassGeometry) == 96, "more than std430 packs, or more than 128 bytes");

/// Where a source picture is inside its buffer.
struct SourcePlane {
  std::size_t offset_bytes = 0;
  std::size_t stride_bytes = 0;
};

/// How much smaller than its source a picture may become: each pixel is the mean of all it covers.
inline constexpr std::uint32_t kMaxShrink = 16;
/// RGB, and not shrunk beyond kMaxShrink.
[[nodiscard]] bool pass_takes(const PicturePlan& plan);

/// `source` is ignored for images.
[[nodiscard]] PassGeometry pass_geometry(const PicturePlan& plan, const SourcePlane& source,
                                         const SurfaceLayout& target);

/// Everything a pipeline is compiled for.
struct PassVariant {
  bool image = false;                         ///< the source is sampled, not read
  PixelFormat source = PixelFormat::Unknown;  ///< RGB; without a main picture of no account
  int load_bytes = 4;                         ///< alignment of the source's blocks of pixels: 16, 4 or 1
  bool turned = false;
  bool scaled = false;
  bool layers = false;                                    ///< there are some, see layer_geometry.h
  bool main = true;                                       ///< there is a picture beneath them, not black
  bool compose = false;                                   ///< what they touch, not what is beside them
  std::array<std::int32_t, LayerTable::kSlots> traits{};  ///< LayerGeometry::traits() of each, where it is composed
  ToneMap tone = ToneMap::None;
  PixelFormat target = PixelFormat::Unknown;  ///< a format yuv_layout() knows
  ColourMatrix matrix = ColourMatrix::Unknown;
  ColourRange range = ColourRange::Unknown;
  bool operator==(const PassVariant&) const = default;
};

[[nodiscard]] PassVariant pass_variant(const PicturePlan& plan, const SourcePlane& source, const SurfaceFormat& target,
                                       bool image);

/// The shader's specialization constants, by their id. Images come swizzled by their format, so their fields count as
/// red, green, blue.
inline constexpr std::size_t kPassConstants = 33 + LayerTable::kSlots;
[[nodiscard]] std::array<std::int32_t, kPassConstants> pass_constants(const PassVariant& variant,
                                                                      std::array<std::int32_t, 2> workgroup);

/// Pixels one invocation makes.
inline constexpr std::uint32_t kPassBlockWidth = 8;
inline constexpr std::uint32_t kPassBlockHeight = 2;

/// Bytes of a buffer the pass reads for this picture: to the end of the last row, in whole words.
[[nodiscard]] std::size_t source_bytes(const SourcePlane& source, Size buffer);

}  // namespace zc
