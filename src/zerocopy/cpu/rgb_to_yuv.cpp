#include "zerocopy/cpu/rgb_to_yuv.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace zc {
namespace {

/// Below this the kernels' vectors would stay empty.
constexpr std::uint32_t kStripWidth = 16;

}  // namespace

Result<RgbToYuv> RgbToYuv::create(PixelFormat source, PixelFormat target, const ColourDescription& colour, Isa isa) {
  if (!rgb_fields(source).valid) {
    return fail(ErrorKind::Unsupported, "convert to YUV", std::string(name(source)) + " is not an RGB format");
  }
  if (!yuv_layout(target).valid) {
    return fail(ErrorKind::Unsupported, "convert to YUV", std::string(name(target)) + " is not a surface format");
  }
  const YuvCoefficients coefficients = yuv_coefficients(source, target, colour);
  return RgbToYuv(coefficients, rgb_row_function(coefficients.layout, target, isa), yuv_layout(target));
}

void RgbToYuv::convert(const RgbView& picture, const Rect& area, const YuvView& target) const {
  if (area.empty() || rows_ == nullptr) return;
  if (!layout_.subsampled && area.width < kStripWidth && area.height > 1) {
    return layout_.wide ? convert_strip<std::uint16_t>(picture, area, target)
                        : convert_strip<std::uint8_t>(picture, area, target);
  }
  const YuvView out = target.part(area);
  const auto x = static_cast<std::size_t>(area.x);
  const auto y = static_cast<std::size_t>(area.y);
  const std::size_t step = layout_.subsampled ? 2 : 1;
  RgbRows rows;
  rows.width = area.width;
  rows.source_ahead = step * picture.stride_bytes;
  rows.luma_ahead = step * out.planes[0].stride_bytes;
  rows.chroma_ahead = out.planes[1].stride_bytes;
  for (std::size_t row = 0; row < area.height; row += step) {
    for (std::size_t i = 0; i < 2; ++i) {
      const std::size_t line = std::min<std::size_t>(row + (step == 2 ? i : 0), area.height - 1);
      rows.source[i] = picture.data + (y + line) * picture.stride_bytes + x * 4;
      rows.left[i] = x > 0 ? rows.source[i] - 4 : rows.source[i];
      rows.luma[i] = out.planes[0].data + line * out.planes[0].stride_bytes;
    }
    const std::size_t chroma_row = row / step;
    rows.chroma[0] = out.planes[1].data + chroma_row * out.planes[1].stride_bytes;
    if (!layout_.interleaved) rows.chroma[1] = out.planes[2].data + chroma_row * out.planes[2].stride_bytes;
    rows_(rows, coefficients_);
  }
}

/// Of 4:4:4, whose samples know no neighbours: its rows one behind the other.
template <class Sample>
void RgbToYuv::convert_strip(const RgbView& picture, const Rect& area, const YuvView& target) const {
  constexpr std::size_t kPixels = 256;
  std::array<std::byte, kPixels * 4> pixels;           // NOLINT(cppcoreguidelines-pro-type-member-init)
  std::array<std::array<Sample, kPixels>, 3> samples;  // NOLINT(cppcoreguidelines-pro-type-member-init)
  const std::size_t width = area.width;
  const auto bytes = [](auto& plane) { return reinterpret_cast<std::byte*>(plane.data()); };
  for (std::size_t done = 0; done < area.height;) {
    const std::size_t count = std::min(kPixels / width, area.height - done);
    const std::size_t top = static_cast<std::size_t>(area.y) + done;
    const std::byte* from = picture.data + top * picture.stride_bytes + static_cast<std::size_t>(area.x) * 4;
    for (std::size_t row = 0; row < count; ++row) {
      std::memcpy(pixels.data() + row * width * 4, from + row * picture.stride_bytes, width * 4);
    }
    RgbRows rows;
    rows.source[0] = rows.left[0] = pixels.data();
    rows.luma[0] = bytes(samples[0]);
    rows.chroma[0] = bytes(samples[1]);
    rows.chroma[1] = bytes(samples[2]);
    rows.width = count * width;
    rows_(rows, coefficients_);
    for (unsigned plane = 0; plane < 3; ++plane) {
      const YuvView::Plane& to = target.planes.at(plane);
      const Sample* sample = samples.at(plane).data();
      for (std::size_t row = 0; row < count; ++row) {
        Sample* const out = reinterpret_cast<Sample*>(to.data + (top + row) * to.stride_bytes) + area.x;
        for (std::size_t x = 0; x < width; ++x) out[x] = *sample++;
      }
    }
    done += count;
  }
}

}  // namespace zc
