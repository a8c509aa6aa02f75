// The arithmetic of rgb_rows.cpp, 64 pixels at a time, for what nearly every recording asks for: 8-bit RGB to NV12 or
// I420. Needs AVX-512BW and VNNI, whose 16-bit dot product with accumulation does two steps of the matrix in one. See
// rgb_rows_avx2.cpp for why every function carries its target attribute.
#include "zerocopy/cpu/rgb_rows.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <cstring>

#define ZC_AVX512 __attribute__((target("avx512f,avx512bw,avx512vnni,prfchw")))
#define ZC_AVX512_INLINE __attribute__((target("avx512f,avx512bw,avx512vnni,prfchw"), always_inline)) inline

namespace zc {
namespace {

constexpr std::size_t kStep = 64;  // px per round
constexpr unsigned kShift = weight_shift(8, 8);
constexpr unsigned kSumShift = kShift + kChromaSumShift;

/// The fields of 16 pixels in 16-bit lanes: {field 0, field 2} and {field 1, field 3} of each pixel.
struct Split {
  __m512i even, odd;
};

ZC_AVX512_INLINE Split split(__m512i pixels) {
  return {_mm512_and_si512(pixels, _mm512_set1_epi32(0x00ff00ff)), _mm512_srli_epi16(pixels, 8)};
}

ZC_AVX512_INLINE Split add(const Split& a, const Split& b) {
  return {_mm512_add_epi16(a.even, b.even), _mm512_add_epi16(a.odd, b.odd)};
}

struct Weights {
  __m512i even, odd, bias;
};

ZC_AVX512_INLINE __m512i pair(std::int16_t low, std::int16_t high) {
  return _mm512_set1_epi32(static_cast<int>(static_cast<std::uint32_t>(static_cast<std::uint16_t>(low)) |
                                            static_cast<std::uint32_t>(static_cast<std::uint16_t>(high)) << 16U));
}

ZC_AVX512_INLINE Weights weights(const FieldWeights& w, std::int32_t bias) {
  return {pair(w[0], w[2]), pair(w[1], w[3]), _mm512_set1_epi32(bias)};
}

ZC_AVX512_INLINE __m512i dot(const Split& s, const Weights& w) {
  return _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(w.bias, s.even, w.even), s.odd, w.odd);
}

ZC_AVX512_INLINE __m512i load(const std::byte* pixels) { return _mm512_loadu_si512(pixels); }

ZC_AVX512_INLINE Split broadcast_pixel(const std::byte* pixel) {
  std::int32_t word = 0;
  std::memcpy(&word, pixel, 4);
  return split(_mm512_set1_epi32(word));
}

/// Packing works within lanes of 128 bits; this puts their 32-bit quarters, four vectors woven, back in order.
ZC_AVX512_INLINE __m512i in_order(__m512i packed) {
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, packed);
}

ZC_AVX512_INLINE void store_luma(std::byte* target, const Split (&row)[4], const Weights& w) {
  __m512i y[4];
  for (int i = 0; i < 4; ++i) y[i] = _mm512_srli_epi32(dot(row[i], w), kShift);
  const __m512i words0 = _mm512_packus_epi32(y[0], y[1]);
  const __m512i words1 = _mm512_packus_epi32(y[2], y[3]);
  _mm512_storeu_si512(target, in_order(_mm512_packus_epi16(words0, words1)));
}

/// The even and the odd columns of 32 pixels, in order.
struct Columns {
  Split even, odd;
};

ZC_AVX512_INLINE Columns columns(const Split& low, const Split& high) {
  const __m512i evens = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  const __m512i odds = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
  return {{_mm512_permutex2var_epi32(low.even, evens, high.even), _mm512_permutex2var_epi32(low.odd, evens, high.odd)},
          {_mm512_permutex2var_epi32(low.even, odds, high.even), _mm512_permutex2var_epi32(low.odd, odds, high.odd)}};
}

ZC_AVX512_INLINE __m512i sum_121(__m512i previous, __m512i centre, __m512i right) {
  const __m512i left = _mm512_alignr_epi32(right, previous, 15);
  return _mm512_add_epi16(_mm512_add_epi16(left, right), _mm512_slli_epi16(centre, 1));
}

/// Asks for 64 bytes at `address` + `ahead` (a hint that never faults).
template <bool kWrite>
ZC_AVX512_INLINE void prefetch(const std::byte* address, std::size_t ahead) {
  const auto target = reinterpret_cast<std::uintptr_t>(address) + ahead;
  // NOLINTNEXTLINE(performance-no-int-to-ptr)
  __builtin_prefetch(reinterpret_cast<const void*>(target), kWrite ? 1 : 0, kWrite ? 3 : 2);
}

template <RgbTarget kTarget>
ZC_AVX512_INLINE void prefetch_next(const RgbRows& rows, std::size_t x) {
  for (std::size_t line = 0; line < kStep * 4; line += 64) {
    prefetch<false>(rows.source[0] + x * 4 + line, rows.source_ahead);
    prefetch<false>(rows.source[1] + x * 4 + line, rows.source_ahead);
  }
  prefetch<true>(rows.luma[0] + x, rows.luma_ahead);
  prefetch<true>(rows.luma[1] + x, rows.luma_ahead);
  if constexpr (kTarget.interleaved) {
    prefetch<true>(rows.chroma[0] + x, rows.chroma_ahead);
  } else {
    prefetch<true>(rows.chroma[0] + x / 2, rows.chroma_ahead);
    prefetch<true>(rows.chroma[1] + x / 2, rows.chroma_ahead);
  }
}

