#include "zerocopy/cpu/planar_source.h"

#include "zerocopy/cpu/libyuv_ops.h"
#include "zerocopy/picture_plan.h"

#include <algorithm>
#include <cstdint>

namespace zc {
namespace {

template <class Sample>
const Sample* line(const std::byte* data, std::size_t stride_bytes, std::size_t y) {
  return reinterpret_cast<const Sample*>(data + y * stride_bytes);
}
template <class Sample>
Sample* line(std::byte* data, std::size_t stride_bytes, std::size_t y) {
  return reinterpret_cast<Sample*>(data + y * stride_bytes);
}

/// Its planar kin: what turning and scaling go on with.
PixelFormat step_format(PixelFormat format) { return format == PixelFormat::P010 ? PixelFormat::I010 : format; }

/// The crop, each plane by itself, its numbers in the low bits.
void take_crop(const HostImage& image, const Rect& crop, const YuvView& to) {
  const YuvLayout from = yuv_layout(image.format);
  for (unsigned plane = 0; plane < 3; ++plane) {
    const unsigned shift = plane > 0 && from.subsampled ? 1 : 0;
    const std::size_t left = static_cast<std::size_t>(crop.x) >> shift;
    const std::size_t top = static_cast<std::size_t>(crop.y) >> shift;
    const std::size_t width = plane_width(to.format, plane, crop.width);
    const std::size_t height = plane_height(to.format, plane, crop.height);
    const bool interleaved = plane > 0 && from.interleaved;
    const HostImage::Plane& source = image.planes.at(interleaved ? 1 : plane);
    const YuvView::Plane& target = to.planes.at(plane);
    for (std::size_t y = 0; y < height; ++y) {
      if (!from.wide) {
        const auto* in = line<std::uint8_t>(source.data, source.stride_bytes, top + y) + left;
        std::copy_n(in, width, line<std::uint8_t>(target.data, target.stride_bytes, y));
        continue;
      }
      const std::size_t step = interleaved ? 2 : 1;
      const auto* in =
          line<std::uint16_t>(source.data, source.stride_bytes, top + y) + left * step + (interleaved ? plane - 1 : 0);
      auto* out = line<std::uint16_t>(target.data, target.stride_bytes, y);
      for (std::size_t x = 0; x < width; ++x) out[x] = static_cast<std::uint16_t>(in[x * step] >> from.value_shift);
    }
  }
}

template <class Sample>
void turn_plane(const YuvView::Plane& from, Size size, Transform transform, const YuvView::Plane& to) {
  const Size shown = swaps_axes(transform) ? Size{size.height, size.width} : size;
  for (std::uint32_t y = 0; y < shown.height; ++y) {
    auto* out = line<Sample>(to.data, to.stride_bytes, y);
    for (std::uint32_t x = 0; x < shown.width; ++x) {
      const Rect at = source_rect(transform, size, {static_cast<std::int32_t>(x), static_cast<std::int32_t>(y), 1, 1});
      out[x] = line<Sample>(static_cast<const std::byte*>(from.data), from.stride_bytes,
                            static_cast<std::size_t>(at.y))[at.x];
    }
  }
}

void turn(const YuvView& from, Transform transform, const YuvView& to) {
  for (unsigned plane = 0; plane < 3; ++plane) {
    const Size size{plane_width(from.format, plane, from.size.width),
                    plane_height(from.format, plane, from.size.height)};
    if (yuv_layout(from.format).wide) {
      turn_plane<std::uint16_t>(from.planes.at(plane), size, transform, to.planes.at(plane));
    } else {
      turn_plane<std::uint8_t>(from.planes.at(plane), size, transform, to.planes.at(plane));
    }
  }
}

/// Reads one plane of a planar picture, its numbers brought to the depth of the target.
class PlaneReader {
 public:
  PlaneReader(const YuvView& from, unsigned plane, bool to_wide)
      : plane_(from.planes.at(plane)),
        width_(plane_width(from.format, plane, from.size.width)),
        height_(plane_height(from.format, plane, from.size.height)),
        wide_(yuv_layout(from.format).wide),
        to_wide_(to_wide) {}

