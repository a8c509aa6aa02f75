#include "zerocopy/vulkan/pass_geometry.h"

#include "zerocopy/cpu/yuv_coefficients.h"
#include "zerocopy/cpu/yuv_view.h"

#include <algorithm>

namespace zc {
namespace {

std::array<std::int32_t, 2> pair(Size size) {
  return {static_cast<std::int32_t>(size.width), static_cast<std::int32_t>(size.height)};
}

std::int32_t words(std::size_t bytes) { return static_cast<std::int32_t>(bytes / 4); }

}  // namespace

bool pass_takes(const PicturePlan& plan) {
  if (!rgb_fields(plan.format).valid) return false;
  return plan.shown.width / kMaxShrink <= plan.content.width && plan.shown.height / kMaxShrink <= plan.content.height;
}

PassGeometry pass_geometry(const PicturePlan& plan, const SourcePlane& source, const SurfaceLayout& target) {
  const auto source_of = [&plan](std::int32_t x, std::int32_t y) {
    const Rect at = source_rect(plan.transform, plan.crop.size(), {x, y, 1, 1});
    return Point{plan.crop.x + at.x, plan.crop.y + at.y};
  };
  const Point origin = source_of(0, 0);
  const Point right = source_of(1, 0);
  const Point below = source_of(0, 1);
  const bool interleaved = yuv_layout(target.format).interleaved;
  PassGeometry g{};
  g.size = pair(target.size);
  g.box_at = {plan.box.x, plan.box.y};
  g.box_size = pair(plan.box.size());
  g.content = pair(plan.content);
  g.origin = {origin.x, origin.y};
  g.step_x = {right.x - origin.x, right.y - origin.y};
  g.step_y = {below.x - origin.x, below.y - origin.y};
  g.source_offset = static_cast<std::int32_t>(source.offset_bytes);
  g.source_stride = static_cast<std::int32_t>(source.stride_bytes);
  g.luma_pitch = words(target.planes[0].stride_bytes);
  g.chroma_pitch = words(target.planes[1].stride_bytes);
  g.u_offset = words(target.planes[1].offset_bytes);
  g.v_offset = interleaved ? g.u_offset : words(target.planes[2].offset_bytes);
  g.shown = pair(plan.shown);
  g.ratio = {static_cast<float>(plan.shown.width) / static_cast<float>(plan.content.width),
             static_cast<float>(plan.shown.height) / static_cast<float>(plan.content.height)};
  return g;
}

PassVariant pass_variant(const PicturePlan& plan, const SourcePlane& source, const SurfaceFormat& target, bool image) {
  PassVariant v;
  v.image = image;
  v.source = plan.format;
  v.turned = plan.transform != Transform::Normal;
  v.scaled = plan.scaled;
  v.tone = plan.tone;
  v.target = target.format;
  v.matrix = target.colour.matrix;
  v.range = target.colour.range;
  if (image) return v;
  // An invocation's pixels begin at a multiple of eight on the surface; four pixels are 16 bytes.
  const bool quads = (plan.crop.x - plan.box.x) % 4 == 0;
  const std::size_t odd = source.offset_bytes | source.stride_bytes;
  if (odd % 16 == 0 && quads) {
    v.load_bytes = 16;
  } else {
    v.load_bytes = odd % 4 == 0 ? 4 : 1;
  }
  return v;
}

std::array<std::int32_t, kPassConstants> pass_constants(const PassVariant& variant,
                                                        std::array<std::int32_t, 2> workgroup) {
  PixelFormat source = variant.main ? variant.source : PixelFormat::RGBx;
  if (variant.image) {
    source = rgb_fields(source).layout == RgbLayout::Bytes ? PixelFormat::RGBx : PixelFormat::xBGR_210LE;
  }
  const ColourDescription colour{.matrix = variant.matrix, .range = variant.range};
  const YuvCoefficients c = yuv_coefficients(source, variant.target, colour);
  const YuvLayout layout = yuv_layout(variant.target);
  const auto shift = static_cast<std::int32_t>(c.shift);
  const std::int32_t unit = layout.wide ? 4 : 1;
  std::array<std::int32_t, kPassConstants> out{
      workgroup[0],
      workgroup[1],
      static_cast<std::int32_t>(c.layout),
      variant.load_bytes,
      variant.turned ? 1 : 0,
      layout.subsampled ? 1 : 0,
      layout.interleaved ? 1 : 0,
      layout.wide ? 1 : 0,
      static_cast<std::int32_t>(layout.value_shift),
      shift,
      c.max_value,
      c.luma_bias,
      layout.subsampled ? c.chroma_sum_bias : c.chroma_bias,
      layout.subsampled ? shift + static_cast<std::int32_t>(kChromaSumShift) : shift,
  };
  auto* weight = out.begin() + 14;
  for (const FieldWeights& row : {c.luma, c.cb, c.cr}) weight = std::ranges::copy(row, weight).out;
  out[26] = (variant.range == ColourRange::Full ? 0 : 16) * unit;
  out[27] = variant.matrix == ColourMatrix::Rgb ? 0 : 128 * unit;
  out[32] = variant.main ? 1 : 0;
  std::ranges::copy(variant.traits, out.begin() + 33);
  if (variant.tone == ToneMap::None && !variant.layers) return out;
  const RgbFields fields = rgb_fields(source);
  out[28] = static_cast<std::int32_t>(variant.tone);
  out[29] = fields.red;
  out[30] = fields.green;
  out[31] = fields.blue;
  return out;
}

std::size_t source_bytes(const SourcePlane& source, Size buffer) {
  const std::size_t end =
      source.offset_bytes + source.stride_bytes * (std::size_t{buffer.height} - 1) + std::size_t{buffer.width} * 4;
  return (end + 3) / 4 * 4;
}

}  // namespace zc
