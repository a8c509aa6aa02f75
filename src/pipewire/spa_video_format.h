#pragma once

#include "media/pixel_format.h"

#include <cstdint>
#include <optional>

namespace zc {

/// enum spa_video_format of one of our formats; 0 (SPA_VIDEO_FORMAT_UNKNOWN) for PixelFormat::Unknown.
[[nodiscard]] std::uint32_t spa_video_format_of(PixelFormat format);

/// nullopt for formats we have no name for. `spa_format` may be any foreign value.
[[nodiscard]] std::optional<PixelFormat> pixel_format_from_spa(std::uint32_t spa_format);

}  // namespace zc
