// YUV pictures in the stream's matrix and range, whatever their own are.
#pragma once

#include "media/colour.h"
#include "zerocopy/cpu/yuv_view.h"

#include <array>
#include <optional>

namespace zc {

/// What becomes of the three components of 8 bits: sum(weights * components) + offset each.
struct Recolouring {
  std::array<std::array<float, 3>, 3> weights{};
  std::array<float, 3> offset{};
};

/// nullopt: nothing is to be done. What the source does not say is as in the target.
[[nodiscard]] std::optional<Recolouring> recolouring(const ColourDescription& source, const ColourDescription& target);

/// In place; I420 or I444. Of 4:2:0, chroma counts for its four pixels.
void recolour(const YuvView& picture, const Recolouring& how);

}  // namespace zc
