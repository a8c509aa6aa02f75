// Parts of a desktop that are named by where they are, whatever monitors show them.
#pragma once

#include "base/error.h"
#include "media/frame.h"
#include "media/geometry.h"

#include <string>
#include <string_view>

namespace zc {

/// "X,Y WxH" in logical pixels of the desktop, as slurp prints it: "-1920,40 800x600". Invalid: it is not that,
/// empty, or farther away than a desktop reaches.
[[nodiscard]] Result<Rect> parse_region(std::string_view text);
[[nodiscard]] std::string region_text(const Rect& region);

/// A picture of the `place` on the desktop, `shown` px in size when it is seen, holds this part of the region, in px of
/// the picture as it is seen: every pixel that the region touches. Empty: none of it.
[[nodiscard]] Rect region_in_picture(const Rect& region, const Rect& place, Size shown);

/// Crops the frame, whose whole picture shows that place, to the region; its damage stays what it was.
/// False: it shows nothing of it.
[[nodiscard]] bool crop_to_region(Frame& frame, const Rect& region, const Rect& place);

}  // namespace zc
