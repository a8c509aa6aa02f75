#include "pipewire/spa_video_format.h"

#include <spa/param/video/raw.h>

#include <algorithm>
#include <array>

namespace zc {
namespace {

struct Pair {
  PixelFormat ours;
  std::uint32_t spa;
};

using enum PixelFormat;

constexpr std::array kPairs = {
    Pair{BGRx, SPA_VIDEO_FORMAT_BGRx},
    Pair{BGRA, SPA_VIDEO_FORMAT_BGRA},
    Pair{RGBx, SPA_VIDEO_FORMAT_RGBx},
    Pair{RGBA, SPA_VIDEO_FORMAT_RGBA},
    Pair{xRGB, SPA_VIDEO_FORMAT_xRGB},
    Pair{ARGB, SPA_VIDEO_FORMAT_ARGB},
    Pair{xBGR, SPA_VIDEO_FORMAT_xBGR},
    Pair{ABGR, SPA_VIDEO_FORMAT_ABGR},
    Pair{xRGB_210LE, SPA_VIDEO_FORMAT_xRGB_210LE},
    Pair{ARGB_210LE, SPA_VIDEO_FORMAT_ARGB_210LE},
    Pair{xBGR_210LE, SPA_VIDEO_FORMAT_xBGR_210LE},
    Pair{ABGR_210LE, SPA_VIDEO_FORMAT_ABGR_210LE},
    Pair{RGBx_102LE, SPA_VIDEO_FORMAT_RGBx_102LE},
    Pair{RGBA_102LE, SPA_VIDEO_FORMAT_RGBA_102LE},
    Pair{BGRx_102LE, SPA_VIDEO_FORMAT_BGRx_102LE},
    Pair{BGRA_102LE, SPA_VIDEO_FORMAT_BGRA_102LE},
    Pair{YUY2, SPA_VIDEO_FORMAT_YUY2},
    Pair{UYVY, SPA_VIDEO_FORMAT_UYVY},
    Pair{NV12, SPA_VIDEO_FORMAT_NV12},
    Pair{I420, SPA_VIDEO_FORMAT_I420},
    Pair{P010, SPA_VIDEO_FORMAT_P010_10LE},
    Pair{I010, SPA_VIDEO_FORMAT_I420_10LE},
    Pair{I444, SPA_VIDEO_FORMAT_Y444},
    Pair{I410, SPA_VIDEO_FORMAT_Y444_10LE},
    Pair{I422, SPA_VIDEO_FORMAT_Y42B},
};

}  // namespace

std::uint32_t spa_video_format_of(PixelFormat format) {
  const auto* const found = std::ranges::find(kPairs, format, &Pair::ours);
  return found == kPairs.end() ? std::uint32_t{SPA_VIDEO_FORMAT_UNKNOWN} : found->spa;
}

std::optional<PixelFormat> pixel_format_from_spa(std::uint32_t spa_format) {
  const auto* const found = std::ranges::find(kPairs, spa_format, &Pair::spa);
  return found == kPairs.end() ? std::nullopt : std::optional(found->ours);
}

}  // namespace zc
