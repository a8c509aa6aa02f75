#pragma once

#include "base/error.h"
#include "media/codec.h"
#include "media/packet.h"

#include <cstddef>
#include <span>

namespace zc {

/// The keyframe with the parameter sets of `extradata` (as libavcodec makes them) before its first slice or frame; as
/// it is when it brings its own. AV1's sequence header goes behind the temporal delimiter, which begins a temporal unit
/// (AV1 specification 7.5). Times and flags are not copied. Internal: out of memory.
[[nodiscard]] Result<Packet> with_headers(Codec codec, std::span<const std::byte> extradata, Packet keyframe);

/// The keyframe, of an encoder that reorders no pictures, with that said in its own parameter sets; as it is when it
/// has none or they say so. Times and flags are not copied. Internal: out of memory.
[[nodiscard]] Result<Packet> in_order(Codec codec, Packet keyframe);

}  // namespace zc
