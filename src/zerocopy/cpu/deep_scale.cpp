#include "zerocopy/cpu/deep_scale.h"

#include <cstddef>
#include <cstdint>

namespace zc {
namespace {

template <class Sample>
void expand(const YuvView& picture, const Rect& rect, const YuvView& out, const DeepScale& scale) {
  const YuvLayout layout = yuv_layout(picture.format);
  for (unsigned component = 0; component < 3; ++component) {
    const bool chroma = component > 0;
    const bool interleaved = chroma && layout.interleaved;
    const unsigned shift = chroma && layout.subsampled ? 1 : 0;
    const YuvView::Plane& from = picture.planes.at(interleaved ? 1 : component);
    const YuvView::Plane& to = out.planes.at(component);
    const std::size_t step = interleaved ? 2 : 1;
    const float add = (chroma ? scale.deep_offset - scale.offset * scale.up : 0) + 0.5F;
    const auto begin = static_cast<std::size_t>(rect.x);
    for (std::size_t y = 0; y < rect.height; ++y) {
      const std::size_t row = static_cast<std::size_t>(rect.y) + y;
      const auto* in = reinterpret_cast<const Sample*>(from.data + (row >> shift) * from.stride_bytes) +
                       (interleaved ? component - 1 : 0);
      auto* const samples = reinterpret_cast<std::uint16_t*>(to.data + row * to.stride_bytes);
      const auto one = [&](std::size_t x) {
        const auto value = static_cast<float>(in[(x >> shift) * step] >> layout.value_shift);
        samples[x] = static_cast<std::uint16_t>(value * scale.up + add);
      };
      if (rect.width == 2) {  // an edge's: not worth a loop
        one(begin);
        one(begin + 1);
        continue;
      }
      for (std::size_t x = begin; x < begin + rect.width; ++x) one(x);
    }
  }
}

}  // namespace

void expand_to_i410(const YuvView& picture, const Rect& rect, const YuvView& out, const DeepScale& scale) {
  if (rect.empty()) return;
  if (yuv_layout(picture.format).wide) {
    expand<std::uint16_t>(picture, rect, out, scale);
  } else {
    expand<std::uint8_t>(picture, rect, out, scale);
  }
}

}  // namespace zc
