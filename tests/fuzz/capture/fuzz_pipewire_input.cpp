// Everything that a foreign process hands us through PipeWire: format PODs, buffer metadata, chunks.
#include "capture/buffer_meta.h"
#include "capture/negotiation.h"
#include "capture/plane_layout.h"

#include <spa/pod/pod.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

using namespace zc;

namespace {

/// What must hold for any input; a violation is a crash that the fuzzer reports.
void require(bool holds) {
  if (!holds) std::abort();
}

/// A POD as PipeWire hands it out: 8-byte aligned, SPA_POD_SIZE bytes readable. The head's size is made true; all
/// lengths inside are the input's.
void fuzz_pod(std::span<const std::byte> input) {
  std::vector<std::uint64_t> aligned((sizeof(spa_pod) + input.size() + 7) / 8);
  const spa_pod head{static_cast<std::uint32_t>(input.size()), SPA_TYPE_Object};
  std::memcpy(aligned.data(), &head, sizeof(head));
  if (!input.empty())
    std::memcpy(reinterpret_cast<std::byte*>(aligned.data()) + sizeof(head), input.data(), input.size());
  const auto* pod = reinterpret_cast<const spa_pod*>(aligned.data());
  if (const auto format = parse_format(pod)) {
    require(!format->size.empty() && format->size.width <= kMaxEdgePx && format->size.height <= kMaxEdgePx);
    require(format->format != PixelFormat::Unknown);
    FormatOffer offer;
    offer.formats = {{format->format, format->alternatives}};
    require((make_fixation(*format, offer) != nullptr) == format->needs_fixation());
    require(make_buffers_param(*format) != nullptr);
  }
  for (const OfferedFormat& f : parse_offered_formats(pod)) require(f.format != PixelFormat::Unknown);
}

void fuzz_meta(std::span<const std::byte> input) {
  constexpr Size kPicture{640, 360};
  const std::vector<std::byte> exact(input.begin(), input.end());
  (void)parse_header(exact);
  const Rect crop = parse_crop(exact, kPicture);
  require(crop.empty() || intersect(crop, {0, 0, kPicture.width, kPicture.height}) == crop);
  require(static_cast<unsigned>(parse_transform(exact)) < 8);
  const Damage damage = parse_damage(exact, kPicture);
  for (const Rect& r : damage.rects()) require(intersect(r, {0, 0, kPicture.width, kPicture.height}) == r);
  CursorTracker tracker;
  for (std::size_t half = 0; half < 2; ++half) {
    const auto state = tracker.update(std::span(exact).subspan(half * exact.size() / 4));
    if (!state || !state->bitmap) continue;
    require(state->bitmap->pixels.size() == state->bitmap->size.area() * 4);
  }
}

void fuzz_chunks(std::span<const std::byte> input) {
  struct Numbers {
    std::uint32_t format, width, height, blocks;
    std::array<std::uint32_t, 3> offset, size;
    std::array<std::int32_t, 3> stride;
    std::array<std::uint16_t, 3> memory;
  } n{};
  std::memcpy(&n, input.data(), std::min(input.size(), sizeof(n)));
  const auto formats = pixel_formats();
  const PixelFormat format = formats[n.format % formats.size()].format;
  const Size size{n.width % (kMaxEdgePx + 1), n.height % (kMaxEdgePx + 1)};
  std::array<std::vector<std::byte>, 3> memory;
  std::array<BlockView, 3> blocks;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    memory.at(i).resize(n.memory.at(i));
    blocks.at(i) = {memory.at(i), {n.offset.at(i), n.size.at(i), n.stride.at(i), false}};
  }
  const auto planes = view_planes(format, size, std::span(blocks).first(n.blocks % 4));
  if (!planes) return;
  for (unsigned p = 0; p < info(format).planes; ++p) {
    // Touch the last byte of the last row: the sanitizer knows where each block ends.
    const auto rows = plane_height(format, p, size.height);
    const HostImage::Plane& plane = planes->at(p);
    const auto last = std::size_t{plane.stride_bytes} * (rows - 1) + row_bytes(format, p, size.width) - 1;
    require(plane.data[0] == std::byte{0} && plane.data[last] == std::byte{0});
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::span input(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0: fuzz_pod(input); break;
    case 1: fuzz_meta(input); break;
    default: fuzz_chunks(input); break;
  }
  return 0;
}