  /// Outside counts as the nearest one inside.
  [[nodiscard]] std::uint32_t at(std::size_t x, std::size_t y) const {
    x = std::min(x, width_ - 1);
    y = std::min(y, height_ - 1);
    const std::byte* data = plane_.data;
    const std::uint32_t value = wide_ ? line<std::uint16_t>(data, plane_.stride_bytes, y)[x]
                                      : line<std::uint8_t>(data, plane_.stride_bytes, y)[x];
    if (wide_ == to_wide_) return value;
    return wide_ ? std::min((value + 2) >> 2U, 255U) : value << 2U;
  }

 private:
  YuvView::Plane plane_;
  std::size_t width_, height_;
  bool wide_, to_wide_;
};

/// A chroma sample at the target's place. Subsampled ones lie on the left pixel of two, and between two lines.
std::uint32_t chroma_at(const PlaneReader& plane, std::size_t x, std::size_t y, bool from_half, bool to_half) {
  if (from_half == to_half) return plane.at(x, y);
  if (to_half) {
    std::uint32_t sum = 4;
    for (const std::size_t line_of_two : {2 * y, 2 * y + 1}) {
      const std::size_t left = x == 0 ? 0 : 2 * x - 1;
      sum += plane.at(left, line_of_two) + 2 * plane.at(2 * x, line_of_two) + plane.at(2 * x + 1, line_of_two);
    }
    return sum >> 3U;
  }
  const std::size_t near_line = y / 2;
  const std::size_t far_line = y % 2 == 0 ? (near_line == 0 ? 0 : near_line - 1) : near_line + 1;
  const auto across = [&](std::size_t at_line) {
    const std::uint32_t left = plane.at(x / 2, at_line);
    return x % 2 == 0 ? 2 * left : left + plane.at(x / 2 + 1, at_line);
  };
  return (3 * across(near_line) + across(far_line) + 4) >> 3U;
}

template <class Sample>
void fill(const YuvView& from, const YuvView& to) {
  const YuvLayout layout = yuv_layout(to.format);
  const bool from_half = yuv_layout(from.format).subsampled;
  for (unsigned plane = 0; plane < 3; ++plane) {
    const PlaneReader reader(from, plane, layout.wide);
    const std::size_t width = plane_width(to.format, plane, to.size.width);
    const std::size_t height = plane_height(to.format, plane, to.size.height);
    const bool interleaved = plane > 0 && layout.interleaved;
    const std::size_t step = interleaved ? 2 : 1;
    const YuvView::Plane& target = to.planes.at(interleaved ? 1 : plane);
    for (std::size_t y = 0; y < height; ++y) {
      Sample* out = line<Sample>(target.data, target.stride_bytes, y) + (interleaved ? plane - 1 : 0);
      for (std::size_t x = 0; x < width; ++x) {
        const std::uint32_t value =
            plane == 0 ? reader.at(x, y) : chroma_at(reader, x, y, from_half, layout.subsampled);
        out[x * step] = static_cast<Sample>(value << layout.value_shift);
      }
    }
  }
}

}  // namespace

bool is_planar_source(PixelFormat format) {
  using enum PixelFormat;
  return format == P010 || format == I010 || format == I444 || format == I410;
}

Result<void> PlanarSource::convert(const HostImage& image, const Rect& crop, Transform transform, bool scaled,
                                   const YuvView& target) {
  YuvView step = scratch_[0].reset(step_format(image.format), crop.size());
  take_crop(image, crop, step);
  if (transform != Transform::Normal) {
    const Size shown = swaps_axes(transform) ? Size{crop.height, crop.width} : crop.size();
    const YuvView turned = scratch_[1].reset(step.format, shown);
    turn(step, transform, turned);
    step = turned;
  }
  if (scaled) {
    const YuvView sized = scratch_[2].reset(step.format, target.size);
    if (auto done = scale_yuv(step, sized); !done) return done;
    step = sized;
  }
  if (yuv_layout(target.format).wide) {
    fill<std::uint16_t>(step, target);
  } else {
    fill<std::uint8_t>(step, target);
  }
  return {};
}

}  // namespace zc
