#include "zerocopy/vaapi/va_formats.h"

#include <va/va.h>

#include <algorithm>
#include <array>

namespace zc {
namespace {

using enum PixelFormat;

constexpr std::array kFormats = {
    VaFormat{BGRx, BGRx, AV_PIX_FMT_BGR0, VA_FOURCC_BGRX},
    VaFormat{BGRA, BGRx, AV_PIX_FMT_BGR0, VA_FOURCC_BGRX},
    VaFormat{RGBx, RGBx, AV_PIX_FMT_RGB0, VA_FOURCC_RGBX},
    VaFormat{RGBA, RGBx, AV_PIX_FMT_RGB0, VA_FOURCC_RGBX},
    VaFormat{xRGB_210LE, xRGB_210LE, AV_PIX_FMT_X2RGB10LE, VA_FOURCC_X2R10G10B10},
    VaFormat{ARGB_210LE, xRGB_210LE, AV_PIX_FMT_X2RGB10LE, VA_FOURCC_X2R10G10B10},
    VaFormat{NV12, NV12, AV_PIX_FMT_NV12, VA_FOURCC_NV12},
    VaFormat{P010, P010, AV_PIX_FMT_P010LE, VA_FOURCC_P010},
};

}  // namespace

std::span<const VaFormat> va_formats() { return kFormats; }

const VaFormat* va_format(PixelFormat format) {
  const auto* found = std::ranges::find(kFormats, format, &VaFormat::format);
  return found == kFormats.end() ? nullptr : found;
}

}  // namespace zc
