#include "media/packet.h"

extern "C" {
#include <libavutil/buffer.h>
}

namespace zc {

void AvBufferUnref::operator()(AVBufferRef* buffer) const noexcept { av_buffer_unref(&buffer); }

Packet::Packet(AvBufferPtr buffer, std::span<const std::byte> bytes) noexcept
    : buffer_(std::move(buffer)), bytes_(bytes) {}

Packet::Packet(const Packet& other)
    : pts(other.pts),
      dts(other.dts),
      duration(other.duration),
      times(other.times),
      keyframe(other.keyframe),
      track(other.track),
      new_stream(other.new_stream),
      buffer_(other.buffer_ ? av_buffer_ref(other.buffer_.get()) : nullptr),
      bytes_(buffer_ ? other.bytes_ : std::span<const std::byte>{}) {}

Packet& Packet::operator=(const Packet& other) {
  if (this != &other) *this = Packet(other);
  return *this;
}

}  // namespace zc
