#include "encode/ffmpeg_encoder.h"

#include "base/log.h"
#include "encode/codec_context.h"
#include "encode/in_band_headers.h"
#include "encode/parameter_sets.h"
#include "encode/reordering.h"
#include "gpu/cuda/av_device.h"
#include "media/av_log.h"
#include "media/hdr_side_data.h"

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
}

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <deque>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace zc {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min();

/// The pts of the pictures inside the encoder and of the newest one, to tell how long a picture lasts.
class PtsHistory {
 public:
  void add(std::int64_t pts) {
    pts_.at(next_) = pts;
    next_ = (next_ + 1) % pts_.size();
    count_ = std::min(count_ + 1, pts_.size());
  }
  /// Distance from `pts` to the picture after it; 0 when that has not come yet.
  [[nodiscard]] std::int64_t duration(std::int64_t pts) const {
    for (std::size_t back = 0; back + 1 < count_; ++back) {
      const std::size_t newer = (next_ + pts_.size() - 1 - back) % pts_.size();
      const std::size_t older = (newer + pts_.size() - 1) % pts_.size();
      if (pts_.at(older) == pts) return pts_.at(newer) - pts;
      if (pts_.at(older) < pts) break;
    }
    return 0;
  }

 private:
  std::array<std::int64_t, 256> pts_{};
  std::size_t next_ = 0;
  std::size_t count_ = 0;
};

/// From one picture to the next.
std::int64_t ticks_of(Rational rate) {
  return std::max<std::int64_t>(1, std::llround(static_cast<double>(kPacketClock) / rate.value()));
}

/// Whether the encoder shows its pictures in the order they come in and its headers may not say so. Those of software
/// always do, and their own parameters may ask for another order.
bool keeps_order(const EncoderRow& row, const AVCodecContext& context) {
  return row.hardware() && context.max_b_frames <= 0 && context.has_b_frames == 0;
}

/// The parameter sets of an opened encoder, as its stream has them.
std::vector<std::byte> headers_of(const EncoderRow& row, const AVCodecContext& context) {
  const auto* const data = reinterpret_cast<const std::byte*>(context.extradata);
  const std::span headers(data, data == nullptr ? 0 : static_cast<std::size_t>(context.extradata_size));
  if (keeps_order(row, context)) {
    if (auto told = without_reordering(row.codec, headers)) return *std::move(told);
  }
  return {headers.begin(), headers.end()};
}

/// Pictures that a driver's encoder keeps back: two for its pipeline, and what is asked of it.
std::size_t held_by_design(const EncoderSettings& settings) {
  constexpr std::size_t kPipeline = 2;
  constexpr std::array<std::string_view, 6> kHolding{"delay", "async_depth",      "rc-lookahead",
                                                     "bf",    "look_ahead_depth", "surfaces"};
  std::size_t held = kPipeline + settings.lookahead.value_or(0) + settings.b_frames.value_or(0);
  for (const auto& [key, value] : settings.options) {
    std::size_t number = 0;
    if (std::ranges::find(kHolding, key) == kHolding.end()) continue;
    if (std::from_chars(value.data(), value.data() + value.size(), number).ec == std::errc()) held += number;
  }
  return held;
}

class FfmpegEncoder final : public Encoder {
 public:
  FfmpegEncoder(const EncoderRow& row, const EncoderSettings& settings, const VideoParameters& video,
                OpenedCodec opened, AvFramePtr frame, AvPacketPtr packet)
      : row_(row),
        settings_(settings),
        video_(video),
        codec_(std::move(opened)),
        input_{codec_.input, video.size, settings.colour, codec_.memory},
        frame_(std::move(frame)),
        packet_(std::move(packet)),
        frame_ticks_(ticks_of(video.rate)),
        gop_ticks_(
            settings.periodic_keyframes() ? std::llround(settings.gop_seconds * static_cast<double>(kPacketClock)) : 0),
        most_held_(held_by_design(settings)),
        opened_rate_(video.rate) {
    read_stream_parameters();
  }
  ~FfmpegEncoder() override = default;
  FfmpegEncoder(const FfmpegEncoder&) = delete;
  FfmpegEncoder& operator=(const FfmpegEncoder&) = delete;

  [[nodiscard]] std::string_view name() const override { return row_.name; }
  [[nodiscard]] const SurfaceFormat& input() const override { return input_; }
  [[nodiscard]] bool hardware() const override { return row_.hardware(); }
  [[nodiscard]] std::size_t most_held() const override { return most_held_; }
  [[nodiscard]] const StreamParameters& stream() const override { return stream_; }

  Result<void> submit(const Surface& surface) override;
  Result<std::optional<Packet>> receive() override;
  void request_keyframe() override { keyframe_requested_ = true; }
  Result<Change> set_bitrate(std::int64_t bits_per_second, bool new_headers) override;
  Result<Change> set_rate(Rational rate, bool new_headers) override;
  Result<Change> set_size(Size size) override;
  Result<void> flush() override;
  Result<void> drain() override;

 private:
  void read_stream_parameters();
  [[nodiscard]] bool keyframe_due(std::int64_t pts) const;
  /// Takes out all that the encoder holds.
  [[nodiscard]] Result<void> empty();
  [[nodiscard]] Result<void> start_anew();
  /// The same encoder with other settings in the place of this one. Errors as set_bitrate().
  [[nodiscard]] Result<Change> reopen(EncoderSettings settings, VideoParameters video, bool new_headers);
  [[nodiscard]] Result<void> take_picture(const Surface& surface);
  /// Gives the encoder a picture with our time and type; AVERROR codes.
  [[nodiscard]] Result<void> send(const Surface& surface, std::int64_t pts, bool keyframe);
  /// The encoder did not take the first picture where it lies: tries a copy in a pool of its own. Errors: the refusal.
  [[nodiscard]] Result<void> send_copy(const Surface& surface, std::int64_t pts, bool keyframe, Error refusal);
  [[nodiscard]] Result<std::optional<Packet>> next_packet();
  [[nodiscard]] Result<Packet> take_packet();
  /// A failure in the words that libavcodec logged about it.
  [[nodiscard]] std::unexpected<Error> encode_error(int code, const AvLogCapture& log) const {
    return fail_av(code, fmt::format("encode with {}", row_.name), log.text());
  }

  const EncoderRow& row_;
  EncoderSettings settings_;
  VideoParameters video_;
  OpenedCodec codec_;
  SurfaceFormat input_;
  StreamParameters stream_;
  AvFramePtr frame_;            // a reference to the picture being submitted, with our pts and picture type
  AvPacketPtr packet_;          // emptied into each Packet
  std::deque<Packet> drained_;  // left over by start_anew()
  PtsHistory history_;

  std::int64_t frame_ticks_;
  std::int64_t gop_ticks_;
  std::size_t most_held_;
  Rational opened_rate_;  // the encoder's own count of pictures between keyframes was made for it
  std::int64_t last_pts_ = kNever;
  std::int64_t last_dts_ = kNever;
  std::int64_t last_keyframe_pts_ = kNever;  // asked for, or made by the encoder itself
  bool keyframe_requested_ = false;
  bool draining_ = false;
  bool copies_ = false;  // pictures in CUDA memory go into the encoder's own pool first
};

void FfmpegEncoder::read_stream_parameters() {
  const AVCodecContext& context = *codec_.context;
  stream_.codec = row_.codec;
  stream_.size = video_.size;
  stream_.nominal_rate = video_.rate;
  stream_.variable_rate = !video_.constant_rate;
  stream_.bit_depth = settings_.bit_depth;
  stream_.bit_rate = settings_.bit_rate.value_or(0);
  stream_.colour = settings_.colour;
  stream_.hdr = settings_.hdr;
  stream_.has_b_frames = row_.codec != Codec::AV1 && context.max_b_frames > 0;
  stream_.extradata = headers_of(row_, context);
  stream_.profile = context.profile;
  stream_.level = context.level;
  if (const auto found = read_profile_level(row_.codec, stream_.extradata)) {
    stream_.profile = found->profile;
    stream_.level = found->level;
  }
}

bool FfmpegEncoder::keyframe_due(std::int64_t pts) const {
  if (keyframe_requested_ || last_keyframe_pts_ == kNever) return true;
  if (!settings_.periodic_keyframes()) return false;
  // The encoder's own keyframe is on its way (it counts pictures): opening anew costs dozens of threads.
  if (!codec_.plan.forces_keyframes) return pts - last_keyframe_pts_ >= gop_ticks_ + gop_ticks_ / 2;
  // Half a frame early rather than a frame late: timestamps of a VFR stream jitter around the nominal interval.
  return pts - last_keyframe_pts_ >= gop_ticks_ - frame_ticks_ / 2;
}

Result<void> FfmpegEncoder::submit(const Surface& surface) {
  if (draining_) return fail(ErrorKind::Internal, fmt::format("encode with {}", row_.name), "it is being drained");
  if (!surface || surface.format().format != input_.format || surface.format().size != input_.size ||
      surface.format().memory != input_.memory) {
    return fail(ErrorKind::Internal, fmt::format("encode with {}", row_.name),
                fmt::format("it takes {} of {}x{} in {} memory only", zc::name(input_.format), input_.size.width,
                            input_.size.height, to_string(input_.memory)));
  }
  const std::int64_t exact = to_packet_clock(surface.stream_time);
  if (last_pts_ != kNever && exact < last_pts_) {
    return fail(ErrorKind::Internal, fmt::format("encode with {}", row_.name), "the picture's time does not rise");
  }
  // Two pictures within one tick (11 us) stay two pictures.
  const std::int64_t pts = last_pts_ == kNever ? exact : std::max(exact, last_pts_ + 1);

  const bool keyframe = keyframe_due(pts);
  if (keyframe && codec_.context.get_deleter().fed && !codec_.plan.forces_keyframes) {
    if (auto ok = start_anew(); !ok) return ok;
  }
  auto sent = send(surface, pts, keyframe);
  const bool first_in_cuda = codec_.memory == MemoryKind::Cuda && !codec_.context.get_deleter().fed && !copies_;
  if (!sent && sent.error().kind != ErrorKind::Busy && first_in_cuda) {
    sent = send_copy(surface, pts, keyframe, std::move(sent.error()));
  }
  if (!sent) return sent;
  codec_.context.get_deleter().fed = true;
  last_pts_ = pts;
  history_.add(pts);
  if (keyframe) {
    last_keyframe_pts_ = pts;
    keyframe_requested_ = false;
  }
  return {};
}

Result<void> FfmpegEncoder::send(const Surface& surface, std::int64_t pts, bool keyframe) {
  AvLogCapture log;
  if (auto ok = take_picture(surface); !ok) return ok;
  // libavcodec's wrappers of hardware read it there; software has it among its parameters.
  if (row_.hardware() && !attach_hdr(*frame_, settings_.hdr)) {
    av_frame_unref(frame_.get());
    return fail_av(AVERROR(ENOMEM), fmt::format("give {} a picture", row_.name));
  }
  frame_->pts = pts;
  frame_->pict_type = keyframe ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
  const int result = avcodec_send_frame(codec_.context.get(), frame_.get());
  av_frame_unref(frame_.get());
  if (result == AVERROR(EAGAIN)) {
    return fail(ErrorKind::Busy, fmt::format("encode with {}", row_.name), "packets must be received first");
  }
  if (result < 0) return encode_error(result, log);
  log.pass_on();
  return {};
}

Result<void> FfmpegEncoder::send_copy(const Surface& surface, std::int64_t pts, bool keyframe, Error refusal) {
  // NVENC's wrapper keeps the picture it failed on and would fail on it for ever: open it anew.
  auto opened = open_codec(row_, settings_, video_);
  if (!opened) return std::unexpected(std::move(refusal));
  codec_ = std::move(*opened);
  copies_ = true;
  if (!send(surface, pts, keyframe)) {
    copies_ = false;
    return std::unexpected(std::move(refusal));
  }
  logger("encode").warn("{} does not take the pictures where they lie ({}): each is copied on the GPU first", row_.name,
                        refusal.detail);
  return {};
}

Result<void> FfmpegEncoder::take_picture(const Surface& surface) {
  int result = 0;
  AVBufferRef* pool = copies_ ? codec_.context->hw_frames_ctx : codec_.upload.get();
  if (pool != nullptr) {
    result = av_hwframe_get_buffer(pool, frame_.get(), 0);
    if (result >= 0) result = av_hwframe_transfer_data(frame_.get(), surface.av_frame(), 0);
    if (result >= 0) result = av_frame_copy_props(frame_.get(), surface.av_frame());
  } else {
    result = av_frame_ref(frame_.get(), surface.av_frame());
  }
  if (result >= 0 && copies_) {
    // The surface's memory is written anew as soon as it is let go.
    if (auto done = cuda::finish_copies(*surface.av_frame()->hw_frames_ctx); !done) {
      av_frame_unref(frame_.get());
      return done;
    }
  }
  if (result >= 0) return {};
  av_frame_unref(frame_.get());
  return fail_av(result, fmt::format("give {} a picture", row_.name));
}

Result<void> FfmpegEncoder::empty() {
  if (!codec_.context.get_deleter().fed) return {};
  if (const int result = avcodec_send_frame(codec_.context.get(), nullptr); result < 0 && result != AVERROR_EOF) {
    return fail_av(result, fmt::format("drain {}", row_.name));
  }
  while (true) {
    auto packet = next_packet();
    if (!packet) return std::unexpected(std::move(packet.error()));
    if (!*packet) return {};
    drained_.push_back(std::move(**packet));
  }
}

Result<void> FfmpegEncoder::start_anew() {
  if (auto ok = empty(); !ok) return ok;
  codec_.context.reset();  // there may be no room for two
  auto opened = open_codec(row_, settings_, video_);
  if (!opened) return std::unexpected(std::move(opened.error()));
  codec_ = std::move(*opened);
  return {};
}

Result<Packet> FfmpegEncoder::take_packet() {
  AVPacket& av = *packet_;
  const std::span bytes(reinterpret_cast<const std::byte*>(av.data), static_cast<std::size_t>(av.size));
  Packet packet(AvBufferPtr(std::exchange(av.buf, nullptr)), bytes);
  if ((av.flags & AV_PKT_FLAG_KEY) != 0 && keeps_order(row_, *codec_.context)) {
    auto told = in_order(row_.codec, std::move(packet));
    if (!told) return told;
    packet = std::move(*told);
  }
  if (video_.in_band_headers && (av.flags & AV_PKT_FLAG_KEY) != 0) {
    auto whole = with_headers(row_.codec, stream_.extradata, std::move(packet));
    if (!whole) return whole;
    packet = std::move(*whole);
  }
  packet.pts = av.pts;
  packet.keyframe = (av.flags & AV_PKT_FLAG_KEY) != 0;
  // A temporal unit of AV1 shows exactly one picture, in order: SVT-AV1's own dts means nothing to a container.
  const std::int64_t dts = row_.codec == Codec::AV1 || av.dts == AV_NOPTS_VALUE ? av.pts : av.dts;
  packet.dts = last_dts_ == kNever ? dts : std::max(dts, last_dts_ + 1);
  last_dts_ = packet.dts;
  const std::int64_t known = history_.duration(packet.pts);
  packet.duration = known > 0 ? known : frame_ticks_;
  if (packet.keyframe) last_keyframe_pts_ = std::max(last_keyframe_pts_, packet.pts);
  av_packet_unref(&av);
  return packet;
}

Result<std::optional<Packet>> FfmpegEncoder::next_packet() {
  AvLogCapture log;
  const int result = avcodec_receive_packet(codec_.context.get(), packet_.get());
  if (result < 0 && result != AVERROR(EAGAIN) && result != AVERROR_EOF) return encode_error(result, log);
  log.pass_on();
  if (result < 0) return std::nullopt;
  return take_packet();
}

Result<std::optional<Packet>> FfmpegEncoder::receive() {
  if (!drained_.empty()) {
    Packet packet = std::move(drained_.front());
    drained_.pop_front();
    return packet;
  }
  return next_packet();
}

Result<Encoder::Change> FfmpegEncoder::reopen(EncoderSettings settings, VideoParameters video, bool new_headers) {
  // The new one first: if it cannot be had, this one goes on.
  auto opened = open_codec(row_, settings, video);
  if (!opened) {
    opened.error().kind = ErrorKind::Unsupported;
    return std::unexpected(std::move(opened.error()));
  }
  if (!new_headers && headers_of(row_, *opened->context) != stream_.extradata) {
    return fail(ErrorKind::Unsupported, fmt::format("open {} anew", row_.name),
                "its parameter sets would be others, which an MP4 file or a replay cannot take in mid-stream");
  }
  if (auto ok = empty(); !ok) return std::unexpected(std::move(ok.error()));
  codec_ = std::move(*opened);
  settings_ = std::move(settings);
  video_ = std::move(video);
  input_ = {codec_.input, video_.size, settings_.colour, codec_.memory};
  opened_rate_ = video_.rate;
  frame_ticks_ = ticks_of(video_.rate);
  keyframe_requested_ = true;
  read_stream_parameters();
  return Change::Reopened;
}

Result<Encoder::Change> FfmpegEncoder::set_bitrate(std::int64_t bits_per_second, bool new_headers) {
  const std::string operation = fmt::format("set the bit rate of {}", row_.name);
  if (!settings_.bit_rate) return fail(ErrorKind::Unsupported, operation, "it runs at constant quality");
  if (bits_per_second < kMinBitRate || bits_per_second > kMaxBitRate) {
    return fail(ErrorKind::Invalid, operation,
                fmt::format("{} is not in {} to {} bit/s", bits_per_second, kMinBitRate, kMaxBitRate));
  }
  if (settings_.bit_rate == bits_per_second) return Change::InPlace;
  EncoderSettings wanted = with_bit_rate(settings_, bits_per_second);
  if (!codec_.plan.live_bitrate) return reopen(std::move(wanted), video_, new_headers);
  // The wrapper compares these with what it gave the library before each picture.
  const CodecPlan plan = plan_codec(row_, wanted, video_).plan;
  AVCodecContext& context = *codec_.context;
  context.bit_rate = bits_per_second;
  context.rc_max_rate = plan.max_bit_rate;
  context.rc_buffer_size = static_cast<int>(std::min<std::int64_t>(plan.buffer_bits, std::numeric_limits<int>::max()));
  settings_ = std::move(wanted);
  stream_.bit_rate = bits_per_second;
  return Change::InPlace;
}

Result<Encoder::Change> FfmpegEncoder::set_rate(Rational rate, bool new_headers) {
  VideoParameters wanted = video_;
  wanted.rate = rate;
  if (auto ok = validate(wanted); !ok) return std::unexpected(std::move(ok.error()));
  if (rate == video_.rate) return Change::InPlace;
  // At constant quality nothing is shared out by the rate. Keyframes come by time; at more than twice the rate that it
  // was opened for, the encoder's own count of pictures would make some as well.
  const bool same_keyframes = !settings_.periodic_keyframes() || rate.value() <= 2 * opened_rate_.value();
  const bool in_place = same_keyframes && (!settings_.bit_rate || codec_.plan.live_rate);
  if (!in_place) return reopen(settings_, std::move(wanted), new_headers);
  frame_ticks_ = ticks_of(rate);
  codec_.context->framerate = {static_cast<int>(rate.num), static_cast<int>(rate.den)};
  video_ = std::move(wanted);
  stream_.nominal_rate = rate;
  return Change::InPlace;
}

Result<Encoder::Change> FfmpegEncoder::set_size(Size size) {
  VideoParameters wanted = video_;
  wanted.size = size;
  if (auto ok = validate_for(row_, settings_, wanted); !ok) return std::unexpected(std::move(ok.error()));
  return reopen(settings_, std::move(wanted), true);
}

Result<void> FfmpegEncoder::flush() {
  if (!codec_.context.get_deleter().fed || draining_) return {};
  keyframe_requested_ = true;
  return start_anew();
}

Result<void> FfmpegEncoder::drain() {
  if (draining_) return {};
  draining_ = true;
  const int result = avcodec_send_frame(codec_.context.get(), nullptr);
  if (result < 0 && result != AVERROR_EOF) return fail_av(result, fmt::format("drain {}", row_.name));
  return {};
}

}  // namespace

Result<std::unique_ptr<Encoder>> open_ffmpeg_encoder(const EncoderRow& row, const EncoderSettings& settings,
                                                     const VideoParameters& video) {
  if (auto ok = validate_for(row, settings, video); !ok) return std::unexpected(std::move(ok.error()));
  auto opened = open_codec(row, settings, video);
  if (!opened) return std::unexpected(std::move(opened.error()));
  AvFramePtr frame(av_frame_alloc());
  AvPacketPtr packet(av_packet_alloc());
  if (!frame || !packet) return fail_av(AVERROR(ENOMEM), fmt::format("open {}", row.name));
  return std::make_unique<FfmpegEncoder>(row, settings, video, std::move(*opened), std::move(frame), std::move(packet));
}

}  // namespace zc
