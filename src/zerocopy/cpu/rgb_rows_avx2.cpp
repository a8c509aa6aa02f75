// The same arithmetic as rgb_rows.cpp, 32 pixels at a time. Every function carries the target attribute itself: the
// rest of the program stays runnable on processors without AVX2, and nothing from the standard library is instantiated
// here that another translation unit could end up sharing. `prfchw` makes a prefetch for writing one: without it the
// line comes for reading, and what another core holds as well has to be asked for again by the first store (a
// conversion took 1.7 ms instead of 0.75). A processor with AVX2 but without PREFETCHW takes it as a no-op.
#include "zerocopy/cpu/rgb_rows.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#define ZC_AVX2 __attribute__((target("avx2,prfchw")))
#define ZC_AVX2_INLINE __attribute__((target("avx2,prfchw"), always_inline)) inline

namespace zc {
namespace {

constexpr std::size_t kStep = 32;  // px per round

/// The fields of 8 pixels in 16-bit lanes: {field 0, field 2} and {field 1, field 3} of each pixel.
struct Split {
  __m256i even, odd;
};

template <RgbLayout kLayout>
ZC_AVX2_INLINE Split split(__m256i words) {
  if constexpr (kLayout == RgbLayout::Bytes) {
    return {_mm256_and_si256(words, _mm256_set1_epi32(0x00ff00ff)), _mm256_srli_epi16(words, 8)};
  } else {
    if constexpr (kLayout == RgbLayout::TenBitHigh) words = _mm256_srli_epi32(words, 2);
    const __m256i mask = _mm256_set1_epi32(0x3ff);
    const __m256i field2 = _mm256_and_si256(_mm256_srli_epi32(words, 4), _mm256_set1_epi32(0x03ff0000));
    return {_mm256_or_si256(_mm256_and_si256(words, mask), field2),
            _mm256_and_si256(_mm256_srli_epi32(words, 10), mask)};
  }
}

struct Weights {
  __m256i even, odd, bias;
};

ZC_AVX2_INLINE __m256i pair(std::int16_t low, std::int16_t high) {
  return _mm256_set1_epi32(static_cast<int>(static_cast<std::uint32_t>(static_cast<std::uint16_t>(low)) |
                                            static_cast<std::uint32_t>(static_cast<std::uint16_t>(high)) << 16U));
}

ZC_AVX2_INLINE Weights weights(const FieldWeights& w, std::int32_t bias) {
  return {pair(w[0], w[2]), pair(w[1], w[3]), _mm256_set1_epi32(bias)};
}

ZC_AVX2_INLINE __m256i dot(const Split& s, const Weights& w) {
  return _mm256_add_epi32(_mm256_add_epi32(_mm256_madd_epi16(s.even, w.even), w.bias), _mm256_madd_epi16(s.odd, w.odd));
}

/// Two vectors of 32-bit sums as 16-bit values, alternating: low[0], high[0], low[1], ...
template <unsigned kShift>
ZC_AVX2_INLINE __m256i interleave(__m256i low, __m256i high) {
  const __m256i l = _mm256_srli_epi32(low, kShift);
  __m256i h;
  if constexpr (kShift <= 16) {
    h = _mm256_slli_epi32(high, 16 - kShift);
  } else {
    h = _mm256_srli_epi32(high, kShift - 16);
  }
  return _mm256_blend_epi16(l, h, 0xaa);
}

/// 16 pixels as their even and odd columns, in order.
struct Columns {
  __m256i even, odd;
};

ZC_AVX2_INLINE __m256i load_two(const std::byte* low, const std::byte* high) {
  const __m128i l = _mm_loadu_si128(reinterpret_cast<const __m128i*>(low));
  const __m128i h = _mm_loadu_si128(reinterpret_cast<const __m128i*>(high));
  return _mm256_inserti128_si256(_mm256_castsi128_si256(l), h, 1);
}

ZC_AVX2_INLINE Columns load_columns(const std::byte* pixels) {
  const __m256 a = _mm256_castsi256_ps(load_two(pixels, pixels + 32));
  const __m256 b = _mm256_castsi256_ps(load_two(pixels + 16, pixels + 48));
  return {_mm256_castps_si256(_mm256_shuffle_ps(a, b, 0x88)), _mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd))};
}

/// The vector one element further left: `previous`'s last element, then all of `current` but its last.
ZC_AVX2_INLINE __m256i shift_in(__m256i previous, __m256i current) {
  return _mm256_alignr_epi8(current, _mm256_permute2x128_si256(previous, current, 0x21), 12);
}

