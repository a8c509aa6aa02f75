// Where a frame's pixels go on a surface: pure geometry, the same for every importer.
#pragma once

#include "base/error.h"
#include "media/colour.h"
#include "media/frame.h"
#include "media/geometry.h"
#include "media/pixel_format.h"
#include "media/surface.h"
#include "zerocopy/tone_map.h"

#include <cstdint>
#include <string_view>

namespace zc {

/// Everything about a frame that stays the same from one to the next while the stream does.
struct PicturePlan {
  PixelFormat format = PixelFormat::Unknown;  ///< of the source
  Size buffer;                                ///< px of the source's buffer
  Rect crop;                                  ///< inside the buffer
  Transform transform = Transform::Normal;    ///< to be undone
  Size shown;                                 ///< after crop and transform
  Size surface;                               ///< px of the target
  Rect box;                                   ///< of the surface, even origin: the picture; black bars around it
  bool scaled = false;                        ///< `shown` must be scaled to the size of `box`
  /// Not scaled: the part of `shown` that is used, at most one pixel off the box in each direction (an odd window on an
  /// even surface loses or repeats its last column and row instead of being resampled). Scaled: the size of the box.
  Size content;
  ToneMap tone = ToneMap::None;
  ColourDescription colour;  ///< of a YUV source, as it says it: its matrix and range become the surface's

  bool operator==(const PicturePlan&) const = default;
  [[nodiscard]] bool barred() const { return box.size() != surface; }
  [[nodiscard]] bool padded() const { return content != box.size(); }
};

/// Longest edge of a buffer or surface, px. Keeps every offset computed from it far from overflow.
inline constexpr std::uint32_t kMaxEdge = 16384;

/// Invalid: a size of zero or beyond kMaxEdge.
[[nodiscard]] Result<void> check_edges(Size size, std::string_view operation);
/// What an importer is configured for, with the colour said that it has where none was. Errors as check_edges().
[[nodiscard]] Result<SurfaceFormat> resolve_target(const SurfaceFormat& target, std::string_view operation);

/// Invalid: a size of zero or beyond kMaxEdge, a crop that shows nothing.
[[nodiscard]] Result<PicturePlan> make_picture_plan(PixelFormat format, Size buffer, const Rect& crop,
                                                    Transform transform, Size surface);
[[nodiscard]] Result<PicturePlan> make_picture_plan(const Frame& frame, const SurfaceFormat& surface);

/// As make_picture_plan(), but without bars: the picture fills all of `size`, which is how a layer fills its box.
[[nodiscard]] Result<PicturePlan> make_filling_plan(const Frame& frame, Size size, const ColourDescription& colour);

}  // namespace zc
