// Pictures that are shown in another order than they are coded in, as parameter sets announce them. A decoder that is
// not told that there are none may hold back as many as its buffer takes: Chromium's hardware decoders do.
#pragma once

#include "media/codec.h"

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace zc {

struct Reordering {
  /// The most pictures that come before one that is shown earlier; nullopt: the header does not say.
  std::optional<unsigned> pictures;
  /// How many a decoder has to expect then (H.264 E.2.1, HEVC 7.4.3.2.1): the header's number, or what the level's
  /// buffer takes.
  unsigned expected = 0;
};

/// Of the first sequence parameter set in an Annex B stream, or in the box of H.264 or HEVC in an MP4 (ISO/IEC
/// 14496-15). nullopt: there is none, it is cut short, or it is AV1, whose units of time show one picture each.
[[nodiscard]] std::optional<Reordering> read_reordering(Codec codec, std::span<const std::byte> headers);

/// The Annex B stream with "no picture is reordered" in its sequence parameter sets, for an encoder of which that is
/// true. nullopt: it says so already, or holds no parameter set that can be read.
[[nodiscard]] std::optional<std::vector<std::byte>> without_reordering(Codec codec, std::span<const std::byte> stream);

}  // namespace zc
