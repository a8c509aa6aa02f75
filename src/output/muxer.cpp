#include "output/muxer.h"

#include "media/av_error.h"
#include "media/av_words.h"
#include "output/av_format.h"
#include "output/av_streams.h"
#include "output/mp4_index.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

extern "C" {
#include <libavcodec/packet.h>
#include <libavutil/channel_layout.h>
#include <libavutil/dict.h>
#include <libavutil/mastering_display_metadata.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>
}

namespace zc {
namespace {

// libavformat 61 made the buffer of the write callback const.
using WriteBuffer = std::conditional_t<(LIBAVFORMAT_VERSION_MAJOR >= 61), const std::uint8_t*, std::uint8_t*>;

constexpr int kStreamBuffer = 256 * 1024;  // bytes; a fragment at 8 Mbit/s goes out in one write()
constexpr int kSoundLag = 300'000;         // microseconds

std::unexpected<Error> fail_av(int code, const std::string& operation) {
  const ErrorKind kind = code == AVERROR(EINVAL) || code == AVERROR_INVALIDDATA || code == AVERROR_PATCHWELCOME
                             ? ErrorKind::Unsupported
                             : ErrorKind::Internal;
  return fail_ffmpeg(kind, code, operation);
}

struct MuxerOption {
  Container container;
  const char* name;
  const char* value;
};

/// docs/decisions/0020-files-that-survive.md says why.
constexpr std::array kMuxerOptions{
    // A cluster that Muxer has not closed (a long gap in a variable-rate stream) ends here.
    MuxerOption{Container::Mkv, "cluster_time_limit", "500"},
    // With frag_discont sound that begins a moment after the pictures is not moved to where they begin.
    MuxerOption{Container::Mp4, "movflags",
                "empty_moov+default_base_moof+frag_keyframe+negative_cts_offsets+frag_discont"},
    // With empty_moov there is nothing an edit list could say; libavformat warns when it is left to find that out.
    MuxerOption{Container::Mp4, "use_editlist", "0"},
    MuxerOption{Container::Mp4, "frag_duration", "250000"},  // microseconds
    // negative_cts_offsets starts the pictures at 0 as they are; shifting the times first would move them.
    MuxerOption{Container::Mp4, "avoid_negative_ts", "disabled"},
    // Tables often enough for a peer that joins in the middle; before every keyframe they come anyway, and parameter
    // sets
    // with it.
    MuxerOption{Container::Ts, "pat_period", "0.2"},
    // A peer cannot be told afterwards how long it was.
    MuxerOption{Container::Flv, "flvflags", "no_duration_filesize"},
};

}  // namespace

struct Muxer::Impl {
  Impl(Container kind, ByteStream& stream) : container(kind), out(&stream) {
    if (kind == Container::Mp4 && stream.seekable()) index.emplace();
  }

  Container container;
  ByteStream* out;
  std::optional<Error> io_error;  ///< what the ByteStream said; libavformat only sees a number
  std::uint64_t position = 0;
  AvioPtr io;
  AvOutputPtr format;  ///< dies before `io`
  AvPacketPtr packet;
  AVStream* video = nullptr;               ///< owned by format, as the next
  std::vector<AVStream*> audio;            ///< by track, less one
  std::int64_t frame_duration = 0;         ///< kPacketClock ticks of the nominal rate
  std::optional<std::int64_t> open_since;  ///< dts of the first packet that flush() would write out
  Packet held;                             ///< MP4: the newest picture; its duration is its successor's time
  bool holding = false;
  std::optional<Mp4Index> index;  ///< of an MP4 that becomes a plain one
  bool flushed_early = false;     ///< MP4: the last fragment ended before its successor's time was known

  static int on_write(void* self, WriteBuffer data, int size) noexcept {
    auto& impl = *static_cast<Impl*>(self);
    if (impl.io_error) return AVERROR(EIO);
    const std::span bytes(reinterpret_cast<const std::byte*>(data), static_cast<std::size_t>(size));
    auto written = impl.out->write(bytes);
    if (!written) {
      impl.io_error = std::move(written.error());
      return AVERROR(EIO);
    }
    if (impl.index) impl.index->add(impl.position, bytes);
    impl.position += bytes.size();
    return size;
  }

  static std::int64_t on_seek(void* self, std::int64_t offset, int whence) noexcept {
    auto& impl = *static_cast<Impl*>(self);
    std::int64_t target = offset;
    switch (whence & ~AVSEEK_FORCE) {
      case AVSEEK_SIZE: return static_cast<std::int64_t>(impl.out->size());
      case SEEK_SET: break;
      case SEEK_CUR: target += static_cast<std::int64_t>(impl.position); break;
      case SEEK_END: target += static_cast<std::int64_t>(impl.out->size()); break;
      default: return AVERROR(EINVAL);
    }
    if (target < 0) return AVERROR(EINVAL);
    if (auto moved = impl.out->seek(static_cast<std::uint64_t>(target)); !moved) {
      impl.io_error = std::move(moved.error());
      return AVERROR(EIO);
    }
    impl.position = static_cast<std::uint64_t>(target);
    return target;
  }

