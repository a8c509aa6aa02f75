// RTP by libavformat's muxer, rtpenc.c, one for each track; the datagrams are sent by us, in the pictures' own time.
#include "output/rtp_sink.h"

#include "base/clock.h"
#include "media/av_error.h"
#include "output/av_streams.h"
#include "output/container.h"
#include "output/peer_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <span>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>

extern "C" {
#include <libavutil/time.h>
}

namespace zc {
namespace {

// libavformat 61 made the buffer of the write callback const.
using WriteBuffer = std::conditional_t<(LIBAVFORMAT_VERSION_MAJOR >= 61), const std::uint8_t*, std::uint8_t*>;

/// A picture's packets are spread over half the time until the next one, but no longer than this: receivers' buffers
/// and switches lose what comes in one burst, and the last packet is the picture's delay.
constexpr std::chrono::milliseconds kLongestSpread{8};
/// So many go out at once.
constexpr int kBurst = 8;
/// Sound of more than one frame in a packet waits no longer, in microseconds.
constexpr int kSoundDelay = 20'000;

/// Sends the packets of one picture evenly.
class Spread {
 public:
  void begin(std::size_t bytes, std::int64_t duration) {
    const auto packets = static_cast<std::int64_t>(bytes / kRtpPacketBytes) + 1;
    const Nanoseconds time = std::min<Nanoseconds>(from_packet_clock(duration) / 2, kLongestSpread);
    gap_ = packets > kBurst ? time * kBurst / packets : Nanoseconds{};
    sent_ = 0;
    next_ = monotonic_now();
  }
  void before_packet() {
    if (gap_ == Nanoseconds{} || sent_++ % kBurst != 0) return;
    const Nanoseconds now = monotonic_now();
    if (next_ > now) std::this_thread::sleep_for(next_ - now);
    next_ += gap_;
  }

 private:
  Nanoseconds gap_{};
  Nanoseconds next_{};
  int sent_ = 0;
};

/// One track: its packets go to one port, and RTCP's reports to the one above.
struct Channel {
  std::unique_ptr<PeerStream> media;
  std::unique_ptr<PeerStream> control;
  std::optional<Error> error;  ///< what one of them said; libavformat only sees a number
  Spread spread;
  AvioPtr io;
  AvOutputPtr format;  ///< dies before `io`
  AVStream* stream = nullptr;
  bool begun = false;

  Channel() = default;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;
  Channel(Channel&&) = delete;
  Channel& operator=(Channel&&) = delete;
  /// What the muxer has begun it ends: else its own memory would stay.
  ~Channel() {
    if (begun) av_write_trailer(format.get());
  }

  static int on_write(void* self, WriteBuffer data, int size) noexcept {
    auto& channel = *static_cast<Channel*>(self);
    if (channel.error) return AVERROR(EIO);
    const std::span bytes(reinterpret_cast<const std::byte*>(data), static_cast<std::size_t>(size));
    // RFC 5761, section 4.
    const bool report = size > 1 && data[1] >= 192 && data[1] <= 223;
    if (!report) channel.spread.before_packet();
    if (auto sent = (report ? channel.control : channel.media)->write(bytes); !sent) {
      channel.error = std::move(sent.error());
      return AVERROR(EIO);
    }
    return size;
  }
};

class RtpSender final : public RtpSink {
 public:
  RtpSender(RtpOutput output, const std::string& name, std::unique_ptr<Interrupt> interrupt)
      : RtpSink(name, std::move(interrupt)), output_(std::move(output)), packet_(av_packet_alloc()) {}

  Result<void> close() override {
    channels_.clear();
    return {};
  }

 protected:
  Result<void> begin(const StreamParameters& stream) override {
    channels_.clear();
    const std::int64_t now = av_gettime();
    const std::uint16_t port = output_.pictures.peer.port;
    for (std::size_t track = 0; track <= stream.audio.size(); ++track) {
      UdpOutput to = output_.pictures;
      if (track != 0) to.peer.port = output_.audio_port.value_or(static_cast<std::uint16_t>(port + 2));
      auto channel = std::make_unique<Channel>();
      if (auto connected = connect(*channel, to); !connected) return connected;
      if (auto begun = begin(*channel, to.peer, stream, track, now); !begun) return begun;
      channels_.push_back(std::move(channel));
    }
    return output_.sdp.empty() ? Result<void>{} : describe_to_receivers();
  }

  Result<void> send(const Packet& packet) override {
    Channel& channel = *channels_.at(packet.track);
    channel.spread.begin(packet.track == 0 ? packet.bytes().size() : 0, packet.duration);
    return checked(channel, write_frame(*channel.format, *packet_, *channel.stream, packet, packet.duration),
                   "write to");
  }

 private:
  [[nodiscard]] Result<void> connect(Channel& channel, UdpOutput to) const {
    auto media = make_udp_stream(to, stopped());
    ++to.peer.port;
    auto control = make_udp_stream(to, stopped());
    for (auto* made : {&media, &control}) {
      if (!*made) return std::unexpected((*made).error());
      if (auto connected = (**made)->connect(); !connected) return connected;
    }
    channel.media = std::move(*media);
    channel.control = std::move(*control);
    return {};
  }