ZC_AVX2_INLINE __m256i sum_121(__m256i left, __m256i centre, __m256i right) {
  return _mm256_add_epi16(_mm256_add_epi16(left, right), _mm256_add_epi16(centre, centre));
}

/// Stores 32 values of a plane that come as two vectors of 16-bit lanes.
template <RgbTarget kTarget>
ZC_AVX2_INLINE void store(std::byte* target, __m256i first, __m256i second) {
  auto* out = reinterpret_cast<__m256i*>(target);
  if constexpr (kTarget.wide) {
    const __m256i largest = _mm256_set1_epi16(1023);
    first = _mm256_slli_epi16(_mm256_min_epu16(first, largest), kTarget.value_shift);
    second = _mm256_slli_epi16(_mm256_min_epu16(second, largest), kTarget.value_shift);
    _mm256_storeu_si256(out, first);
    _mm256_storeu_si256(out + 1, second);
  } else {
    _mm256_storeu_si256(out, _mm256_permute4x64_epi64(_mm256_packus_epi16(first, second), 0xd8));
  }
}

/// Stores 16 U and 16 V values that come as alternating 16-bit lanes into two planes.
template <RgbTarget kTarget>
ZC_AVX2_INLINE void store_planar(std::byte* u, std::byte* v, __m256i first, __m256i second) {
  const __m256i low = _mm256_set1_epi32(0xffff);
  const __m256i us = _mm256_packus_epi32(_mm256_and_si256(first, low), _mm256_and_si256(second, low));
  const __m256i vs = _mm256_packus_epi32(_mm256_srli_epi32(first, 16), _mm256_srli_epi32(second, 16));
  const __m256i u16 = _mm256_permute4x64_epi64(us, 0xd8);
  const __m256i v16 = _mm256_permute4x64_epi64(vs, 0xd8);
  if constexpr (kTarget.wide) {
    const __m256i largest = _mm256_set1_epi16(1023);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(u), _mm256_min_epu16(u16, largest));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(v), _mm256_min_epu16(v16, largest));
  } else {
    const __m256i both = _mm256_permute4x64_epi64(_mm256_packus_epi16(u16, v16), 0xd8);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(u), _mm256_castsi256_si128(both));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(v), _mm256_extracti128_si256(both, 1));
  }
}

template <RgbLayout kLayout, RgbTarget kTarget>
constexpr unsigned kShiftOf = weight_shift(kLayout == RgbLayout::Bytes ? 8 : 10, kTarget.wide ? 10 : 8);
template <RgbTarget kTarget>
constexpr std::size_t kSampleBytes = kTarget.wide ? 2 : 1;

ZC_AVX2_INLINE __m256i broadcast_pixel(const std::byte* pixel) {
  std::int32_t word = 0;
  std::memcpy(&word, pixel, 4);
  return _mm256_set1_epi32(word);
}

/// Asks for `kBytes` bytes at `address` + `ahead` (a hint that never faults, so the end of a buffer does not matter).
template <std::size_t kBytes, bool kWrite>
ZC_AVX2_INLINE void prefetch(const std::byte* address, std::size_t ahead) {
  const auto target = reinterpret_cast<std::uintptr_t>(address) + ahead;
  for (std::size_t line = 0; line < kBytes; line += 64) {
    if constexpr (kWrite) {
      __builtin_prefetch(reinterpret_cast<const void*>(target + line), 1, 3);  // NOLINT(performance-no-int-to-ptr)
    } else {
      __builtin_prefetch(reinterpret_cast<const void*>(target + line), 0, 2);  // NOLINT(performance-no-int-to-ptr)
    }
  }
}

/// What the next call will read and write below these pixels. Half of the rounds ask for the 8-bit planes, whose cache
/// lines hold two rounds.
template <RgbTarget kTarget>
ZC_AVX2_INLINE void prefetch_next(const RgbRows& rows, std::size_t x) {
  constexpr std::size_t bytes = kTarget.wide ? 2 : 1;
  prefetch<kStep * 4, false>(rows.source[0] + x * 4, rows.source_ahead);
  if constexpr (kTarget.subsampled) prefetch<kStep * 4, false>(rows.source[1] + x * 4, rows.source_ahead);
  if (!kTarget.wide && (x & kStep) != 0) return;
  prefetch<64, true>(rows.luma[0] + x * bytes, rows.luma_ahead);
  if constexpr (kTarget.subsampled) prefetch<64, true>(rows.luma[1] + x * bytes, rows.luma_ahead);
  constexpr std::size_t divisor = kTarget.subsampled && !kTarget.interleaved ? 2 : 1;
  prefetch<64, true>(rows.chroma[0] + x * bytes / divisor, rows.chroma_ahead);
  if constexpr (!kTarget.interleaved) prefetch<64, true>(rows.chroma[1] + x * bytes / divisor, rows.chroma_ahead);
}

