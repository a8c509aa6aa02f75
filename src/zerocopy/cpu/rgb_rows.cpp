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

/// One plane at full resolution. Locals and __restrict: bytes may alias anything, which would keep the loop scalar.
template <RgbLayout kLayout, RgbTarget kTarget>
void plane_row(const std::byte* __restrict source, std::byte* target, std::size_t width, FieldWeights w,
               std::int32_t bias, std::int32_t largest) {
  auto* __restrict out = reinterpret_cast<Sample<kTarget>*>(target);
  for (std::size_t x = 0; x < width; ++x) {
    out[x] = finish<kTarget, kShiftOf<kLayout, kTarget>>(dot(load<kLayout>(source, x), w) + bias, largest);
  }
}

template <RgbLayout kLayout>
inline Fields<kLayout> add(const Fields<kLayout>& a, const Fields<kLayout>& b) {
  return {a.f0 + b.f0, a.f1 + b.f1, a.f2 + b.f2, a.f3 + b.f3};
}

/// Six pixels around one chroma sample: left and right of the even column once, the column itself twice, both rows.
template <RgbLayout kLayout, RgbTarget kTarget>
void chroma_rows_420(const RgbRows& rows, const YuvCoefficients& c) {
  constexpr unsigned shift = kShiftOf<kLayout, kTarget> + kChromaSumShift;
  constexpr std::size_t step = kTarget.interleaved ? 2 : 1;
  using Out = Sample<kTarget>;
  auto* const __restrict u = reinterpret_cast<Out*>(rows.chroma[0]);
  auto* const __restrict v = kTarget.interleaved ? u + 1 : reinterpret_cast<Out*>(rows.chroma[1]);
  const FieldWeights cb = c.cb;
  const FieldWeights cr = c.cr;
  const std::int32_t bias = c.chroma_sum_bias;
  const std::int32_t largest = c.max_value;
  const std::byte* const __restrict top = rows.source[0];
  const std::byte* const __restrict bottom = rows.source[1];
  const std::size_t count = (rows.width + 1) / 2;
  const auto column = [top, bottom](std::size_t x) { return add(load<kLayout>(top, x), load<kLayout>(bottom, x)); };
  const auto put = [&](std::size_t i, const Fields<kLayout>& sum) {
    u[i * step] = finish<kTarget, shift>(dot(sum, cb) + bias, largest);
    v[i * step] = finish<kTarget, shift>(dot(sum, cr) + bias, largest);
  };
  const auto outer = add(load<kLayout>(rows.left[0], 0), load<kLayout>(rows.left[1], 0));
  const auto first = column(0);
  put(0, add(add(outer, first), add(first, column(std::min<std::size_t>(1, rows.width - 1)))));
  // No column is carried over from one sample to the next: that would keep the loop from being vectorised.
  const std::size_t inner = rows.width / 2;
  for (std::size_t i = 1; i < inner; ++i) {
    const auto centre = column(2 * i);
    put(i, add(add(column(2 * i - 1), column(2 * i + 1)), add(centre, centre)));
  }
  if (count > inner && count > 1) {
    const auto last = column(rows.width - 1);
    put(count - 1, add(add(column(rows.width - 2), last), add(last, last)));
  }
}

template <RgbLayout kLayout, RgbTarget kTarget>
void convert_rows(const RgbRows& rows, const YuvCoefficients& c) {
  const auto row = [&](const std::byte* source, std::byte* target, const FieldWeights& w, std::int32_t bias) {
    plane_row<kLayout, kTarget>(source, target, rows.width, w, bias, c.max_value);
  };
  row(rows.source[0], rows.luma[0], c.luma, c.luma_bias);
  if constexpr (kTarget.subsampled) {
    if (rows.luma[1] != rows.luma[0]) row(rows.source[1], rows.luma[1], c.luma, c.luma_bias);
    chroma_rows_420<kLayout, kTarget>(rows, c);
  } else {
    row(rows.source[0], rows.chroma[0], c.cb, c.chroma_bias);
    row(rows.source[0], rows.chroma[1], c.cr, c.chroma_bias);
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
const RgbRowTable& portable_rgb_rows() {
  static constexpr RgbRowTable kTable = {ZC_RGB_ROWS(RgbLayout::Bytes), ZC_RGB_ROWS(RgbLayout::TenBitLow),
                                         ZC_RGB_ROWS(RgbLayout::TenBitHigh)};
  return kTable;
}
#undef ZC_RGB_ROWS

Isa best_isa() {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2")) return Isa::Portable;
  return __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vnni") ? Isa::Avx512 : Isa::Avx2;
#endif
  return Isa::Portable;
}

RgbRowFunction rgb_row_function(RgbLayout source, PixelFormat target, Isa isa) {
  const auto row = static_cast<std::size_t>(source);
#if defined(__x86_64__)
  if (isa == Isa::Avx512) {
    if (const RgbRowFunction function = avx512_rgb_rows(source, target); function != nullptr) return function;
  }
  if (isa != Isa::Portable) return avx2_rgb_rows()[row][target_index(target)];
#else
  static_cast<void>(isa);
#endif
  return portable_rgb_rows()[row][target_index(target)];
}

}  // namespace zc
