#include "output/hls_playlist.h"

#include "media/packet.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <iterator>

namespace zc::hls {
namespace {

double seconds(std::int64_t ticks) { return static_cast<double>(ticks) / static_cast<double>(kPacketClock); }
double seconds(std::chrono::milliseconds time) { return std::chrono::duration<double>(time).count(); }

/// RFC 3339, UTC.
std::string text_of(std::chrono::sys_time<std::chrono::milliseconds> date) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(date);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(std::chrono::system_clock::to_time_t(whole)),
                     (date - whole).count());
}

using Out = std::back_insert_iterator<std::string>;

void put_parts(Out out, const Segment& segment, const Form& form) {
  for (std::size_t i = 0; i < segment.parts.size(); ++i) {
    const Part& part = segment.parts[i];
    fmt::format_to(out, "#EXT-X-PART:DURATION={:.5f},URI=\"{}{}\"{}\n", seconds(part.duration),
                   part_name(segment.number, i), form.suffix, part.independent ? ",INDEPENDENT=YES" : "");
  }
}

void put_segment(Out out, const Segment& segment, const Form& form, bool new_header) {
  if (segment.discontinuity) fmt::format_to(out, "#EXT-X-DISCONTINUITY\n");
  if (new_header) fmt::format_to(out, "#EXT-X-MAP:URI=\"{}{}\"\n", header_name(segment.header), form.suffix);
  fmt::format_to(out, "#EXT-X-PROGRAM-DATE-TIME:{}\n", text_of(segment.date));
  put_parts(out, segment, form);
  if (!segment.whole) return;
  fmt::format_to(out, "#EXTINF:{:.5f},\n{}{}\n", seconds(segment.duration), segment_name(segment.number), form.suffix);
}

/// How far from the newest picture players stay.
void put_control(Out out, const Timing& timing, const Form& form) {
  // 4.4.3.8: three target durations and three parts at the least. Who has to ask again and again asks once a segment,
  // and its parts have to last until then.
  const auto target = target_duration(timing);
  fmt::format_to(out, "#EXT-X-SERVER-CONTROL:{}HOLD-BACK={:.3f}", form.waits ? "CAN-BLOCK-RELOAD=YES," : "",
                 seconds(3 * target));
  if (timing.part.count() > 0) {
    fmt::format_to(out, ",PART-HOLD-BACK={:.3f}\n#EXT-X-PART-INF:PART-TARGET={:.3f}",
                   seconds(3 * timing.part + (form.waits ? std::chrono::milliseconds{} : target)),
                   seconds(timing.part));
  }
  fmt::format_to(out, "\n");
}

}  // namespace

std::string header_name(std::uint64_t header) { return fmt::format("init-{}.mp4", header); }
std::string segment_name(std::uint64_t segment) { return fmt::format("seg-{}.m4s", segment); }
std::string part_name(std::uint64_t segment, std::size_t part) { return fmt::format("seg-{}.{}.m4s", segment, part); }

std::string media_playlist(const Window& window, const Form& form) {
  std::string text;
  const Out out = std::back_inserter(text);
  fmt::format_to(out, "#EXTM3U\n{}\n#EXT-X-VERSION:9\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-TARGETDURATION:{}\n",
                 kSignature, target_duration(window.timing).count());
  put_control(out, window.timing, form);
  const std::uint64_t first = window.segments.empty() ? 0 : window.segments.front().number;
  fmt::format_to(out, "#EXT-X-MEDIA-SEQUENCE:{}\n#EXT-X-DISCONTINUITY-SEQUENCE:{}\n", first, window.discontinuities);
  std::uint64_t header = 0;
  for (const Segment& segment : window.segments) {
    if (segment.parts.empty() && !segment.whole) continue;
    put_segment(out, segment, form, segment.header != header);
    header = segment.header;
  }
  if (window.ended) {
    fmt::format_to(out, "#EXT-X-ENDLIST\n");
  } else if (form.waits && window.timing.part.count() > 0 && !window.segments.empty()) {
    const Segment& newest = window.segments.back();
    const std::string next =
        newest.whole ? part_name(newest.number + 1, 0) : part_name(newest.number, newest.parts.size());
    fmt::format_to(out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{}{}\"\n", next, form.suffix);
  }
  return text;
}

std::string multivariant_playlist(const Variant& variant, const Form& form) {
  std::string rate;
  if (variant.rate > 0) rate = fmt::format(",FRAME-RATE={:.3f}", variant.rate);
  return fmt::format(
      "#EXTM3U\n{}\n#EXT-X-VERSION:9\n#EXT-X-INDEPENDENT-SEGMENTS\n"
      "#EXT-X-STREAM-INF:BANDWIDTH={},CODECS=\"{}\",RESOLUTION={}x{},VIDEO-RANGE={}{}\n{}{}\n",
      kSignature, variant.bits_per_second, variant.codecs, variant.size.width, variant.size.height, variant.range, rate,
      kMediaName, form.suffix);
}

}  // namespace zc::hls
