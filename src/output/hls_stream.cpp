#include "output/hls_stream.h"

#include <algorithm>

namespace zc {
namespace {

constexpr std::int64_t kMillisecond = kPacketClock / 1000;
/// What waits for a keyframe is memory.
constexpr std::int64_t kLongestSegment = 60 * kPacketClock;
/// By so much a segment may be shorter: pictures do not come by the clock.
constexpr std::int64_t kJitter = 100 * kMillisecond;

std::string_view range_of(TransferFunction transfer) {
  if (transfer == TransferFunction::PQ) return "PQ";
  return transfer == TransferFunction::HLG ? "HLG" : "SDR";
}

std::int64_t bits_of(std::size_t bytes, std::int64_t ticks) {
  return ticks > 0 ? static_cast<std::int64_t>(bytes) * 8 * kPacketClock / ticks : 0;
}

}  // namespace

HlsStream::HlsStream(hls::Timing timing, HlsStore& store) : HlsStream(timing, store, Start{}) {}

HlsStream::HlsStream(hls::Timing timing, HlsStore& store, const Start& start)
    : timing_(timing),
      part_ticks_(to_packet_clock(timing.part)),
      segment_ticks_(to_packet_clock(timing.segment)),
      wall_clock_(std::chrono::system_clock::now().time_since_epoch() - monotonic_now()),
      store_(store),
      next_segment_(start.segment),
      next_header_(start.header),
      discontinuity_(start.continues) {
  window_.timing = timing;
  window_.discontinuities = start.discontinuities;
}

Result<void> HlsStream::begin(const StreamParameters& stream) {
  if (auto rest = finish_all(); !rest) return rest;
  auto fragmenter = Fragmenter::create(stream);
  if (!fragmenter) return std::unexpected(std::move(fragmenter.error()));
  discontinuity_ = discontinuity_ || begun_;
  origin_.reset();  // behind a discontinuity time may begin anew
  stream_begin_.reset();
  begun_ = true;
  const std::uint64_t header = next_header_;
  if (auto put = store_.put(hls::header_name(header), fragmenter->header()); !put) return put;
  ++next_header_;
  fragmenter_ = *std::move(fragmenter);
  const bool known = !stream.nominal_rate.zero();
  frame_ticks_ = known ? kPacketClock * stream.nominal_rate.den / std::int64_t{stream.nominal_rate.num} : 0;
  if (window_.segments.empty() && !stream.variable_rate && part_ticks_ > 0 && frame_ticks_ > part_ticks_) {
    // No part has less than a picture.
    part_ticks_ = frame_ticks_;
    window_.timing.part = std::chrono::ceil<std::chrono::milliseconds>(from_packet_clock(frame_ticks_));
  }
  std::int64_t bits = stream.bit_rate;
  for (const AudioStreamParameters& track : stream.audio) bits += track.bit_rate;
  variant_ = {.codecs = fragmenter_->codecs(),
              .size = stream.size,
              .rate = known ? stream.nominal_rate.value() : 0,
              .bits_per_second = stream.bit_rate > 0 ? bits : 0,
              .range = range_of(stream.colour.transfer)};
  return {};
}

std::chrono::sys_time<std::chrono::milliseconds> HlsStream::date_of(const WirePacket& packet) {
  const Nanoseconds pts = from_packet_clock(packet.pts);
  // A picture that is repeated has no stamp.
  if (packet.times.captured.count() != 0) stream_begin_ = packet.times.captured - pts;
  if (!stream_begin_) stream_begin_ = monotonic_now() - pts;
  return std::chrono::sys_time<std::chrono::milliseconds>(
      std::chrono::floor<std::chrono::milliseconds>(*stream_begin_ + pts + wall_clock_));
}

Result<void> HlsStream::push(const WirePacket& packet) {
  if (!fragmenter_) return {};
  if (packet.track == 0) return push_picture(packet);
  if (!open() || packet.dts < origin_) return {};  // of before the first picture
  WirePacket sound = packet;
  sound.pts -= *origin_;
  sound.dts -= *origin_;
  keep(sound);
  return {};
}

Result<void> HlsStream::push_picture(WirePacket packet) {
  if (!origin_) {
    if (!packet.keyframe) return {};
    origin_ = packet.dts;
  }
  const std::int64_t now = packet.dts - *origin_;
  if (open()) {
    const std::int64_t length = now - segment_begin_;
    if (length > kLongestSegment) {
      return fail(ErrorKind::Unsupported, "cut the stream into segments",
                  "no keyframe has come for a minute, and each segment begins with one (--gop)");
    }
    const bool whole = packet.keyframe && length >= segment_ticks_ - kJitter;
    // With the next picture it would be too long, if that comes as late as others have lately.
    gap_ = std::max(now - newest_, gap_ * 7 / 8);
    const bool full = part_ticks_ > 0 && now - part_begin_ + gap_ > part_ticks_ + kMillisecond;
    if (whole || full) {
      if (auto published = publish_part(now); !published) return published;
    }
    if (whole) {
      if (auto finished = finish_segment(); !finished) return finished;
    }
    // Who knows of no parts would find an empty playlist before there is a segment.
    if ((whole || full) && window_.segments.front().whole) {
      if (auto told = store_.announce(window_, variant_); !told) return told;
    }
    if (!whole && length >= next_wish_) {
      keyframe_wish_ = true;
      next_wish_ = length + kPacketClock;
    }
  }
  if (!open()) {
    if (!packet.keyframe) return {};
    open_segment(packet);
    segment_begin_ = now;
  }
  if (kept_.empty()) part_begin_ = now;
  newest_ = now;
  packet.pts -= *origin_;
  packet.dts = now;
  keep(packet);
  return {};
}

void HlsStream::keep(const WirePacket& packet) {
  kept_.push_back({packet, bytes_.size()});
  bytes_.insert(bytes_.end(), packet.bytes.begin(), packet.bytes.end());
}

void HlsStream::open_segment(const WirePacket& packet) {
  hls::Segment segment;
  segment.number = next_segment_++;
  segment.header = next_header_ - 1;
  segment.discontinuity = std::exchange(discontinuity_, false);
  segment.date = date_of(packet);
  window_.segments.push_back(std::move(segment));
  segment_.clear();
  next_wish_ = segment_ticks_;
}

Result<void> HlsStream::publish_part(std::int64_t until) {
  if (kept_.empty()) return {};
  views_.clear();
  bool independent = false;
  WirePacket* last = nullptr;
  for (const Kept& one : kept_) {
    views_.push_back(one.packet);
    views_.back().bytes = std::span(bytes_).subspan(one.offset, one.packet.bytes.size());
  }
  for (WirePacket& view : views_) {
    if (view.track != 0) continue;
    if (last == nullptr) independent = view.keyframe;
    last = &view;
  }
  if (last != nullptr) last->duration = until - last->dts;
  const std::vector<std::byte> fragment = fragmenter_->fragment(views_, frame_ticks_);
  kept_.clear();
  bytes_.clear();
  hls::Segment& segment = window_.segments.back();
  const hls::Part part{.duration = until - part_begin_, .independent = independent};
  part_begin_ = until;
  if (part_ticks_ > 0) {
    if (auto put = store_.put(hls::part_name(segment.number, segment.parts.size()), fragment); !put) return put;
    segment.parts.push_back(part);
  }
  segment.duration += part.duration;
  segment_.insert(segment_.end(), fragment.begin(), fragment.end());
  return {};
}

Result<void> HlsStream::finish_segment() {
  hls::Segment& segment = window_.segments.back();
  if (auto put = store_.put(hls::segment_name(segment.number), segment_); !put) return put;
  segment.whole = true;
  variant_.bits_per_second = std::max(variant_.bits_per_second, bits_of(segment_.size(), segment.duration));
  forget_old();
  return {};
}

void HlsStream::forget_old() {
  for (const std::string& name : std::exchange(old_parts_, {})) store_.remove(name);
  const std::int64_t near = 3 * kPacketClock * hls::target_duration(timing_).count();
  std::int64_t behind = 0;
  std::size_t enough = 0;  // segments at the end that have to stay
  for (std::size_t i = window_.segments.size(); i-- > 0;) {
    hls::Segment& segment = window_.segments[i];
    if (behind < near) ++enough;
    if (behind >= near) {
      for (std::size_t part = 0; part < segment.parts.size(); ++part) {
        old_parts_.push_back(hls::part_name(segment.number, part));
      }
      segment.parts.clear();
    }
    behind += segment.duration;
  }
  while (window_.segments.size() > std::max<std::size_t>(enough, timing_.window)) {
    const hls::Segment& oldest = window_.segments.front();
    window_.discontinuities += oldest.discontinuity ? 1U : 0U;
    for (std::size_t part = 0; part < oldest.parts.size(); ++part) {
      old_parts_.push_back(hls::part_name(oldest.number, part));
    }
    const std::uint64_t header = oldest.header;
    old_segments_.push_back(hls::segment_name(oldest.number));
    window_.segments.pop_front();
    if (window_.segments.front().header != header) old_segments_.push_back(hls::header_name(header));
  }
  // RFC 8216, 6.2.2: as long as the longest playlist that had it, and once more its own length.
  while (old_segments_.size() > window_.segments.size() + 1) {
    store_.remove(old_segments_.front());
    old_segments_.pop_front();
  }
}

Result<void> HlsStream::finish_all() {
  if (!open()) return {};
  if (auto published = publish_part(newest_ + std::max<std::int64_t>(frame_ticks_, 1)); !published) return published;
  if (auto finished = finish_segment(); !finished) return finished;
  return store_.announce(window_, variant_);
}

void HlsStream::drop_open_segment() {
  const hls::Segment& segment = window_.segments.back();
  for (std::size_t part = 0; part < segment.parts.size(); ++part) store_.remove(hls::part_name(segment.number, part));
  window_.segments.pop_back();
}

Result<void> HlsStream::end() {
  auto rest = finish_all();
  if (!rest && open()) drop_open_segment();
  if (window_.segments.empty()) return rest;
  window_.ended = true;
  auto told = store_.announce(window_, variant_);
  return rest ? told : rest;
}

}  // namespace zc
