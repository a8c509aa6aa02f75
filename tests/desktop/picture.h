// What the animated client shows: a wallpaper with lines of text-like detail that repeats every kPeriodRows rows.
#pragma once

#include "media/geometry.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace zc::desktop {

/// The wallpaper's vertical period, px. A picture of H rows cut from H + kPeriodRows rows at any start below it scrolls
/// without a seam.
inline constexpr std::uint32_t kPeriodRows = 256;

/// Paints `size` px of wallpaper as XRGB8888, rows without padding. `pixels` holds size.area() * 4 bytes.
void paint_wallpaper(std::span<std::byte> pixels, Size size);

}  // namespace zc::desktop
