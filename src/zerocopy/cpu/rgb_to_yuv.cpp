#include "zerocopy/cpu/rgb_to_yuv.h"

#include <algorithm>

namespace zc {

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

}  // namespace zc
