// What we say to a producer and what we understand of its answer, as pure functions on PODs: no daemon needed.
#pragma once

#include "base/error.h"
#include "capture/offered_format.h"
#include "media/colour.h"
#include "media/dmabuf.h"
#include "media/format_offer.h"
#include "media/geometry.h"
#include "media/pixel_format.h"
#include "pipewire/pod.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace zc {

/// Sizes beyond this are refused: no encoder takes them and every product of lengths stays far inside 64 bits.
inline constexpr std::uint32_t kMaxEdgePx = 32'768;

/// The EnumFormat PODs of an offer, in order of preference: first one per format with its modifiers (MANDATORY |
/// DONT_FIXATE, so that the producer, who can try an allocation, makes the choice), then, when shared memory is
/// acceptable, one per format without a modifier. `fixated` (see make_fixation) goes in front of all when given.
///
/// With a limit of the rate each comes twice: with exactly that maxFramerate, which producers that draw on damage
/// throttle to (KWin, Mutter, wlroots' portal); then without the property, for those whose own range does not hold it
/// (a screen of a lower rate; wlroots' portal on a headless output states the range 1 to 0). The framerate, which
/// cameras have, is not limited: another rate of theirs can mean another size. FormatOffer::size and rate are stated
/// as they are, where they are set. Behind all raw ones come the coded ones.
/// Invalid: the offer names no format, or only unknown ones.
[[nodiscard]] Result<std::vector<PodPtr>> make_format_params(const FormatOffer& offer, PodPtr fixated = nullptr);

/// The Format that both sides agreed on.
struct NegotiatedFormat {
  PixelFormat format = PixelFormat::Unknown;
  std::optional<CodedFormat> coded;         ///< set: pictures are coded so, and `format` is unknown
  Size size;                                ///< px
  Rational rate;                            ///< 0 = variable
  Rational max_rate;                        ///< 0 = not stated
  std::optional<std::uint64_t> modifier;    ///< set: the buffers are dmabufs with this layout
  std::vector<std::uint64_t> alternatives;  ///< not empty: nobody has chosen a modifier yet
  ColourDescription colour;
  [[nodiscard]] bool dmabuf() const { return modifier.has_value(); }
  [[nodiscard]] bool needs_fixation() const { return !alternatives.empty(); }
  bool operator==(const NegotiatedFormat&) const = default;
};

/// Reads a Format param. Unsupported: not raw video, MJPEG or H.264, or a format we have no name for; Invalid:
/// malformed, no size.
[[nodiscard]] Result<NegotiatedFormat> parse_format(const spa_pod* param);

/// The EnumFormat that answers needs_fixation(): the same format at the same limit with one modifier, the first of the
/// offer's list for that format which the producer left open. nullptr when none of ours is among them.
[[nodiscard]] PodPtr make_fixation(const NegotiatedFormat& open, const FormatOffer& offer);

/// Buffers: MemFd, or DmaBuf when a modifier was negotiated; never MemPtr, which only works inside one process.
/// `timelines`: only for a producer that adds acquire and release timelines. Offered first, then one without: whoever
/// has no explicit sync takes the second.
[[nodiscard]] PodPtr make_buffers_param(const NegotiatedFormat& format, bool timelines = false);

/// Header, VideoCrop, VideoTransform, VideoDamage (Damage::kMaxRects regions) and Cursor, and SyncTimeline with
/// `timelines`. A producer leaves out what it does not have.
[[nodiscard]] std::vector<PodPtr> make_meta_params(bool timelines = false);

/// What a foreign node offers, one EnumFormat.
[[nodiscard]] std::vector<OfferedFormat> parse_offered_formats(const spa_pod* param);

}  // namespace zc
