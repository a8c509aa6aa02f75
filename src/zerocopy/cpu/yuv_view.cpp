#include "zerocopy/cpu/yuv_view.h"

#include <algorithm>
#include <cstring>

namespace zc {
namespace {

/// `rect` in the samples of one plane: x and width in bytes, y and height in rows.
struct PlaneRect {
  std::size_t x_bytes;
  std::size_t y;
  std::size_t width_bytes;
  std::size_t height;
};

PlaneRect plane_rect(PixelFormat format, unsigned plane, const Rect& rect) {
  const PixelFormatInfo& f = info(format);
  const unsigned shift_x = plane == 0 ? 0 : f.chroma_shift_x;
  const unsigned shift_y = plane == 0 ? 0 : f.chroma_shift_y;
  const std::size_t bytes = f.bytes_per_sample.at(plane);
  return {(static_cast<std::size_t>(rect.x) >> shift_x) * bytes, static_cast<std::size_t>(rect.y) >> shift_y,
          plane_width(format, plane, rect.width) * bytes, plane_height(format, plane, rect.height)};
}

/// Asks for `bytes` at `row`, which are about to be written: the lines of a surface lie in memory, and the ends of its
/// rows stop the hardware from fetching ahead.
#if defined(__x86_64__)
__attribute__((target("prfchw")))
#endif
void fetch_for_writing(const std::byte* row, std::size_t bytes) {
  constexpr std::size_t kLine = 64;
  for (std::size_t at = 0; at < bytes; at += kLine) __builtin_prefetch(row + at, 1, 3);
}

template <class Sample>
void fill_plane(const YuvView& view, unsigned plane, const Rect& rect, Sample value) {
  const PlaneRect r = plane_rect(view.format, plane, rect);
  const YuvView::Plane& p = view.planes.at(plane);
  for (std::size_t y = 0; y < r.height; ++y) {
    auto* row = reinterpret_cast<Sample*>(p.data + (r.y + y) * p.stride_bytes + r.x_bytes);
    std::fill_n(row, r.width_bytes / sizeof(Sample), value);
  }
}

}  // namespace

YuvView YuvView::part(const Rect& rect) const {
  YuvView view{format, rect.size(), planes};
  for (unsigned i = 0; i < info(format).planes; ++i) {
    const PlaneRect r = plane_rect(format, i, rect);
    view.planes.at(i).data += r.y * planes.at(i).stride_bytes + r.x_bytes;
  }
  return view;
}

YuvLayout yuv_layout(PixelFormat format) {
  switch (format) {
    case PixelFormat::NV12: return {true, true, true, false, 0};
    case PixelFormat::I420: return {true, true, false, false, 0};
    case PixelFormat::P010: return {true, true, true, true, 6};
    case PixelFormat::I010: return {true, true, false, true, 0};
    case PixelFormat::I444: return {true, false, false, false, 0};
    case PixelFormat::I410: return {true, false, false, true, 0};
    default: return {};
  }
}

Rect chroma_aligned(const Rect& rect, Size bounds, bool subsampled) {
  if (!subsampled || rect.empty()) return rect;
  const std::int32_t x0 = rect.x & ~1;
  const std::int32_t y0 = rect.y & ~1;
  const auto x1 = std::min((static_cast<std::uint32_t>(rect.x) + rect.width + 1U) & ~1U, bounds.width);
  const auto y1 = std::min((static_cast<std::uint32_t>(rect.y) + rect.height + 1U) & ~1U, bounds.height);
  return {x0, y0, x1 - static_cast<std::uint32_t>(x0), y1 - static_cast<std::uint32_t>(y0)};
}

Rect chroma_reach(const Rect& rect, Size bounds, bool subsampled) {
  const Rect inside = intersect(rect, {0, 0, bounds.width, bounds.height});
  if (!subsampled || inside.empty()) return inside;
  const std::uint32_t room = bounds.width - static_cast<std::uint32_t>(inside.x);
  return chroma_aligned({inside.x, inside.y, std::min(inside.width + 1, room), inside.height}, bounds, true);
}

void fill_black(const YuvView& view, const Rect& rect, const ColourDescription& colour) {
  if (rect.empty()) return;
  const YuvLayout layout = yuv_layout(view.format);
  const unsigned luma = colour.range == ColourRange::Full ? 0 : 16;
  const unsigned chroma = colour.matrix == ColourMatrix::Rgb ? 0 : 128;
  for (unsigned plane = 0; plane < info(view.format).planes; ++plane) {
    const unsigned eight_bit = plane == 0 ? luma : chroma;
    if (layout.wide) {
      fill_plane(view, plane, rect, static_cast<std::uint16_t>((eight_bit * 4) << layout.value_shift));
    } else {
      fill_plane(view, plane, rect, static_cast<std::uint8_t>(eight_bit));
    }
  }
}

void fill_bars(const YuvView& view, const Rect& content, const ColourDescription& colour) {
  const auto right = static_cast<std::uint32_t>(content.x) + content.width;
  const auto bottom = static_cast<std::uint32_t>(content.y) + content.height;
  const auto [width, height] = view.size;
  fill_black(view, {0, 0, width, static_cast<std::uint32_t>(content.y)}, colour);
  fill_black(view, {0, static_cast<std::int32_t>(bottom), width, height - bottom}, colour);
  fill_black(view, {0, content.y, static_cast<std::uint32_t>(content.x), content.height}, colour);
  fill_black(view, {static_cast<std::int32_t>(right), content.y, width - right, content.height}, colour);
}

void copy_rect(const YuvView& from, const YuvView& to, const Rect& rect) {
  if (rect.empty()) return;
  for (unsigned plane = 0; plane < info(from.format).planes; ++plane) {
    const PlaneRect r = plane_rect(from.format, plane, rect);
    const YuvView::Plane& source = from.planes.at(plane);
    const YuvView::Plane& target = to.planes.at(plane);
    constexpr std::size_t kRowsAhead = 4;
    constexpr std::size_t kLongRow = 128;
    for (std::size_t y = r.y; y < r.y + r.height; ++y) {
      if (r.width_bytes >= kLongRow && y + kRowsAhead < r.y + r.height) {
        fetch_for_writing(target.data + (y + kRowsAhead) * target.stride_bytes + r.x_bytes, r.width_bytes);
      }
      std::memcpy(target.data + y * target.stride_bytes + r.x_bytes, source.data + y * source.stride_bytes + r.x_bytes,
                  r.width_bytes);
    }
  }
}

void extend_edges(const YuvView& view, Size content) {
  for (unsigned plane = 0; plane < info(view.format).planes; ++plane) {
    const std::size_t sample = info(view.format).bytes_per_sample.at(plane);
    const YuvView::Plane& p = view.planes.at(plane);
    const std::size_t have_width = plane_width(view.format, plane, content.width);
    const std::size_t want_width = plane_width(view.format, plane, view.size.width);
    const std::size_t have_height = plane_height(view.format, plane, content.height);
    const std::size_t want_height = plane_height(view.format, plane, view.size.height);
    for (std::size_t x = have_width; x < want_width; ++x) {
      for (std::size_t y = 0; y < have_height; ++y) {
        std::byte* row = p.data + y * p.stride_bytes;
        std::memcpy(row + x * sample, row + (have_width - 1) * sample, sample);
      }
    }
    for (std::size_t y = have_height; y < want_height; ++y) {
      std::memcpy(p.data + y * p.stride_bytes, p.data + (have_height - 1) * p.stride_bytes, want_width * sample);
    }
  }
}

}  // namespace zc
