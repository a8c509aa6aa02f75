#include "support/test_picture.h"

#include "support/picture_format.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <vector>

namespace zc::test {
namespace {

using enum PixelFormat;

/// Bit positions of R, G, B and the unused or alpha bits in the little-endian word of a 32-bit RGB format.
struct WordLayout {
  PixelFormat format;
  unsigned red, green, blue, rest;
};
constexpr std::array kWords = {
    WordLayout{BGRx, 16, 8, 0, 24},        WordLayout{BGRA, 16, 8, 0, 24},        WordLayout{RGBx, 0, 8, 16, 24},
    WordLayout{RGBA, 0, 8, 16, 24},        WordLayout{xRGB, 8, 16, 24, 0},        WordLayout{ARGB, 8, 16, 24, 0},
    WordLayout{xBGR, 24, 16, 8, 0},        WordLayout{ABGR, 24, 16, 8, 0},        WordLayout{xRGB_210LE, 20, 10, 0, 30},
    WordLayout{ARGB_210LE, 20, 10, 0, 30}, WordLayout{xBGR_210LE, 0, 10, 20, 30}, WordLayout{ABGR_210LE, 0, 10, 20, 30},
    WordLayout{RGBx_102LE, 22, 12, 2, 0},  WordLayout{RGBA_102LE, 22, 12, 2, 0},  WordLayout{BGRx_102LE, 2, 12, 22, 0},
    WordLayout{BGRA_102LE, 2, 12, 22, 0},
};

/// Where the byte lies that tells white from black, in the samples of plane 0.
struct LumaByte {
  unsigned offset;
  unsigned step;
};
LumaByte luma_byte(PixelFormat format) {
  switch (format) {
    case YUY2: return {0, 2};
    case UYVY: return {1, 2};
    case P010: return {1, 2};
    case I010:
    case I410: return {0, 2};
    case NV12:
    case I420:
    case I422:
    case I444: return {0, 1};
    default: return {1, 4};
  }
}

void put16(std::byte* at, std::uint32_t value) {
  const auto v = static_cast<std::uint16_t>(value);
  std::memcpy(at, &v, 2);
}
void put32(std::byte* at, std::uint32_t value) { std::memcpy(at, &value, 4); }

std::uint32_t triangle(std::uint32_t v) {
  v &= 2047U;
  return v < 1024 ? v : 2047 - v;
}

std::uint8_t component8(unsigned c, std::uint32_t x, std::uint32_t y, std::uint32_t frame) {
  return static_cast<std::uint8_t>(picture_component(c, x, y, frame) >> 2U);
}

void paint_rgb_row(const WordLayout& layout, bool ten_bit, std::uint32_t width, std::uint32_t y, std::uint32_t frame,
                   std::byte* row) {
  const unsigned drop = ten_bit ? 0 : 2;
  const std::uint32_t rest = (ten_bit ? 3U : 255U) << layout.rest;
  for (std::uint32_t x = 0; x < width; ++x) {
    put32(row + std::size_t{x} * 4, picture_component(0, x, y, frame) >> drop << layout.red |
                                        picture_component(1, x, y, frame) >> drop << layout.green |
                                        picture_component(2, x, y, frame) >> drop << layout.blue | rest);
  }
}

/// One row of one plane of a YUV format.
void paint_yuv_row(PixelFormat format, unsigned plane, std::uint32_t samples, std::uint32_t y, std::uint32_t frame,
                   std::byte* row) {
  for (std::uint32_t x = 0; x < samples; ++x) {
    const std::size_t at = std::size_t{x} * picture_format(format).bytes.at(plane);
    const unsigned first = plane;  // planes 1 and 2 hold components 1 and 2, unless they interleave
    switch (format) {
      case YUY2:
      case UYVY: {
        const std::size_t luma = format == YUY2 ? 0 : 1;
        row[at + luma] = std::byte{component8(0, x, y, frame)};
        row[at + 1 - luma] = std::byte{component8(1 + x % 2, x / 2, y, frame)};
        break;
      }
      case P010:
        put16(row + at, picture_component(first, x, y, frame) << 6U);
        if (plane == 1) put16(row + at + 2, picture_component(2, x, y, frame) << 6U);
        break;
      case I010:
      case I410: put16(row + at, picture_component(first, x, y, frame)); break;
      case NV12:
        row[at] = std::byte{component8(first, x, y, frame)};
        if (plane == 1) row[at + 1] = std::byte{component8(2, x, y, frame)};
        break;
      default: row[at] = std::byte{component8(first, x, y, frame)}; break;
    }
  }
}

/// White is 0xff in the luma byte and, for wider samples, in all of their significant bits.
void put_luma(PixelFormat format, std::byte* sample, bool white) {
  switch (format) {
    case P010: put16(sample, white ? 0xffc0 : 0); break;
    case I010:
    case I410: put16(sample, white ? 0x03ff : 0); break;
    default: sample[luma_byte(format).offset] = white ? std::byte{0xff} : std::byte{0}; break;
  }
}

struct MarkArea {
  std::uint32_t width, height;
};
MarkArea mark_area(Size size) {
  const std::uint32_t cell = mark_cell_px(size);
  return {std::min(cell * kMarkColumns, size.width), std::min(cell * kMarkRows, size.height)};
}

void paint_mark_over(PixelFormat format, Size size, const TestMark& mark, const PictureTarget& plane) {
  const MarkArea area = mark_area(size);
  const auto span = [&](std::byte* data, std::size_t stride) {
    return std::span(data, stride * (size.height - 1) + std::size_t{size.width} * 4);
  };
  if (!picture_format(format).yuv) {
    paint_mark(span(plane.data, plane.stride_bytes), plane.stride_bytes, size, mark);
    return;
  }
  std::vector<std::byte> words(std::size_t{size.width} * size.height * 4);
  paint_mark(words, std::size_t{size.width} * 4, size, mark);
  const LumaByte luma = luma_byte(format);
  for (std::uint32_t y = 0; y < area.height; ++y) {
    for (std::uint32_t x = 0; x < area.width; ++x) {
      const bool white = words[(std::size_t{y} * size.width + x) * 4] != std::byte{0};
      put_luma(format, plane.data + y * plane.stride_bytes + std::size_t{x} * luma.step, white);
    }
  }
}

}  // namespace

std::uint32_t picture_component(unsigned component, std::uint32_t x, std::uint32_t y, std::uint32_t frame) {
  return triangle(x * (3 + component) + y * (5 + 2 * component) + frame * 29 + component * 341);
}

void paint_picture(PixelFormat format, Size size, const TestMark& mark, const std::array<PictureTarget, 3>& planes) {
  const auto* const word = std::ranges::find(kWords, format, &WordLayout::format);
  const PictureFormat& layout = picture_format(format);
  for (unsigned p = 0; p < layout.planes; ++p) {
    const Size samples = layout.plane_size(p, size);
    for (std::uint32_t y = 0; y < samples.height; ++y) {
      std::byte* row = planes.at(p).data + y * planes.at(p).stride_bytes;
      if (word != kWords.end()) {
        paint_rgb_row(*word, layout.bits == 10, samples.width, y, mark.frame, row);
      } else {
        paint_yuv_row(format, p, samples.width, y, mark.frame, row);
      }
    }
  }
  paint_mark_over(format, size, mark, planes[0]);
}

std::optional<TestMark> read_picture_mark(PixelFormat format, Size size, const std::array<PictureView, 3>& planes) {
  const LumaByte luma = luma_byte(format);
  const MarkArea area = mark_area(size);
  std::vector<std::byte> plane(std::size_t{size.width} * size.height);
  for (std::uint32_t y = 0; y < area.height; ++y) {
    const std::byte* row = planes[0].data + y * planes[0].stride_bytes;
    for (std::uint32_t x = 0; x < area.width; ++x) {
      plane[std::size_t{y} * size.width + x] = row[std::size_t{x} * luma.step + luma.offset];
    }
  }
  return read_mark(plane, size.width, size, 1, size);
}

std::optional<PictureDifference> compare_picture(PixelFormat format, Size size, const TestMark& mark,
                                                 const std::array<PictureView, 3>& planes) {
  std::array<std::vector<std::byte>, 3> expected;
  std::array<PictureTarget, 3> targets;
  const PictureFormat& layout = picture_format(format);
  for (unsigned p = 0; p < layout.planes; ++p) {
    const auto stride = static_cast<std::size_t>(layout.row_bytes(p, size.width));
    expected.at(p).resize(stride * layout.plane_size(p, size).height);
    targets.at(p) = {expected.at(p).data(), stride};
  }
  paint_picture(format, size, mark, targets);
  for (unsigned p = 0; p < layout.planes; ++p) {
    for (std::uint32_t y = 0; y < layout.plane_size(p, size).height; ++y) {
      const std::span want(targets.at(p).data + y * targets.at(p).stride_bytes, targets.at(p).stride_bytes);
      const std::span got(planes.at(p).data + y * planes.at(p).stride_bytes, targets.at(p).stride_bytes);
      const auto difference = std::ranges::mismatch(want, got);
      if (difference.in1 == want.end()) continue;
      return PictureDifference{p, y, static_cast<std::size_t>(difference.in1 - want.begin())};
    }
  }
  return std::nullopt;
}

}  // namespace zc::test