/// The first `width` pixels, a multiple of kStep.
template <RgbLayout kLayout, RgbTarget kTarget>
ZC_AVX2_INLINE void body_420(const RgbRows& rows, std::size_t width, const YuvCoefficients& c) {
  constexpr unsigned shift = kShiftOf<kLayout, kTarget>;
  constexpr std::size_t bytes = kSampleBytes<kTarget>;
  const Weights y = weights(c.luma, c.luma_bias);
  const Weights cb = weights(c.cb, c.chroma_sum_bias);
  const Weights cr = weights(c.cr, c.chroma_sum_bias);
  const Split left0 = split<kLayout>(broadcast_pixel(rows.left[0]));
  const Split left1 = split<kLayout>(broadcast_pixel(rows.left[1]));
  Split previous{_mm256_add_epi16(left0.even, left1.even), _mm256_add_epi16(left0.odd, left1.odd)};
  for (std::size_t x = 0; x < width; x += kStep) {
    prefetch_next<kTarget>(rows, x);
    __m256i luma0[2];
    __m256i luma1[2];
    __m256i chroma[2];
    for (std::size_t half = 0; half < 2; ++half) {
      const Columns top = load_columns(rows.source[0] + (x + half * 16) * 4);
      const Columns bottom = load_columns(rows.source[1] + (x + half * 16) * 4);
      const Split top_even = split<kLayout>(top.even);
      const Split top_odd = split<kLayout>(top.odd);
      const Split bottom_even = split<kLayout>(bottom.even);
      const Split bottom_odd = split<kLayout>(bottom.odd);
      luma0[half] = interleave<shift>(dot(top_even, y), dot(top_odd, y));
      luma1[half] = interleave<shift>(dot(bottom_even, y), dot(bottom_odd, y));
      const Split centre{_mm256_add_epi16(top_even.even, bottom_even.even),
                         _mm256_add_epi16(top_even.odd, bottom_even.odd)};
      const Split right{_mm256_add_epi16(top_odd.even, bottom_odd.even), _mm256_add_epi16(top_odd.odd, bottom_odd.odd)};
      const Split sum{sum_121(shift_in(previous.even, right.even), centre.even, right.even),
                      sum_121(shift_in(previous.odd, right.odd), centre.odd, right.odd)};
      chroma[half] = interleave<shift + kChromaSumShift>(dot(sum, cb), dot(sum, cr));
      previous = right;
    }
    store<kTarget>(rows.luma[0] + x * bytes, luma0[0], luma0[1]);
    store<kTarget>(rows.luma[1] + x * bytes, luma1[0], luma1[1]);
    if constexpr (kTarget.interleaved) {
      store<kTarget>(rows.chroma[0] + x * bytes, chroma[0], chroma[1]);
    } else {
      store_planar<kTarget>(rows.chroma[0] + x / 2 * bytes, rows.chroma[1] + x / 2 * bytes, chroma[0], chroma[1]);
    }
  }
}

template <RgbLayout kLayout, RgbTarget kTarget>
ZC_AVX2_INLINE void body_444(const RgbRows& rows, std::size_t width, const YuvCoefficients& c) {
  constexpr unsigned shift = kShiftOf<kLayout, kTarget>;
  constexpr std::size_t bytes = kSampleBytes<kTarget>;
  const Weights y = weights(c.luma, c.luma_bias);
  const Weights cb = weights(c.cb, c.chroma_bias);
  const Weights cr = weights(c.cr, c.chroma_bias);
  for (std::size_t x = 0; x < width; x += kStep) {
    prefetch_next<kTarget>(rows, x);
    __m256i ys[2];
    __m256i us[2];
    __m256i vs[2];
    for (std::size_t half = 0; half < 2; ++half) {
      const Columns columns = load_columns(rows.source[0] + (x + half * 16) * 4);
      const Split even = split<kLayout>(columns.even);
      const Split odd = split<kLayout>(columns.odd);
      ys[half] = interleave<shift>(dot(even, y), dot(odd, y));
      us[half] = interleave<shift>(dot(even, cb), dot(odd, cb));
      vs[half] = interleave<shift>(dot(even, cr), dot(odd, cr));
    }
    store<kTarget>(rows.luma[0] + x * bytes, ys[0], ys[1]);
    store<kTarget>(rows.chroma[0] + x * bytes, us[0], us[1]);
    store<kTarget>(rows.chroma[1] + x * bytes, vs[0], vs[1]);
  }
}