  [[nodiscard]] Result<void> check(int code, const char* operation) const {
    if (io_error) return std::unexpected(*io_error);
    if (code < 0) return fail_av(code, fmt::format("{} {}", operation, info(container).title));
    if (io->error < 0) return fail_av(io->error, fmt::format("{} {}", operation, info(container).title));
    return {};
  }

  [[nodiscard]] Result<void> open(const StreamParameters& stream);
  /// `duration` in kPacketClock ticks.
  [[nodiscard]] Result<void> write(const Packet& picture, std::int64_t duration);
  [[nodiscard]] Result<void> hand_over(const Packet& coded, std::int64_t duration, AVStream& stream);
  [[nodiscard]] Result<void> write_held(std::int64_t duration);
  [[nodiscard]] Result<void> close_when_due(const Packet& newest);
  [[nodiscard]] Result<void> close_fragment();
  [[nodiscard]] std::int64_t duration_of(const Packet& picture) const {
    return picture.duration > 0 ? picture.duration : frame_duration;
  }
};

Result<void> Muxer::Impl::open(const StreamParameters& stream) {
  const auto no_memory = [] { return fail(ErrorKind::Internal, "set up the muxer", "out of memory"); };
  AVFormatContext* raw_format = nullptr;
  if (const int code = avformat_alloc_output_context2(&raw_format, nullptr, info(container).muxer, nullptr); code < 0) {
    return fail_av(code, fmt::format("set up {}", info(container).title));
  }
  format.reset(raw_format);
  const std::size_t message = out->message_bytes();
  const int buffer_bytes = message != 0 ? static_cast<int>(message) : kStreamBuffer;
  auto* buffer = static_cast<std::uint8_t*>(av_malloc(static_cast<std::size_t>(buffer_bytes)));
  if (buffer == nullptr) return no_memory();
  io.reset(avio_alloc_context(buffer, buffer_bytes, 1, this, nullptr, &on_write, out->seekable() ? &on_seek : nullptr));
  if (io == nullptr) {
    av_free(buffer);
    return no_memory();
  }
  io->seekable = out->seekable() ? AVIO_SEEKABLE_NORMAL : 0;
  io->max_packet_size = static_cast<int>(message);
  format->pb = io.get();
  format->flags |= AVFMT_FLAG_CUSTOM_IO;
  format->flush_packets = 1;  // every byte leaves the AVIO buffer before a call returns
  format->max_delay = 0;      // no artificial PCR lead in MPEG-TS
  // Sound comes to a peer after the pictures it belongs to, and must not be later than the clock it is given.
  if (container == Container::Ts && !stream.audio.empty() && !out->seekable()) format->max_delay = kSoundLag;
  // FLAC in MP4, to FFmpeg 5: later ones call the same a standard.
  if (container == Container::Mp4) format->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;
  packet.reset(av_packet_alloc());
  video = avformat_new_stream(format.get(), nullptr);
  if (packet == nullptr || video == nullptr || !describe(stream, *video)) return no_memory();
  // Apple's players refuse the default 'hev1'; our parameter sets are in the sample entry, as 'hvc1' asks.
  if (container == Container::Mp4 && stream.codec == Codec::HEVC) {
    video->codecpar->codec_tag = MKTAG('h', 'v', 'c', '1');
  }
  for (const AudioStreamParameters& track : stream.audio) {
    audio.push_back(avformat_new_stream(format.get(), nullptr));
    if (audio.back() == nullptr || !describe(track, *audio.back())) return no_memory();
  }
  frame_duration =
      stream.nominal_rate.zero() ? 0 : kPacketClock * stream.nominal_rate.den / std::int64_t{stream.nominal_rate.num};

  AvOptions options;
  for (const MuxerOption& option : kMuxerOptions) {
    if (option.container == container) options.set(option.name, option.value);
  }
  if (auto ok = check(avformat_write_header(format.get(), options.get()), "start"); !ok) return ok;
  if (const std::string unknown = options.left_over(); !unknown.empty()) {
    return fail(ErrorKind::Internal, fmt::format("start {}", info(container).title),
                fmt::format("this libavformat does not know the muxer option '{}'", unknown));
  }
  avio_flush(io.get());
  return check(0, "start");
}

Muxer::Muxer(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Muxer::~Muxer() = default;

Result<std::unique_ptr<Muxer>> Muxer::create(Container container, const StreamParameters& stream, ByteStream& out) {
  if (auto ok = check_codec(container, stream.codec); !ok) return std::unexpected(ok.error());
  for (const AudioStreamParameters& track : stream.audio) {
    if (auto ok = check_codec(container, track.codec); !ok) return std::unexpected(ok.error());
  }
  if (auto ok = check_tracks(container, stream.audio.size()); !ok) return std::unexpected(ok.error());
  constexpr std::size_t kMostExtradata = std::size_t{1} << 20U;
  if (stream.size.empty() || stream.size.width > INT16_MAX || stream.size.height > INT16_MAX ||
      stream.extradata.size() > kMostExtradata) {
    return fail(ErrorKind::Invalid, fmt::format("start {}", info(container).title),
                fmt::format("a picture of {}x{} px is out of range", stream.size.width, stream.size.height));
  }
  auto impl = std::make_unique<Impl>(container, out);
  if (auto ok = impl->open(stream); !ok) return std::unexpected(ok.error());
  return std::unique_ptr<Muxer>(new Muxer(std::move(impl)));
}

Result<void> Muxer::Impl::write(const Packet& picture, std::int64_t duration) {
  if (flushed_early) {
    // Without this flag the muxer would move the picture back to where the fragment before ended by its durations.
    av_opt_set(format->priv_data, "movflags", "+frag_discont", 0);
    flushed_early = false;
  }
  if (container == Container::Ts && picture.keyframe) {
    // Who joins here decodes at once.
    av_opt_set(format->priv_data, "mpegts_flags", "+resend_headers", 0);
  }
  return hand_over(picture, duration, *video);
}

Result<void> Muxer::Impl::hand_over(const Packet& coded, std::int64_t duration, AVStream& stream) {
  const int code = write_frame(*format, *packet, stream, coded, duration);
  if (!open_since) open_since = coded.dts;
  return check(code, "write");
}

Result<void> Muxer::Impl::write_held(std::int64_t duration) {
  if (!holding) return {};
  holding = false;
  auto result = write(held, duration);
  held = Packet();
  return result;
}

Result<void> Muxer::Impl::close_when_due(const Packet& newest) {
  constexpr std::int64_t kInterval = to_packet_clock(kFlushInterval);
  return newest.dts + newest.duration - *open_since >= kInterval ? close_fragment() : Result<void>{};
}

Result<void> Muxer::Impl::close_fragment() {
  if (container == Container::Ts || container == Container::Flv || !open_since) return {};
  open_since.reset();
  return check(av_write_frame(format.get(), nullptr), "write");
}

Result<void> Muxer::write(const Packet& packet) {
  Impl& impl = *impl_;
  if (packet.track > impl.audio.size()) return {};  // of a track that this stream was not said to have
  if (packet.track != 0) {
    auto written = impl.hand_over(packet, packet.duration, *impl.audio[packet.track - 1]);
    if (!written) return written;
    if (impl.container != Container::Mp4) return impl.close_when_due(packet);
    // A picture that nothing follows does not stay in memory.
    return impl.holding && packet.dts - impl.held.dts >= to_packet_clock(kFlushInterval) ? flush() : written;
  }
  if (impl.container == Container::Mp4) {
    // Every sample's duration is written, so a picture waits for its successor. Fragments close by themselves
    // (frag_duration, frag_keyframe).
    if (auto ok = impl.write_held(packet.dts - impl.held.dts); !ok) return ok;
    impl.held = packet;
    impl.holding = true;
    return {};
  }
  if (auto ok = impl.write(packet, impl.duration_of(packet)); !ok) return ok;
  return impl.close_when_due(packet);
}

Result<void> Muxer::flush() {
  Impl& impl = *impl_;
  // A guess at the duration that is too long would make the muxer move the next picture, so: the shortest. Players go
  // by the next fragment's own start time.
  const bool early = impl.holding;
  if (auto ok = impl.write_held(1); !ok) return ok;
  auto result = impl.close_fragment();
  impl.flushed_early |= early;
  return result;
}

Result<void> Muxer::drain() {
  Impl& impl = *impl_;
  if (auto ok = impl.write_held(impl.duration_of(impl.held)); !ok) return ok;
  return impl.close_fragment();
}

Result<void> Muxer::finish() {
  const Impl& impl = *impl_;
  if (auto ok = drain(); !ok) return ok;
  if (impl.index) return impl.index->make_plain(*impl.out);
  const int code = av_write_trailer(impl.format.get());
  avio_flush(impl.io.get());
  return impl.check(code, "finish");
}

}  // namespace zc
