// HTTP Live Streaming: playlists as text (RFC 8216; parts and what goes with them: draft-pantos-hls-rfc8216bis).
#pragma once

#include "media/geometry.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zc::hls {

inline constexpr std::string_view kIndexName = "index.m3u8";  ///< the multivariant playlist: what a player opens
inline constexpr std::string_view kMediaName = "media.m3u8";
/// A comment in every playlist of ours, by which they are known again.
inline constexpr std::string_view kSignature = "# zerocast";

struct Timing {
  std::chrono::milliseconds part{200};      ///< no part is longer; zero: there are none
  std::chrono::milliseconds segment{2000};  ///< a segment ends at the first keyframe from here on
  unsigned window = 6;                      ///< whole segments that a player finds
};

/// What players are told of a segment's length; it is never changed. A keyframe may come later than it was asked for.
[[nodiscard]] constexpr std::chrono::seconds target_duration(const Timing& timing) {
  return std::chrono::ceil<std::chrono::seconds>(timing.segment) + std::chrono::seconds(1);
}

/// Between two pictures: a part has one at the least. nullopt: any, without parts.
[[nodiscard]] constexpr std::optional<std::chrono::nanoseconds> longest_gap(const Timing& timing) {
  if (timing.part.count() == 0) return std::nullopt;
  return std::chrono::nanoseconds(timing.part) * 17 / 20;  // a part of one picture is not too short, either
}

struct Part {
  std::int64_t duration = 0;  ///< kPacketClock ticks
  bool independent = false;   ///< a decoder can start with it
};

struct Segment {
  std::uint64_t number = 0;                               ///< one more than that of the segment before
  std::uint64_t header = 0;                               ///< number of the file that decoders need first
  bool discontinuity = false;                             ///< not what the segment before went on with
  std::chrono::sys_time<std::chrono::milliseconds> date;  ///< of its first picture
  std::int64_t duration = 0;                              ///< kPacketClock ticks, of what there is so far
  bool whole = false;                                     ///< nothing more will come
  std::vector<Part> parts;                                ///< empty: too long ago for anybody to take it in parts
};

/// What is there now.
struct Window {
  Timing timing;
  std::deque<Segment> segments;       ///< the newest is last
  std::uint64_t discontinuities = 0;  ///< that lie before the first of them
  bool ended = false;
};

/// Who serves the playlist.
struct Form {
  /// It answers when what is asked for is there: reloads of the playlist, and the next part. A folder of files cannot.
  bool waits = false;
  std::string suffix = {};  ///< goes behind every name, such as "?token=..."
};

/// The stream, for players that choose between several.
struct Variant {
  std::string codecs;  ///< RFC 6381, of all tracks: "avc1.42C020,mp4a.40.2"
  Size size;
  double rate = 0;                   ///< pictures a second, at most; 0: unknown
  std::int64_t bits_per_second = 0;  ///< peak of any segment
  std::string_view range = "SDR";    ///< or "PQ", "HLG"
};

[[nodiscard]] std::string media_playlist(const Window& window, const Form& form);
[[nodiscard]] std::string multivariant_playlist(const Variant& variant, const Form& form);

[[nodiscard]] std::string header_name(std::uint64_t header);                   ///< "init-1.mp4"
[[nodiscard]] std::string segment_name(std::uint64_t segment);                 ///< "seg-12.m4s"
[[nodiscard]] std::string part_name(std::uint64_t segment, std::size_t part);  ///< "seg-12.3.m4s"

}  // namespace zc::hls
