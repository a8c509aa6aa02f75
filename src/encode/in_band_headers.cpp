#include "encode/in_band_headers.h"

#include "encode/parameter_sets.h"
#include "encode/reordering.h"

extern "C" {
#include <libavcodec/defs.h>
#include <libavutil/buffer.h>
}

#include <algorithm>
#include <initializer_list>
#include <utility>

namespace zc {
namespace {

/// Bytes of a temporal delimiter at the start, which has no payload; 0 without one.
std::size_t delimiter_bytes(Codec codec, std::span<const std::byte> picture) {
  constexpr std::byte kDelimiterWithSize{0x12};
  const bool delimiter = codec == Codec::AV1 && picture.size() >= 2 && picture[0] == kDelimiterWithSize;
  return delimiter ? 2 : 0;
}

Result<Packet> joined(std::initializer_list<std::span<const std::byte>> parts) {
  std::size_t size = 0;
  for (const auto& part : parts) size += part.size();
  // Readers of libavcodec's bitstreams may look a little past the end.
  AvBufferPtr buffer(av_buffer_allocz(size + AV_INPUT_BUFFER_PADDING_SIZE));
  if (!buffer) return fail(ErrorKind::Internal, "put parameter sets into a keyframe", "out of memory");
  auto* const begin = reinterpret_cast<std::byte*>(buffer->data);
  std::byte* to = begin;
  for (const auto& part : parts) to = std::ranges::copy(part, to).out;
  return Packet(std::move(buffer), {begin, size});
}

}  // namespace

Result<Packet> with_headers(Codec codec, std::span<const std::byte> extradata, Packet keyframe) {
  const std::span<const std::byte> picture = keyframe.bytes();
  if (extradata.empty() || has_parameter_sets(codec, picture)) return keyframe;
  const auto head = picture.first(delimiter_bytes(codec, picture));
  return joined({head, extradata, picture.subspan(head.size())});
}

Result<Packet> in_order(Codec codec, Packet keyframe) {
  const auto told = without_reordering(codec, keyframe.bytes());
  if (!told) return keyframe;
  return joined({*told});
}

}  // namespace zc
