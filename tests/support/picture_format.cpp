#include "support/picture_format.h"

#include <spa/param/video/raw.h>

#include <algorithm>
#include <stdexcept>

namespace zc::test {
namespace {

using enum PixelFormat;

constexpr PictureFormat rgb8(PixelFormat format, std::uint32_t spa) { return {format, spa, 8, 1, {4, 0, 0}}; }
constexpr PictureFormat rgb10(PixelFormat format, std::uint32_t spa) { return {format, spa, 10, 1, {4, 0, 0}}; }

constexpr std::array kFormats = {
    rgb8(BGRx, SPA_VIDEO_FORMAT_BGRx),
    rgb8(BGRA, SPA_VIDEO_FORMAT_BGRA),
    rgb8(RGBx, SPA_VIDEO_FORMAT_RGBx),
    rgb8(RGBA, SPA_VIDEO_FORMAT_RGBA),
    rgb8(xRGB, SPA_VIDEO_FORMAT_xRGB),
    rgb8(ARGB, SPA_VIDEO_FORMAT_ARGB),
    rgb8(xBGR, SPA_VIDEO_FORMAT_xBGR),
    rgb8(ABGR, SPA_VIDEO_FORMAT_ABGR),
    rgb10(xRGB_210LE, SPA_VIDEO_FORMAT_xRGB_210LE),
    rgb10(ARGB_210LE, SPA_VIDEO_FORMAT_ARGB_210LE),
    rgb10(xBGR_210LE, SPA_VIDEO_FORMAT_xBGR_210LE),
    rgb10(ABGR_210LE, SPA_VIDEO_FORMAT_ABGR_210LE),
    rgb10(RGBx_102LE, SPA_VIDEO_FORMAT_RGBx_102LE),
    rgb10(RGBA_102LE, SPA_VIDEO_FORMAT_RGBA_102LE),
    rgb10(BGRx_102LE, SPA_VIDEO_FORMAT_BGRx_102LE),
    rgb10(BGRA_102LE, SPA_VIDEO_FORMAT_BGRA_102LE),
    PictureFormat{YUY2, SPA_VIDEO_FORMAT_YUY2, 8, 1, {2, 0, 0}, 0, 0, true},
    PictureFormat{UYVY, SPA_VIDEO_FORMAT_UYVY, 8, 1, {2, 0, 0}, 0, 0, true},
    PictureFormat{NV12, SPA_VIDEO_FORMAT_NV12, 8, 2, {1, 2, 0}, 1, 1, true},
    PictureFormat{I420, SPA_VIDEO_FORMAT_I420, 8, 3, {1, 1, 1}, 1, 1, true},
    PictureFormat{P010, SPA_VIDEO_FORMAT_P010_10LE, 10, 2, {2, 4, 0}, 1, 1, true},
    PictureFormat{I010, SPA_VIDEO_FORMAT_I420_10LE, 10, 3, {2, 2, 2}, 1, 1, true},
    PictureFormat{I444, SPA_VIDEO_FORMAT_Y444, 8, 3, {1, 1, 1}, 0, 0, true},
    PictureFormat{I410, SPA_VIDEO_FORMAT_Y444_10LE, 10, 3, {2, 2, 2}, 0, 0, true},
    PictureFormat{I422, SPA_VIDEO_FORMAT_Y42B, 8, 3, {1, 1, 1}, 1, 0, true},
};

constexpr std::uint32_t halve(std::uint32_t length, unsigned times) { return (length + (1U << times) - 1) >> times; }

}  // namespace

Size PictureFormat::plane_size(unsigned plane, Size picture) const {
  if (plane == 0) return picture;
  return {halve(picture.width, shift_x), halve(picture.height, shift_y)};
}

std::uint64_t PictureFormat::row_bytes(unsigned plane, std::uint32_t width) const {
  return std::uint64_t{plane_size(plane, {width, 1}).width} * bytes.at(plane);
}

const PictureFormat& picture_format(PixelFormat format) {
  const auto* const found = std::ranges::find(kFormats, format, &PictureFormat::format);
  if (found == kFormats.end()) throw std::invalid_argument("a format that has no layout");
  return *found;
}

const PictureFormat* picture_format_of_spa(std::uint32_t spa) {
  const auto* const found = std::ranges::find(kFormats, spa, &PictureFormat::spa);
  return found == kFormats.end() ? nullptr : found;
}

}  // namespace zc::test
