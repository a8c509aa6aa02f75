#include "zerocopy/cpu/rgb_rows.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>

namespace zc {
namespace {

template <RgbLayout kLayout>
struct Fields {
  std::int32_t f0, f1, f2, f3;
};

template <RgbLayout kLayout>
inline Fields<kLayout> load(const std::byte* row, std::size_t x) {
  std::uint32_t word = 0;
  std::memcpy(&word, row + x * 4, 4);
  const auto bits = [word](unsigned shift, std::uint32_t mask) {
    return static_cast<std::int32_t>((word >> shift) & mask);
  };
  if constexpr (kLayout == RgbLayout::Bytes) {
    return {bits(0, 0xff), bits(8, 0xff), bits(16, 0xff), bits(24, 0xff)};
  } else {
    constexpr unsigned base = kLayout == RgbLayout::TenBitHigh ? 2 : 0;
    return {bits(base, 0x3ff), bits(base + 10, 0x3ff), bits(base + 20, 0x3ff), 0};
  }
}

template <RgbLayout kLayout>
inline std::int32_t dot(const Fields<kLayout>& f, const FieldWeights& w) {
  return f.f0 * w[0] + f.f1 * w[1] + f.f2 * w[2] + f.f3 * w[3];
}

template <RgbTarget kTarget>
using Sample = std::conditional_t<kTarget.wide, std::uint16_t, std::uint8_t>;

template <RgbTarget kTarget, unsigned kShift>
inline Sample<kTarget> finish(std::int32_t sum, std::int32_t largest) {
  return static_cast<Sample<kTarget>>(std::min(sum >> kShift, largest) << kTarget.value_shift);
}

template <RgbLayout kLayout, RgbTarget kTarget>
constexpr unsigned kShiftOf = weight_shift(kLayout == RgbLayout::Bytes ? 8 : 10, kTarget.wide ? 10 : 8);

template <RgbLayout kLayout, RgbTarget kTarget>
void luma_row(const std::byte* source, std::byte* target, std::size_t width, const YuvCoefficients& c) {
  auto* out = reinterpret_cast<Sample<kTarget>*>(target);
  const FieldWeights w = c.luma;
  for (std::size_t x = 0; x < width; ++x) {
    const std::int32_t sum = dot(load<kLayout>(source, x), w) + c.luma_bias;
    out[x] = finish<kTarget, kShiftOf<kLayout, kTarget>>(sum, c.max_value);
  }
}

/// Six pixels around one chroma sample: left and right of the even column once, the column itself twice, both rows.
template <RgbLayout kLayout>
inline Fields<kLayout> weighted_sum(const std::byte* const (&left)[2], const std::byte* const (&centre)[2],
                                    const std::byte* const (&right)[2]) {
  Fields<kLayout> sum{};
  for (int row = 0; row < 2; ++row) {
    const auto l = load<kLayout>(left[row], 0);
    const auto m = load<kLayout>(centre[row], 0);
    const auto r = load<kLayout>(right[row], 0);
    sum.f0 += l.f0 + 2 * m.f0 + r.f0;
    sum.f1 += l.f1 + 2 * m.f1 + r.f1;
    sum.f2 += l.f2 + 2 * m.f2 + r.f2;
    sum.f3 += l.f3 + 2 * m.f3 + r.f3;
  }
  return sum;
}

template <RgbLayout kLayout, RgbTarget kTarget>
void chroma_rows_420(const RgbRows& rows, const YuvCoefficients& c) {
  constexpr unsigned shift = kShiftOf<kLayout, kTarget> + kChromaSumShift;
  constexpr std::size_t step = kTarget.interleaved ? 2 : 1;
  auto* u = reinterpret_cast<Sample<kTarget>*>(rows.chroma[0]);
  auto* v = kTarget.interleaved ? u + 1 : reinterpret_cast<Sample<kTarget>*>(rows.chroma[1]);
  const auto put = [&](std::size_t i, const Fields<kLayout>& sum) {
    u[i * step] = finish<kTarget, shift>(dot(sum, c.cb) + c.chroma_sum_bias, c.max_value);
    v[i * step] = finish<kTarget, shift>(dot(sum, c.cr) + c.chroma_sum_bias, c.max_value);
  };
  const std::size_t count = (rows.width + 1) / 2;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t centre = 2 * i;
    const std::size_t right = std::min(centre + 1, rows.width - 1);
    const std::byte* const(&s)[2] = rows.source;
    const std::byte* const lefts[2] = {i == 0 ? rows.left[0] : s[0] + (centre - 1) * 4,
                                       i == 0 ? rows.left[1] : s[1] + (centre - 1) * 4};
    put(i, weighted_sum<kLayout>(lefts, {s[0] + centre * 4, s[1] + centre * 4}, {s[0] + right * 4, s[1] + right * 4}));
  }
}

template <RgbLayout kLayout, RgbTarget kTarget>
void convert_rows(const RgbRows& rows, const YuvCoefficients& c) {
  luma_row<kLayout, kTarget>(rows.source[0], rows.luma[0], rows.width, c);
  if constexpr (kTarget.subsampled) {
    if (rows.luma[1] != rows.luma[0]) luma_row<kLayout, kTarget>(rows.source[1], rows.luma[1], rows.width, c);
    chroma_rows_420<kLayout, kTarget>(rows, c);
  } else {
    YuvCoefficients chroma = c;
    chroma.luma_bias = c.chroma_bias;
    chroma.luma = c.cb;
    luma_row<kLayout, kTarget>(rows.source[0], rows.chroma[0], rows.width, chroma);
    chroma.luma = c.cr;
    luma_row<kLayout, kTarget>(rows.source[0], rows.chroma[1], rows.width, chroma);
  }
}

std::size_t target_index(PixelFormat target) {
  switch (target) {
    case PixelFormat::NV12: return 0;
    case PixelFormat::I420: return 1;
    case PixelFormat::P010: return 2;
    case PixelFormat::I010: return 3;
    case PixelFormat::I444: return 4;
    default: return 5;
  }
}

}  // namespace

// One line per source layout; the columns are NV12, I420, P010, I010, I444, I410.
#define ZC_RGB_ROWS(layout)                                                                                 \
  {convert_rows<layout, kTargetNv12>, convert_rows<layout, kTargetI420>, convert_rows<layout, kTargetP010>, \
   convert_rows<layout, kTargetI010>, convert_rows<layout, kTargetI444>, convert_rows<layout, kTargetI410>}
const RgbRowTable kPortableRgbRows = {ZC_RGB_ROWS(RgbLayout::Bytes), ZC_RGB_ROWS(RgbLayout::TenBitLow),
                                      ZC_RGB_ROWS(RgbLayout::TenBitHigh)};
#undef ZC_RGB_ROWS

Isa best_isa() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) return Isa::Avx2;
#endif
  return Isa::Portable;
}

RgbRowFunction rgb_row_function(RgbLayout source, PixelFormat target, Isa isa) {
  const auto row = static_cast<std::size_t>(source);
#if defined(__x86_64__)
  if (isa == Isa::Avx2) return kAvx2RgbRows[row][target_index(target)];
#else
  static_cast<void>(isa);
#endif
  return kPortableRgbRows[row][target_index(target)];
}

}  // namespace zc