template <RgbLayout kLayout, RgbTarget kTarget>
ZC_AVX2_INLINE void body(const RgbRows& rows, std::size_t width, const YuvCoefficients& c) {
  if constexpr (kTarget.subsampled) {
    body_420<kLayout, kTarget>(rows, width, c);
  } else {
    body_444<kLayout, kTarget>(rows, width, c);
  }
}

/// The last `count` < kStep pixels: through buffers on the stack, so that nothing outside the rows is read or written.
template <RgbLayout kLayout, RgbTarget kTarget>
ZC_AVX2 __attribute__((noinline)) void convert_tail(const RgbRows& rows, std::size_t count, const YuvCoefficients& c) {
  constexpr std::size_t bytes = kSampleBytes<kTarget>;
  constexpr std::size_t row_count = kTarget.subsampled ? 2 : 1;
  alignas(32) std::byte pixels[2][kStep * 4];
  alignas(32) std::byte luma[2][kStep * 2];
  alignas(32) std::byte chroma[2][kStep * 2];
  RgbRows padded = rows;
  padded.source_ahead = padded.luma_ahead = padded.chroma_ahead = 0;
  for (std::size_t row = 0; row < row_count; ++row) {
    std::memcpy(pixels[row], rows.source[row], count * 4);
    for (std::size_t x = count; x < kStep; ++x) std::memcpy(pixels[row] + x * 4, pixels[row] + (count - 1) * 4, 4);
    padded.source[row] = pixels[row];
    padded.luma[row] = luma[row];
  }
  padded.chroma[0] = chroma[0];
  padded.chroma[1] = chroma[1];
  body<kLayout, kTarget>(padded, kStep, c);
  for (std::size_t row = 0; row < row_count; ++row) std::memcpy(rows.luma[row], luma[row], count * bytes);
  const std::size_t chroma_count = kTarget.subsampled ? (count + 1) / 2 : count;
  std::memcpy(rows.chroma[0], chroma[0], chroma_count * bytes * (kTarget.interleaved ? 2 : 1));
  if constexpr (!kTarget.interleaved) std::memcpy(rows.chroma[1], chroma[1], chroma_count * bytes);
}

template <RgbLayout kLayout, RgbTarget kTarget>
ZC_AVX2 void convert_rows(const RgbRows& rows, const YuvCoefficients& c) {
  const std::size_t whole = rows.width & ~(kStep - 1);
  if (whole != 0) body<kLayout, kTarget>(rows, whole, c);  // and no copy of `rows`, see rgb_rows_avx512.cpp
  if (whole == rows.width) return;
  constexpr std::size_t bytes = kSampleBytes<kTarget>;
  constexpr std::size_t row_count = kTarget.subsampled ? 2 : 1;
  RgbRows tail = rows;
  for (std::size_t row = 0; row < row_count; ++row) {
    tail.source[row] += whole * 4;
    tail.luma[row] += whole * bytes;
    if (whole != 0) tail.left[row] = tail.source[row] - 4;
  }
  const std::size_t chroma_offset = (kTarget.subsampled && !kTarget.interleaved ? whole / 2 : whole) * bytes;
  tail.chroma[0] += chroma_offset;
  if constexpr (!kTarget.interleaved) tail.chroma[1] += chroma_offset;
  convert_tail<kLayout, kTarget>(tail, rows.width - whole, c);
}

}  // namespace

// One line per source layout; the columns are NV12, I420, P010, I010, I444, I410.
#define ZC_RGB_ROWS(layout)                                                                                 \
  {convert_rows<layout, kTargetNv12>, convert_rows<layout, kTargetI420>, convert_rows<layout, kTargetP010>, \
   convert_rows<layout, kTargetI010>, convert_rows<layout, kTargetI444>, convert_rows<layout, kTargetI410>}
const RgbRowTable& avx2_rgb_rows() {
  static constexpr RgbRowTable kTable = {ZC_RGB_ROWS(RgbLayout::Bytes), ZC_RGB_ROWS(RgbLayout::TenBitLow),
                                         ZC_RGB_ROWS(RgbLayout::TenBitHigh)};
  return kTable;
}
#undef ZC_RGB_ROWS

}  // namespace zc

#endif
