#include "media/pixel_format.h"

#include <algorithm>
#include <cctype>

namespace zc {
namespace {

// <drm_fourcc.h> is a header of libdrm; its codes are frozen kernel ABI, so the media layer spells them itself.
constexpr std::uint32_t fourcc(char a, char b, char c, char d) {
  return static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b) << 8U | static_cast<std::uint32_t>(c) << 16U |
         static_cast<std::uint32_t>(d) << 24U;
}

using enum PixelFormat;

constexpr std::array kFormats = {
    PixelFormatInfo{Unknown, "unknown", 0, 0, 0, {0, 0, 0}, 0, 0, false, false},
    PixelFormatInfo{BGRx, "BGRx", fourcc('X', 'R', '2', '4'), 8, 1, {4, 0, 0}, 0, 0, false, false},
    PixelFormatInfo{BGRA, "BGRA", fourcc('A', 'R', '2', '4'), 8, 1, {4, 0, 0}, 0, 0, false, true},
    PixelFormatInfo{RGBx, "RGBx", fourcc('X', 'B', '2', '4'), 8, 1, {4, 0, 0}, 0, 0, false, false},
    PixelFormatInfo{RGBA, "RGBA", fourcc('A', 'B', '2', '4'), 8, 1, {4, 0, 0}, 0, 0, false, true},
    PixelFormatInfo{xRGB, "xRGB", fourcc('B', 'X', '2', '4'), 8, 1, {4, 0, 0}, 0, 0, false, false},
    PixelFormatInfo{ARGB, "ARGB", fourcc('B', 'A', '2', '4'), 8, 1, {4, 0, 0}, 0, 0, false, true},
    PixelFormatInfo{xBGR, "xBGR", fourcc('R', 'X', '2', '4'), 8, 1, {4, 0, 0}, 0, 0, false, false},
    PixelFormatInfo{ABGR, "ABGR", fourcc('R', 'A', '2', '4'), 8, 1, {4, 0, 0}, 0, 0, false, true},
    PixelFormatInfo{xRGB_210LE, "xRGB_210LE", fourcc('X', 'R', '3', '0'), 10, 1, {4, 0, 0}, 0, 0, false, false},
    PixelFormatInfo{ARGB_210LE, "ARGB_210LE", fourcc('A', 'R', '3', '0'), 10, 1, {4, 0, 0}, 0, 0, false, true},
    PixelFormatInfo{xBGR_210LE, "xBGR_210LE", fourcc('X', 'B', '3', '0'), 10, 1, {4, 0, 0}, 0, 0, false, false},
    PixelFormatInfo{ABGR_210LE, "ABGR_210LE", fourcc('A', 'B', '3', '0'), 10, 1, {4, 0, 0}, 0, 0, false, true},
    PixelFormatInfo{RGBx_102LE, "RGBx_102LE", fourcc('R', 'X', '3', '0'), 10, 1, {4, 0, 0}, 0, 0, false, false},
    PixelFormatInfo{RGBA_102LE, "RGBA_102LE", fourcc('R', 'A', '3', '0'), 10, 1, {4, 0, 0}, 0, 0, false, true},
    PixelFormatInfo{BGRx_102LE, "BGRx_102LE", fourcc('B', 'X', '3', '0'), 10, 1, {4, 0, 0}, 0, 0, false, false},
    PixelFormatInfo{BGRA_102LE, "BGRA_102LE", fourcc('B', 'A', '3', '0'), 10, 1, {4, 0, 0}, 0, 0, false, true},
    PixelFormatInfo{YUY2, "YUY2", fourcc('Y', 'U', 'Y', 'V'), 8, 1, {2, 0, 0}, 0, 0, true, false},
    PixelFormatInfo{UYVY, "UYVY", fourcc('U', 'Y', 'V', 'Y'), 8, 1, {2, 0, 0}, 0, 0, true, false},
    PixelFormatInfo{NV12, "NV12", fourcc('N', 'V', '1', '2'), 8, 2, {1, 2, 0}, 1, 1, true, false},
    PixelFormatInfo{I420, "I420", fourcc('Y', 'U', '1', '2'), 8, 3, {1, 1, 1}, 1, 1, true, false},
    PixelFormatInfo{P010, "P010", fourcc('P', '0', '1', '0'), 10, 2, {2, 4, 0}, 1, 1, true, false},
    PixelFormatInfo{I010, "I010", 0, 10, 3, {2, 2, 2}, 1, 1, true, false},
    PixelFormatInfo{I444, "I444", fourcc('Y', 'U', '2', '4'), 8, 3, {1, 1, 1}, 0, 0, true, false},
    PixelFormatInfo{I410, "I410", 0, 10, 3, {2, 2, 2}, 0, 0, true, false},
    PixelFormatInfo{I422, "I422", fourcc('Y', 'U', '1', '6'), 8, 3, {1, 1, 1}, 1, 0, true, false},
};

constexpr bool table_is_indexed_by_enum() {
  for (std::size_t i = 0; i < kFormats.size(); ++i) {
    if (static_cast<std::size_t>(kFormats.at(i).format) != i) return false;
  }
  return kFormats.size() == static_cast<std::size_t>(I422) + 1;
}
static_assert(table_is_indexed_by_enum());

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

}  // namespace

std::span<const PixelFormatInfo> pixel_formats() { return std::span(kFormats).subspan(1); }

const PixelFormatInfo& info(PixelFormat format) { return kFormats.at(static_cast<std::size_t>(format)); }

std::optional<PixelFormat> pixel_format_from_name(std::string_view name) {
  for (const PixelFormatInfo& f : pixel_formats()) {
    if (equal_ignoring_case(f.name, name)) return f.format;
  }
  return std::nullopt;
}

std::optional<PixelFormat> pixel_format_from_fourcc(std::uint32_t fourcc) {
  if (fourcc == 0) return std::nullopt;
  for (const PixelFormatInfo& f : pixel_formats()) {
    if (f.drm_fourcc == fourcc) return f.format;
  }
  return std::nullopt;
}

std::uint32_t plane_width(PixelFormat format, unsigned plane, std::uint32_t width) {
  const unsigned shift = plane == 0 ? 0 : info(format).chroma_shift_x;
  return static_cast<std::uint32_t>((std::uint64_t{width} + (1U << shift) - 1) >> shift);
}

std::uint32_t plane_height(PixelFormat format, unsigned plane, std::uint32_t height) {
  const unsigned shift = plane == 0 ? 0 : info(format).chroma_shift_y;
  return static_cast<std::uint32_t>((std::uint64_t{height} + (1U << shift) - 1) >> shift);
}

std::uint64_t row_bytes(PixelFormat format, unsigned plane, std::uint32_t width) {
  return std::uint64_t{plane_width(format, plane, width)} * info(format).bytes_per_sample.at(plane);
}

}  // namespace zc