  /// `now`: of the clock on the wall, in microseconds: what lets a receiver show what was heard with what was seen.
  [[nodiscard]] Result<void> begin(Channel& channel, const Endpoint& peer, const StreamParameters& stream,
                                   std::size_t track, std::int64_t now) const {
    const auto no_memory = [] { return fail(ErrorKind::Internal, "set up RTP", "out of memory"); };
    AVFormatContext* raw = nullptr;
    const std::string url = "rtp://" + peer.text();
    if (packet_ == nullptr || avformat_alloc_output_context2(&raw, nullptr, "rtp", url.c_str()) < 0) return no_memory();
    channel.format.reset(raw);
    auto* buffer = static_cast<std::uint8_t*>(av_malloc(kRtpPacketBytes));
    if (buffer == nullptr) return no_memory();
    channel.io.reset(avio_alloc_context(buffer, kRtpPacketBytes, 1, &channel, nullptr, &Channel::on_write, nullptr));
    if (channel.io == nullptr) {
      av_free(buffer);
      return no_memory();
    }
    channel.io->max_packet_size = kRtpPacketBytes;
    raw->pb = channel.io.get();
    raw->flags |= AVFMT_FLAG_CUSTOM_IO;
    raw->max_delay = kSoundDelay;
    raw->start_time_realtime = now;
    raw->strict_std_compliance = FF_COMPLIANCE_EXPERIMENTAL;  // AV1, where it knows it
    av_dict_set(&raw->metadata, "title", "zerocast", 0);
    channel.stream = avformat_new_stream(raw, nullptr);
    if (channel.stream == nullptr) return no_memory();
    if (!(track == 0 ? describe(stream, *channel.stream) : describe(stream.audio[track - 1], *channel.stream))) {
      return no_memory();
    }
    AvOptions options;
    options.set("payload_type", std::to_string(track == 0 ? output_.payload : output_.audio_payload));
    options.set("rtpflags", "send_bye");
    const int code = avformat_write_header(raw, options.get());
    channel.begun = code >= 0;
    return checked(channel, code, "begin");
  }

  [[nodiscard]] Result<void> checked(const Channel& channel, int code, const char* what) const {
    if (channel.error) return std::unexpected(*channel.error);
    if (code < 0) return fail_ffmpeg(ErrorKind::Unsupported, code, fmt::format("{} {}", what, name()));
    return {};
  }

  /// Replaced in one step: a receiver may be reading it.
  [[nodiscard]] Result<void> describe_to_receivers() const {
    std::vector<AVFormatContext*> formats;
    formats.reserve(channels_.size());
    for (const auto& channel : channels_) formats.push_back(channel->format.get());
    std::array<char, 16384> text{};
    const int code = av_sdp_create(formats.data(), static_cast<int>(formats.size()), text.data(), text.size());
    if (code < 0) return fail_ffmpeg(ErrorKind::Internal, code, "describe " + name());
    const std::string part = output_.sdp + ".part";
    std::ofstream file(part, std::ios::trunc);
    if (!(file << text.data()).flush()) return fail_errno(errno, "write " + part);
    file.close();
    std::error_code error;
    std::filesystem::rename(part, output_.sdp, error);
    if (error) return fail_errno(error.value(), "write " + output_.sdp);
    return {};
  }

  RtpOutput output_;
  std::vector<std::unique_ptr<Channel>> channels_;  ///< by track; empty while it is not open
  AvPacketPtr packet_;
};

}  // namespace

RtpSink::RtpSink(std::string name, std::unique_ptr<Interrupt> interrupt)
    : name_(std::move(name)), interrupt_(std::move(interrupt)) {}

Result<std::unique_ptr<RtpSink>> RtpSink::create(const OutputSpec& spec) {
  auto interrupt = Interrupt::create();
  if (!interrupt) return std::unexpected(interrupt.error());
  if (const auto* rtsp = std::get_if<RtspOutput>(&spec.target)) return make_rtsp_sink(*rtsp, std::move(*interrupt));
  if (const auto* rtp = std::get_if<RtpOutput>(&spec.target)) {
    return make_rtp_sink(*rtp, spec.name(), std::move(*interrupt));
  }
  return fail(ErrorKind::Internal, "open " + spec.name(), "not RTP");
}

Result<void> RtpSink::open(const StreamParameters& stream) {
  if (auto ok = check_codec(Container::Rtp, stream.codec); !ok) return ok;
  for (const AudioStreamParameters& track : stream.audio) {
    if (auto ok = check_codec(Container::Rtp, track.codec); !ok) return ok;
  }
  if (auto ok = check_tracks(Container::Rtp, stream.audio.size()); !ok) return ok;
  tracks_ = stream.audio.size();
  origin_.reset();
  auto begun = begin(stream);
  if (!begun) [[maybe_unused]]
    const auto closed = close();
  return begun;
}

Result<void> RtpSink::write(const Packet& packet) {
  if (packet.track > tracks_) return {};  // of a track that this stream was not said to have
  if (packet.track == 0 && !origin_) origin_ = packet.dts;
  if (!origin_ || packet.dts < *origin_) return {};  // sound of before the first picture
  Packet moved = packet;
  moved.pts -= *origin_;
  moved.dts -= *origin_;
  return send(moved);
}

Result<std::unique_ptr<RtpSink>> make_rtp_sink(const RtpOutput& output, const std::string& name,
                                               std::unique_ptr<Interrupt> interrupt) {
  return std::make_unique<RtpSender>(output, name, std::move(interrupt));
}

}  // namespace zc