/// Two vectors of unshifted sums as 16-bit values, alternating: low[0], high[0], low[1], ...
ZC_AVX512_INLINE __m512i interleave(__m512i low, __m512i high) {
  static_assert(kSumShift > 16);
  return _mm512_mask_blend_epi16(0xaaaaaaaaU, _mm512_srli_epi32(low, kSumShift),
                                 _mm512_srli_epi32(high, kSumShift - 16));
}

/// 32 U and 32 V values, each in two vectors of unshifted 32-bit sums.
template <RgbTarget kTarget>
ZC_AVX512_INLINE void store_chroma(const RgbRows& rows, std::size_t x, const __m512i (&u)[2], const __m512i (&v)[2]) {
  if constexpr (kTarget.interleaved) {
    const __m512i bytes = _mm512_packus_epi16(interleave(u[0], v[0]), interleave(u[1], v[1]));
    const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    _mm512_storeu_si512(rows.chroma[0] + x, _mm512_permutexvar_epi64(order, bytes));
  } else {
    const __m512i us = _mm512_packus_epi32(_mm512_srli_epi32(u[0], kSumShift), _mm512_srli_epi32(u[1], kSumShift));
    const __m512i vs = _mm512_packus_epi32(_mm512_srli_epi32(v[0], kSumShift), _mm512_srli_epi32(v[1], kSumShift));
    const __m512i both = in_order(_mm512_packus_epi16(us, vs));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(rows.chroma[0] + x / 2), _mm512_castsi512_si256(both));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(rows.chroma[1] + x / 2), _mm512_extracti64x4_epi64(both, 1));
  }
}

/// The first `width` pixels, a multiple of kStep.
template <RgbTarget kTarget>
ZC_AVX512 void body(const RgbRows& rows, std::size_t width, const YuvCoefficients& c) {
  const Weights y = weights(c.luma, c.luma_bias);
  const Weights cb = weights(c.cb, c.chroma_sum_bias);
  const Weights cr = weights(c.cr, c.chroma_sum_bias);
  Split previous = add(broadcast_pixel(rows.left[0]), broadcast_pixel(rows.left[1]));
  for (std::size_t x = 0; x < width; x += kStep) {
    prefetch_next<kTarget>(rows, x);
    Split top[4];
    Split bottom[4];
    for (std::size_t i = 0; i < 4; ++i) {
      top[i] = split(load(rows.source[0] + (x + i * 16) * 4));
      bottom[i] = split(load(rows.source[1] + (x + i * 16) * 4));
    }
    store_luma(rows.luma[0] + x, top, y);
    store_luma(rows.luma[1] + x, bottom, y);
    __m512i u[2];
    __m512i v[2];
    for (std::size_t half = 0; half < 2; ++half) {
      const Columns both = columns(add(top[half * 2], bottom[half * 2]), add(top[half * 2 + 1], bottom[half * 2 + 1]));
      const Split sum{sum_121(previous.even, both.even.even, both.odd.even),
                      sum_121(previous.odd, both.even.odd, both.odd.odd)};
      u[half] = dot(sum, cb);
      v[half] = dot(sum, cr);
      previous = both.odd;
    }
    store_chroma<kTarget>(rows, x, u, v);
  }
}

/// What is left of whole rounds is a round that ends there, some of it for the second time; of less than one, or of an
/// odd picture, it goes to the AVX2 kernel.
template <RgbTarget kTarget>
void convert_rows(const RgbRows& rows, const YuvCoefficients& c) {
  const std::size_t whole = rows.width & ~(kStep - 1);
  // `rows` itself and no copy: what the caller has just stored cannot be forwarded to a copy's wider loads, which wait
  // until the rows written before have left the store buffer.
  if (whole != 0) body<kTarget>(rows, whole, c);
  if (whole == rows.width) return;
  const bool again = whole != 0 && rows.width % 2 == 0;
  const std::size_t from = again ? rows.width - kStep : whole;
  RgbRows tail = rows;
  tail.width = rows.width - from;
  for (std::size_t row = 0; row < 2; ++row) {
    tail.source[row] += from * 4;
    tail.luma[row] += from;
    if (from != 0) tail.left[row] = tail.source[row] - 4;
  }
  tail.chroma[0] += kTarget.interleaved ? from : from / 2;
  if constexpr (!kTarget.interleaved) tail.chroma[1] += from / 2;
  if (again) return body<kTarget>(tail, kStep, c);
  avx2_rgb_rows()[static_cast<std::size_t>(RgbLayout::Bytes)][kTarget.interleaved ? 0 : 1](tail, c);
}

}  // namespace

RgbRowFunction avx512_rgb_rows(RgbLayout source, PixelFormat target) {
  if (source != RgbLayout::Bytes) return nullptr;
  if (target == PixelFormat::NV12) return convert_rows<kTargetNv12>;
  if (target == PixelFormat::I420) return convert_rows<kTargetI420>;
  return nullptr;
}

}  // namespace zc

#endif
