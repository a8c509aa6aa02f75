#include "softgpu/nvenc/formats.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace zc::softgpu {
namespace {

void read_plane(const std::uint8_t* from, std::size_t pitch, Picture& to, std::size_t plane) {
  for (unsigned y = 0; y < to.plane_height(plane); ++y) {
    std::memcpy(to.row(plane, y), from + y * pitch, to.row_bytes(plane));
  }
}

/// The samples of P010 and its kin have their bits at the top.
void low_bits(Picture& picture) {
  for (auto& plane : picture.planes) {
    for (std::size_t i = 0; i + 1 < plane.size(); i += 2) {
      std::uint16_t sample = 0;
      std::memcpy(&sample, &plane[i], sizeof sample);
      sample = static_cast<std::uint16_t>(sample >> 6);
      std::memcpy(&plane[i], &sample, sizeof sample);
    }
  }
}

void read_semi_planar(const InputView& from, Picture& to) {
  read_plane(from.data, from.pitch, to, 0);
  const std::size_t sample = to.sample_bytes();
  for (unsigned y = 0; y < to.plane_height(1); ++y) {
    const std::uint8_t* pairs = from.data + (from.height + y) * from.pitch;
    std::uint8_t* u = to.row(1, y);
    std::uint8_t* v = to.row(2, y);
    for (std::size_t x = 0; x < to.plane_width(1); ++x) {
      std::memcpy(u + x * sample, pairs + 2 * x * sample, sample);
      std::memcpy(v + x * sample, pairs + (2 * x + 1) * sample, sample);
    }
  }
}

void read_semi_planar_10(const InputView& from, Picture& to) {
  read_semi_planar(from, to);
  low_bits(to);
}

/// Chroma rows lie half a pitch apart.
template <std::size_t First>
void read_planar_420(const InputView& from, Picture& to) {
  const std::uint8_t* chroma = from.data + from.height * from.pitch;
  read_plane(from.data, from.pitch, to, 0);
  read_plane(chroma, from.pitch / 2, to, First);
  read_plane(chroma + std::size_t{to.plane_height(1)} * (from.pitch / 2), from.pitch / 2, to, 3 - First);
}

void read_planar_444(const InputView& from, Picture& to) {
  for (std::size_t plane = 0; plane < 3; ++plane) {
    read_plane(from.data + plane * from.height * from.pitch, from.pitch, to, plane);
  }
}

void read_planar_444_10(const InputView& from, Picture& to) {
  read_planar_444(from, to);
  low_bits(to);
}

struct Rgb {
  int r = 0, g = 0, b = 0;
};

/// NVENC turns RGB into BT.601 of limited range; the usual 8-bit weights.
std::uint8_t luma(Rgb c) { return static_cast<std::uint8_t>((66 * c.r + 129 * c.g + 25 * c.b + 128) / 256 + 16); }
std::uint8_t chroma_u(Rgb c) {
  return static_cast<std::uint8_t>((-38 * c.r - 74 * c.g + 112 * c.b + 128 + 32768) / 256);
}
std::uint8_t chroma_v(Rgb c) {
  return static_cast<std::uint8_t>((112 * c.r - 94 * c.g - 18 * c.b + 128 + 32768) / 256);
}

/// NV_ENC_BUFFER_FORMAT_ARGB and ABGR are words: in memory B, G, R, A and R, G, B, A.
template <std::size_t Red>
void read_rgb(const InputView& from, Picture& to) {
  const auto pixel = [&](unsigned x, unsigned y) {
    const std::uint8_t* p =
        from.data + std::min(y, from.height - 1) * from.pitch + std::size_t{4} * std::min(x, from.width - 1);
    return Rgb{p[Red], p[1], p[2 - Red]};
  };
  for (unsigned y = 0; y < to.height; ++y) {
    for (unsigned x = 0; x < to.width; ++x) to.row(0, y)[x] = luma(pixel(x, y));
  }
  const unsigned step = to.yuv444 ? 1 : 2;
  for (unsigned y = 0; y < to.plane_height(1); ++y) {
    for (unsigned x = 0; x < to.plane_width(1); ++x) {
      Rgb sum;
      for (unsigned i = 0; i < step * step; ++i) {
        const Rgb c = pixel(x * step + i % step, y * step + i / step);
        sum = {sum.r + c.r, sum.g + c.g, sum.b + c.b};
      }
      const int n = static_cast<int>(step * step);
      const Rgb mean{(sum.r + n / 2) / n, (sum.g + n / 2) / n, (sum.b + n / 2) / n};
      to.row(1, y)[x] = chroma_u(mean);
      to.row(2, y)[x] = chroma_v(mean);
    }
  }
}

constexpr std::array<InputFormat, 8> kFormats{{
    {NV_ENC_BUFFER_FORMAT_NV12, 1, 3, 8, false, false, read_semi_planar},
    {NV_ENC_BUFFER_FORMAT_YV12, 1, 3, 8, false, false, read_planar_420<2>},
    {NV_ENC_BUFFER_FORMAT_IYUV, 1, 3, 8, false, false, read_planar_420<1>},
    {NV_ENC_BUFFER_FORMAT_YUV444, 1, 6, 8, true, false, read_planar_444},
    {NV_ENC_BUFFER_FORMAT_YUV420_10BIT, 2, 3, 10, false, false, read_semi_planar_10},
    {NV_ENC_BUFFER_FORMAT_YUV444_10BIT, 2, 6, 10, true, false, read_planar_444_10},
    {NV_ENC_BUFFER_FORMAT_ARGB, 4, 2, 8, false, true, read_rgb<2>},
    {NV_ENC_BUFFER_FORMAT_ABGR, 4, 2, 8, false, true, read_rgb<0>},
}};

void widen(Picture& picture) {
  picture.depth = 10;
  for (auto& plane : picture.planes) {
    std::vector<std::uint8_t> wide(plane.size() * 2);
    for (std::size_t i = 0; i < plane.size(); ++i) {
      const auto sample = static_cast<std::uint16_t>(plane[i] << 2);
      std::memcpy(&wide[2 * i], &sample, sizeof sample);
    }
    plane = std::move(wide);
  }
}

}  // namespace

std::span<const InputFormat> input_formats() { return kFormats; }

const InputFormat* find_input_format(NV_ENC_BUFFER_FORMAT format) {
  const auto* row = std::ranges::find(kFormats, format, &InputFormat::format);
  return row == kFormats.end() ? nullptr : row;
}

bool read_input(const InputFormat& format, const InputView& from, Picture& to) {
  const unsigned wanted = to.depth;
  if ((!format.rgb && format.yuv444 != to.yuv444) || format.depth > wanted) return false;
  to.depth = format.depth;
  for (std::size_t plane = 0; plane < 3; ++plane) {
    to.planes.at(plane).resize(to.row_bytes(plane) * to.plane_height(plane));
  }
  format.read(from, to);
  if (format.depth < wanted) widen(to);
  return true;
}

}  // namespace zc::softgpu
