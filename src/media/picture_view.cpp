#include "media/picture_view.h"

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/pixdesc.h>
}

#include <fmt/format.h>

#include <cstring>

namespace zc {

std::optional<TestMark> PictureView::mark(Size painted) const {
  const Component& luma = components[0];
  if (luma.step_bytes != luma.sample_bytes || luma.stride_bytes <= 0) return std::nullopt;
  const auto stride = static_cast<std::size_t>(luma.stride_bytes);
  const std::size_t bytes = stride * (luma.size.height - 1) + luma.size.width * luma.step_bytes;
  return read_mark({luma.data, bytes}, stride, size, static_cast<unsigned>(luma.sample_bytes),
                   painted.empty() ? size : painted);
}

std::uint64_t PictureView::hash() const {
  // FNV-1a, eight bytes at a time: contents are compared with each other, nobody forges them.
  constexpr std::uint64_t kPrime = 0x100000001b3;
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const Component& component : components) {
    const bool alone = component.step_bytes == component.sample_bytes;
    const std::size_t bytes =
        alone ? component.size.width * component.step_bytes : (component.size.width - 1) * component.step_bytes + 1;
    for (std::uint32_t y = 0; y < component.size.height; ++y) {
      const std::byte* row = component.data + static_cast<std::ptrdiff_t>(y) * component.stride_bytes;
      std::size_t at = 0;
      for (; at + 8 <= bytes; at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, row + at, 8);
        hash = (hash ^ word) * kPrime;
        hash ^= hash >> 32U;
      }
      for (; at < bytes; ++at) hash = (hash ^ std::to_integer<std::uint64_t>(row[at])) * kPrime;
    }
  }
  return hash;
}

Result<PictureView> view_of(const AVFrame& frame) {
  const AVPixFmtDescriptor* layout = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame.format));
  constexpr unsigned kUnread = AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BITSTREAM | AV_PIX_FMT_FLAG_PAL |
                               AV_PIX_FMT_FLAG_FLOAT | AV_PIX_FMT_FLAG_BE;
  const bool known = layout != nullptr && layout->nb_components >= 3 && (layout->flags & kUnread) == 0 &&
                     layout->comp[0].depth >= 8 && layout->comp[0].depth <= 16 && frame.width > 0 && frame.height > 0;
  if (!known) {
    return fail(ErrorKind::Unsupported, "look at a decoded picture",
                fmt::format("its layout {} is none that is known here", layout == nullptr ? "" : layout->name));
  }
  PictureView view;
  view.size = {static_cast<std::uint32_t>(frame.width), static_cast<std::uint32_t>(frame.height)};
  view.bits = static_cast<unsigned>(layout->comp[0].depth);
  view.rgb = (layout->flags & AV_PIX_FMT_FLAG_RGB) != 0;
  view.chroma_shift_x = layout->log2_chroma_w;
  view.chroma_shift_y = layout->log2_chroma_h;
  // libavutil numbers the components of RGB layouts R, G, B.
  constexpr std::array<unsigned, 3> kYuv{0, 1, 2};
  constexpr std::array<unsigned, 3> kRgb{1, 2, 0};
  for (unsigned i = 0; i < 3; ++i) {
    const AVComponentDescriptor& of = layout->comp[view.rgb ? kRgb.at(i) : kYuv.at(i)];
    const int shift_x = i == 0 ? 0 : layout->log2_chroma_w;
    const int shift_y = i == 0 ? 0 : layout->log2_chroma_h;
    view.components.at(i) = {reinterpret_cast<const std::byte*>(frame.data[of.plane]) + of.offset,
                             frame.linesize[of.plane],
                             static_cast<std::size_t>(of.step),
                             view.bits > 8 ? std::size_t{2} : std::size_t{1},
                             static_cast<unsigned>(of.shift),
                             {static_cast<std::uint32_t>(AV_CEIL_RSHIFT(frame.width, shift_x)),
                              static_cast<std::uint32_t>(AV_CEIL_RSHIFT(frame.height, shift_y))}};
  }
  return view;
}

}  // namespace zc
