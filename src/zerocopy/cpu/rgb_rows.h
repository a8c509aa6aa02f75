// The inner loops of the RGB -> YUV conversion: rows in, rows out. One implementation per instruction set.
#pragma once

#include "zerocopy/cpu/yuv_coefficients.h"

#include <cstddef>
#include <cstdint>

namespace zc {

/// Two rows of a picture (4:2:0) or one (4:4:4: `source[1]` and `luma[1]` unused). Pointers need no alignment.
/// The last row of an odd picture comes as a pair of itself: both entries the same.
struct RgbRows {
  const std::byte* source[2] = {};  ///< `width` 32-bit pixels
  const std::byte* left[2] = {};    ///< the pixel left of the first one; the first one itself at the picture's edge
  std::byte* luma[2] = {};          ///< `width` samples
  std::byte* chroma[2] = {};        ///< {U, V}, or {UV} interleaved
  std::size_t width = 0;            ///< px
  /// Bytes from a row to the one of the same kind in the next call, for prefetching: hardware stops at page ends, and a
  /// row of a screen is longer than a page. 0 = nothing comes next.
  std::size_t source_ahead = 0, luma_ahead = 0, chroma_ahead = 0;
};

using RgbRowFunction = void (*)(const RgbRows& rows, const YuvCoefficients& coefficients);

/// Instruction sets there are kernels for. `Portable` is plain C++ that the compiler vectorises for the target's
/// baseline (SSE2, NEON).
enum class Isa : std::uint8_t { Portable, Avx2, Avx512 };
/// The best one this processor runs.
[[nodiscard]] Isa best_isa();

/// The kernel for a source layout and a target format that yuv_layout() knows, of the best set up to `isa` that has
/// one.
[[nodiscard]] RgbRowFunction rgb_row_function(RgbLayout source, PixelFormat target, Isa isa);

/// One table per instruction set, [RgbLayout][target: NV12, I420, P010, I010, I444, I410].
inline constexpr std::size_t kRgbLayouts = 3;
inline constexpr std::size_t kRgbTargets = 6;
using RgbRowTable = RgbRowFunction[kRgbLayouts][kRgbTargets];
[[nodiscard]] const RgbRowTable& portable_rgb_rows();
[[nodiscard]] const RgbRowTable& avx2_rgb_rows();
/// nullptr: no such kernel.
[[nodiscard]] RgbRowFunction avx512_rgb_rows(RgbLayout source, PixelFormat target);

/// What a kernel must know about its target at compile time; in the order of the tables.
struct RgbTarget {
  bool subsampled, interleaved, wide;
  unsigned value_shift;
};
inline constexpr RgbTarget kTargetNv12{true, true, false, 0};
inline constexpr RgbTarget kTargetI420{true, false, false, 0};
inline constexpr RgbTarget kTargetP010{true, true, true, 6};
inline constexpr RgbTarget kTargetI010{true, false, true, 0};
inline constexpr RgbTarget kTargetI444{false, false, false, 0};
inline constexpr RgbTarget kTargetI410{false, false, true, 0};

}  // namespace zc
