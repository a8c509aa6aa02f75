#include "zerocopy/cpu/picture_converter.h"

#include "zerocopy/cpu/libyuv_ops.h"

#include <fmt/format.h>

#include <algorithm>

namespace zc {
namespace {

/// Rows turned at a time: small enough that they are still in the cache when they are converted, large enough that a
/// quarter turn uses whole cache lines of its source.
constexpr std::uint32_t kStripRows = 32;

Rect with_offset(const Rect& rect, Point by) { return {rect.x + by.x, rect.y + by.y, rect.width, rect.height}; }

/// The format scaled in on the way to `format`. libyuv's scaler of interleaved chroma loses 1/128 of the value (grey
/// 128 becomes 127 and tints), and it has no complete one for 16-bit words.
PixelFormat planar(PixelFormat format) {
  if (!yuv_layout(format).interleaved) return format;
  return yuv_layout(format).wide ? PixelFormat::I010 : PixelFormat::I420;
}

/// YUY2 and UYVY: two pixels share a word.
bool is_packed(PixelFormat format) { return info(format).yuv && info(format).planes == 1; }

/// The 8-bit format with the same subsampling.
PixelFormat narrow(PixelFormat format) {
  if (!yuv_layout(format).wide) return format;
  return yuv_layout(format).subsampled ? PixelFormat::I420 : PixelFormat::I444;
}

}  // namespace

Result<void> validate(const HostImage& image) {
  const bool rgb = rgb_fields(image.format).valid;
  if (!rgb && !is_camera_format(image.format) && !is_planar_source(image.format)) {
    return fail(ErrorKind::Unsupported, "import frame", fmt::format("format {} on the CPU", name(image.format)));
  }
  if (auto good = check_edges(image.size, "import frame"); !good) return good;
  if (is_packed(image.format) && image.size.width < 2) {
    return fail(ErrorKind::Invalid, "import frame", "packed 4:2:2 is at least two pixels wide");
  }
  for (unsigned i = 0; i < info(image.format).planes; ++i) {
    const HostImage::Plane& plane = image.planes.at(i);
    if (plane.data == nullptr) return fail(ErrorKind::Invalid, "import frame", fmt::format("plane {} is missing", i));
    const std::uint64_t row = row_bytes(image.format, i, image.size.width);
    // libyuv takes strides as int.
    if (plane.stride_bytes < row || plane.stride_bytes > 0x7fffffffU) {
      return fail(ErrorKind::Invalid, "import frame",
                  fmt::format("plane {}: a stride of {} bytes for rows of {}", i, plane.stride_bytes, row));
    }
  }
  return {};
}

Result<void> PictureConverter::configure(const PicturePlan& plan, const SurfaceFormat& target) {
  plan_ = plan;
  target_ = target;
  subsampled_ = yuv_layout(target.format).subsampled;
  rgb_ = {};
  tone_.reset();
  recolour_.reset();
  step_format_ = plan.scaled ? planar(target.format) : target.format;
  if (is_camera_format(plan.format) || is_planar_source(plan.format)) {
    // Their chroma cannot be cut between two samples, and packed 4:2:2 has no odd last column.
    plan_.crop.x &= ~1;
    plan_.crop.y &= ~1;
    recolour_ = YuvRecolour::between(plan.colour, target.colour, target.format);
    return {};
  }
  auto rgb = RgbToYuv::create(plan.format, step_format_, target.colour);
  if (!rgb) return std::unexpected(std::move(rgb.error()));
  rgb_ = *rgb;
  if (plan.tone != ToneMap::None) tone_.emplace(plan.format, plan.tone);
  return {};
}

bool PictureConverter::incremental() const {
  return rgb_ && plan_.transform == Transform::Normal && !plan_.scaled && !tone_;
}

Damage PictureConverter::affected(const Damage& damage) const {
  if (damage.nothing()) return damage;
  if (damage.everything() || !incremental()) return Damage::all();
  Damage area = Damage::none();
  for (const Rect& rect : damage.rects()) {
    const Rect inside = intersect(rect, plan_.crop);
    if (inside.empty()) continue;
    Rect reached = chroma_reach(with_offset(inside, {-plan_.crop.x, -plan_.crop.y}), plan_.content, subsampled_);
    if (reached.empty()) continue;
    // The repeated last column and row of a padded picture belong to the pixels they repeat.
    if (static_cast<std::uint32_t>(reached.x) + reached.width == plan_.content.width) {
      reached.width += plan_.box.width - plan_.content.width;
    }
    if (static_cast<std::uint32_t>(reached.y) + reached.height == plan_.content.height) {
      reached.height += plan_.box.height - plan_.content.height;
    }
    area.add(with_offset(reached, {plan_.box.x, plan_.box.y}));
  }
  return area;
}

RgbView PictureConverter::cropped(const HostImage& image) const {
  const HostImage::Plane& plane = image.planes[0];
  return {plane.data + static_cast<std::size_t>(plan_.crop.y) * plane.stride_bytes +
              static_cast<std::size_t>(plan_.crop.x) * 4,
          plane.stride_bytes, plan_.crop.size()};
}

RgbView PictureConverter::pixels(const HostImage& image) const {
  RgbView picture = cropped(image);
  picture.size = plan_.content;
  return picture;
}

void PictureConverter::convert(const HostImage& image, const Damage& area, const YuvView& surface) const {
  for (const Rect& rect : area.rects()) convert(image, rect, surface);
}

void PictureConverter::convert(const HostImage& image, const Rect& part, const YuvView& surface) const {
  const YuvView box = surface.part(plan_.box);
  const Rect in_box = with_offset(part, {-plan_.box.x, -plan_.box.y});
  const Rect inside = intersect(in_box, {0, 0, plan_.content.width, plan_.content.height});
  // Merged areas are bounding boxes of aligned ones; only the content's odd end may cut one.
  rgb_.convert(pixels(image), chroma_aligned(inside, plan_.content, subsampled_), box);
  // Only there: layers may have been drawn over the rest.
  const Rect whole = intersect(in_box, {0, 0, box.size.width, box.size.height});
  if (inside != whole && !inside.empty()) extend_edges(box.part(whole), inside.size());
}

Result<void> PictureConverter::convert(const HostImage& image, const YuvView& box) {
  if (!rgb_) return convert_yuv(image, box);
  if (!plan_.scaled) {
    if (auto done = convert_rgb(image, box); !done) return done;
    if (plan_.padded()) extend_edges(box, plan_.content);
    return {};
  }
  const YuvView unscaled = scratch_[0].reset(step_format_, plan_.shown);
  if (auto done = convert_rgb(image, unscaled); !done) return done;
  if (step_format_ == box.format) return scale_yuv(unscaled, box);
  const YuvView scaled = scratch_[1].reset(step_format_, box.size);
  if (auto done = scale_yuv(unscaled, scaled); !done) return done;
  if (step_format_ == PixelFormat::I420) return i420_to(scaled, box);
  interleave_p010(scaled, box);
  return {};
}

Result<void> PictureConverter::convert_rgb(const HostImage& image, const YuvView& target) {
  RgbView picture = cropped(image);
  if (tone_) picture = tone_->apply(picture);
  const Size size = plan_.scaled ? plan_.shown : plan_.content;
  if (plan_.transform == Transform::Normal) {
    picture.size = size;
    rgb_.convert(picture, target);
    return {};
  }
  const std::size_t stride = std::size_t{size.width} * 4;
  if (strip_.size() < stride * kStripRows) strip_.resize(stride * kStripRows);
  for (std::uint32_t y = 0; y < size.height; y += kStripRows) {
    const Rect rows{0, static_cast<std::int32_t>(y), size.width, std::min(kStripRows, size.height - y)};
    const Rect from = source_rect(plan_.transform, plan_.crop.size(), rows);
    const RgbView part{
        picture.data + static_cast<std::size_t>(from.y) * picture.stride_bytes + static_cast<std::size_t>(from.x) * 4,
        picture.stride_bytes, from.size()};
    if (auto done = turn_pixels(part, plan_.transform, strip_.data(), stride); !done) return done;
    rgb_.convert({strip_.data(), stride, rows.size()}, target.part(rows));
  }
  return {};
}

Result<void> PictureConverter::convert_yuv(const HostImage& image, const YuvView& box) {
  Result<void> done;
  if (is_camera_format(plan_.format)) {
    done = convert_camera(image, box);
  } else {
    const Size shown = swaps_axes(plan_.transform) ? Size{plan_.crop.height, plan_.crop.width} : plan_.crop.size();
    const bool scaled = plan_.scaled || shown.width > box.size.width || shown.height > box.size.height;
    const Size filled = scaled ? box.size : shown;
    done = planar_.convert(image, plan_.crop, plan_.transform, scaled, box.part({0, 0, filled.width, filled.height}));
    if (done && filled != box.size) extend_edges(box, filled);
  }
  if (done && recolour_) recolour_->apply(box);
  return done;
}

Result<void> PictureConverter::convert_camera(const HostImage& image, const YuvView& box) {
  // Even origins (see configure()) and, for packed 4:2:2, an even width; what that cuts off is repeated at the end.
  Rect crop = plan_.crop;
  if (is_packed(plan_.format)) crop.width = std::max(crop.width & ~1U, 2U);
  Size shown = swaps_axes(plan_.transform) ? Size{crop.height, crop.width} : crop.size();
  const bool upright = plan_.transform == Transform::Normal;
  const bool scaled = plan_.scaled || shown.width > box.size.width || shown.height > box.size.height;
  const bool direct = box.format == PixelFormat::NV12 || box.format == PixelFormat::I420;
  if (upright && !scaled && direct) {
    if (auto done = camera_to_420(image, crop, box.part({0, 0, shown.width, shown.height})); !done) return done;
    if (shown != box.size) extend_edges(box, shown);
    return {};
  }
  YuvView step = scratch_[0].reset(PixelFormat::I420, crop.size());
  if (auto done = camera_to_420(image, crop, step); !done) return done;
  if (!upright) {
    const YuvView turned = scratch_[1].reset(PixelFormat::I420, shown);
    if (auto done = turn_i420(step, plan_.transform, turned); !done) return done;
    step = turned;
  }
  if (scaled) {
    const YuvView sized = scratch_[2].reset(PixelFormat::I420, box.size);
    if (auto done = scale_yuv(step, sized); !done) return done;
    step = sized;
    shown = box.size;
  }
  const YuvView target = box.part({0, 0, shown.width, shown.height});
  const PixelFormat eight_bit = narrow(box.format);
  if (eight_bit == box.format) {
    if (auto done = i420_to(step, target); !done) return done;
  } else {
    if (eight_bit != PixelFormat::I420) {
      const YuvView full_chroma = scratch_[3].reset(eight_bit, shown);
      if (auto done = i420_to(step, full_chroma); !done) return done;
      step = full_chroma;
    }
    widen(step, target);
  }
  if (shown != box.size) extend_edges(box, shown);
  return {};
}

}  // namespace zc
