#include "verify/verify.h"

#include "base/histogram.h"
#include "decode/video_decoder.h"
#include "encode/levels.h"
#include "media/av_handles.h"
#include "media/av_words.h"
#include "media/hdr_side_data.h"
#include "media/picture_view.h"
#include "verify/media_input.h"
#include "verify/quality_check.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/frame.h>
#include <libavutil/pixdesc.h>
}

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

namespace zc::verify {
namespace {

/// A decoder that gave no picture for so many packets does not work; hardware refuses with the first.
constexpr std::size_t kTrialPackets = 256;
/// After an error a decoder is asked on; it never needs so many answers for one packet.
constexpr int kMostErrorsInARow = 64;
/// Times above it are not of this machine's clock.
constexpr Nanoseconds kPlausibleLatency = std::chrono::seconds(60);
/// Pictures of a live stream's beginning waited for the reader.
constexpr Nanoseconds kSettling = std::chrono::seconds(1);
/// ms: ITU-R BT.1359 says that sound which is early by more is noticed; late sound only from 125 ms on.
constexpr double kMostOffset = 45;
/// Of a live stream not every picture is compared: reading must keep up.
constexpr Nanoseconds kLiveCompareEvery = std::chrono::milliseconds(500);

bool is_keyframe(const AVFrame& frame) {
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(58, 7, 100)
  return (frame.flags & AV_FRAME_FLAG_KEY) != 0;
#else
  return frame.key_frame != 0;
#endif
}

std::string ranges_text(const std::vector<NumberRange>& ranges) {
  constexpr std::size_t kMost = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(ranges.size(), kMost); ++i) {
    const NumberRange& range = ranges[i];
    text += text.empty() ? "" : ", ";
    text += range.first == range.last ? fmt::format("{}", range.first) : fmt::format("{}-{}", range.first, range.last);
  }
  if (ranges.size() > kMost) text += ", ...";
  return text;
}

class Verifier {
 public:
  Verifier(const VerifyOptions& options, MediaInput& input)
      : options_(options),
        input_(input),
        order_(to_packet_clock(options.max_gap)),
        quality_(options.min_psnr),
        begun_(monotonic_now()) {
    for (const DecoderBackend backend : {DecoderBackend::Nvdec, DecoderBackend::Vaapi, DecoderBackend::Vulkan}) {
      if (!options.decoder) candidates_.push_back(backend);
    }
    candidates_.push_back(options.decoder.value_or(DecoderBackend::Software));
  }

  Result<VerifyReport> run();

 private:
  [[nodiscard]] Result<void> open_next_decoder();
  /// Keeps the packet as long as another decoder may have to begin anew.
  [[nodiscard]] Result<void> take(const AVPacket& packet);
  void give(const AVPacket& packet);
  /// Pictures that are ready; false when the decoder has not given any yet and answers errors.
  void receive();
  void look_at(const AVFrame& frame);
  void listen(const AVPacket& packet, const AVStream& stream);
  /// In which order pictures are to be shown, by the header and by the packets' times.
  void note_order(const AVPacket& packet);
  void describe(const AVFrame& frame, const PictureView* picture);
  void compare(const PictureView& picture, const ColourDescription& colour, const TestMark& mark);
  /// Why the decoder on trial is none.
  [[nodiscard]] std::string trouble() const { return trouble_ ? trouble_->message() : "it gave no picture"; }
  [[nodiscard]] bool over() const;
  [[nodiscard]] bool on_trial() const { return report_.order.pictures == 0 && !last_candidate(); }
  [[nodiscard]] bool last_candidate() const { return next_candidate_ >= candidates_.size(); }
  void finish();
  void add_fault(FaultKind kind, std::uint64_t count, std::string text);
  void add_faults();
  /// What the parameter sets promise and is not so.
  void add_header_faults();

  const VerifyOptions& options_;
  MediaInput& input_;
  std::vector<DecoderBackend> candidates_;
  std::size_t next_candidate_ = 0;
  std::unique_ptr<VideoDecoder> decoder_;
  std::optional<Error> trouble_;  ///< the first error of a decoder on trial
  std::vector<AvPacketPtr> kept_;
  FrameOrder order_;
  QualityCheck quality_;
  std::map<int, std::unique_ptr<SoundCheck>> sound_;  ///< by stream; null: it cannot be decoded
  std::vector<PaintedPicture> painted_;
  DurationHistogram latency_;
  bool foreign_clock_ = false;
  std::optional<std::int64_t> first_pts_, last_pts_;
  std::optional<std::int64_t> coded_last_;  ///< pts of the packet before
  Nanoseconds begun_;
  std::optional<Nanoseconds> first_packet_, last_compared_;
  VerifyReport report_;
};

Result<void> Verifier::open_next_decoder() {
  while (true) {
    const DecoderBackend backend = candidates_[next_candidate_++];
    // A decoder for a file may take as many threads as there are; each holds a picture back.
    const DecoderOptions settings{.extradata = input_.extradata(),
                                  .device = options_.device,
                                  .threads = input_.live() ? 1U : 0U,
                                  .live = input_.live()};
    auto opened = VideoDecoder::open(backend, av_codec_id(input_.codec()), settings);
    if (opened) {
      decoder_ = *std::move(opened);
      trouble_.reset();
      return {};
    }
    if (last_candidate()) return std::unexpected(std::move(opened.error()));
    report_.refused.emplace_back(backend, opened.error().message());
  }
}

Result<void> Verifier::take(const AVPacket& packet) {
  if (on_trial()) {
    kept_.emplace_back(av_packet_clone(&packet));
    if (kept_.back() == nullptr) return fail_errno(ENOMEM, "keep a packet");
  }
  give(packet);
  while (on_trial() && (trouble_ || kept_.size() >= kTrialPackets)) {
    report_.refused.emplace_back(decoder_->backend(), trouble());
    report_.decode_errors = 0;
    if (auto opened = open_next_decoder(); !opened) return opened;
    for (const AvPacketPtr& kept : kept_) give(*kept);
  }
  if (!on_trial()) kept_.clear();
  return {};
}

void Verifier::give(const AVPacket& packet) {
  if (on_trial() && trouble_) return;
  if (auto sent = decoder_->send(packet); !sent) {
    ++report_.decode_errors;
    if (!trouble_) trouble_ = sent.error();
  }
  receive();
}

void Verifier::listen(const AVPacket& packet, const AVStream& stream) {
  const auto [check, fresh] = sound_.try_emplace(stream.index);
  if (fresh) check->second = SoundCheck::open(stream);
  if (check->second) check->second->add(packet);
}

void Verifier::note_order(const AVPacket& packet) {
  if (!report_.reordering) {
    report_.reordering = read_reordering(input_.codec(), input_.extradata());
    const std::span bytes(reinterpret_cast<const std::byte*>(packet.data), static_cast<std::size_t>(packet.size));
    const bool key = (packet.flags & AV_PKT_FLAG_KEY) != 0;
    if (!report_.reordering && key) report_.reordering = read_reordering(input_.codec(), bytes);
  }
  if (packet.pts == AV_NOPTS_VALUE) return;
  report_.reordered |= coded_last_ && packet.pts < *coded_last_;
  coded_last_ = packet.pts;
}

void Verifier::receive() {
  for (int errors = 0; errors < kMostErrorsInARow;) {
    auto frame = decoder_->receive();
    if (!frame) {
      ++errors;
      ++report_.decode_errors;
      if (!trouble_) trouble_ = frame.error();
      continue;
    }
    if (*frame == nullptr) return;
    errors = 0;
    look_at(**frame);
  }
}

void Verifier::describe(const AVFrame& frame, const PictureView* picture) {
  const Size size{static_cast<std::uint32_t>(frame.width), static_cast<std::uint32_t>(frame.height)};
  const ColourDescription colour = colour_of(frame);
  if (report_.order.pictures == 1) {
    report_.size = size;
    report_.colour = colour;
    const char* format = av_get_pix_fmt_name(static_cast<AVPixelFormat>(frame.format));
    report_.pixel_format = format == nullptr ? "" : format;
    if (picture != nullptr) report_.bit_depth = picture->bits;
  } else {
    if (size != report_.size && std::ranges::find(report_.sizes, size) == report_.sizes.end()) {
      report_.sizes.push_back(size);
    }
    report_.colour_changes |= colour != report_.colour;
  }
  const HdrMetadata hdr = read_hdr(frame);
  if (!report_.hdr.mastering) report_.hdr.mastering = hdr.mastering;
  if (!report_.hdr.light) report_.hdr.light = hdr.light;
}

void Verifier::look_at(const AVFrame& frame) {
  const Nanoseconds now = monotonic_now();
  ++report_.order.pictures;
  if (frame.decode_error_flags != 0 || (frame.flags & AV_FRAME_FLAG_CORRUPT) != 0) ++report_.decode_errors;
  if (is_keyframe(frame)) ++report_.keyframes;
  const auto picture = view_of(frame);
  describe(frame, picture ? &*picture : nullptr);
  const std::optional<TestMark> mark = picture ? picture->mark(options_.painted) : std::nullopt;
  const std::int64_t pts =
      frame.best_effort_timestamp == AV_NOPTS_VALUE ? last_pts_.value_or(0) : frame.best_effort_timestamp;
  if (!first_pts_) first_pts_ = pts;
  last_pts_ = pts;
  order_.add(pts - *first_pts_, mark, picture ? picture->hash() : report_.order.pictures);
  if (!mark) return;
  if (!sound_.empty()) {
    painted_.push_back(
        {.seconds = static_cast<double>(pts) / static_cast<double>(kPacketClock), .painted = mark->time});
  }
  if (input_.live() && first_packet_ && now - *first_packet_ >= kSettling) {
    const Nanoseconds latency = now - mark->time;
    foreign_clock_ |= latency < Nanoseconds{} || latency > kPlausibleLatency;
    latency_.record(latency);
  }
  compare(*picture, colour_of(frame), *mark);
}

void Verifier::compare(const PictureView& picture, const ColourDescription& colour, const TestMark& mark) {
  const Nanoseconds now = monotonic_now();
  if (input_.live() && last_compared_ && now - *last_compared_ < kLiveCompareEvery) return;
  last_compared_ = now;
  quality_.add(picture, colour, mark);
}

bool Verifier::over() const {
  if (options_.stopped && options_.stopped()) return true;
  if (!options_.duration) return false;
  if (first_pts_ && last_pts_ && *last_pts_ - *first_pts_ >= to_packet_clock(*options_.duration)) return true;
  return input_.live() && monotonic_now() - first_packet_.value_or(begun_) >= *options_.duration;
}

Result<VerifyReport> Verifier::run() {
  while (!over()) {
    auto packet = input_.next();
    if (!packet && !decoder_) return std::unexpected(std::move(packet.error()));
    if (!packet) {
      report_.read_error = packet.error().message();
      break;
    }
    if (*packet == nullptr) break;
    const AVPacket& coded = **packet;
    if (const AVStream* sound = input_.sound()) {
      listen(coded, *sound);
      continue;
    }
    if (!first_packet_) first_packet_ = monotonic_now();
    ++report_.packets;
    report_.bytes += static_cast<std::uint64_t>(coded.size);
    if ((coded.flags & AV_PKT_FLAG_CORRUPT) != 0) ++report_.corrupt_packets;
    note_order(coded);
    if (!decoder_) {
      if (auto opened = open_next_decoder(); !opened) return std::unexpected(std::move(opened.error()));
    }
    if (auto taken = take(coded); !taken) return std::unexpected(std::move(taken.error()));
  }
  if (decoder_) {
    // A file shorter than the trial: whoever has not given a picture by its end does not work.
    while (true) {
      if (auto drained = decoder_->drain(); !drained) ++report_.decode_errors;
      receive();
      if (!on_trial()) break;
      report_.refused.emplace_back(decoder_->backend(), trouble());
      report_.decode_errors = 0;
      if (auto opened = open_next_decoder(); !opened) return std::unexpected(std::move(opened.error()));
      for (const AvPacketPtr& kept : kept_) give(*kept);
    }
  }
  // Software judges the stream; hardware that was asked for and gives nothing may just not know its profile.
  const bool hardware = options_.decoder.value_or(DecoderBackend::Software) != DecoderBackend::Software;
  if (hardware && trouble_ && report_.order.pictures == 0) {
    if (trouble_->kind == ErrorKind::Unsupported) return std::unexpected(*trouble_);
    return fail(ErrorKind::Unsupported,
                fmt::format("decode {} with {}", zc::to_string(input_.codec()), zc::to_string(*options_.decoder)),
                trouble_->detail);
  }
  finish();
  return std::move(report_);
}

void Verifier::finish() {
  report_.name = input_.name();
  report_.container = input_.container();
  report_.silent = input_.went_silent();
  report_.order = order_.report();
  report_.quality = quality_.report();
  for (const auto& [stream, check] : sound_) {
    if (check) report_.sound.push_back(check->report(painted_));
  }
  if (decoder_) {
    report_.codec = input_.codec();
    report_.backend = decoder_->backend();
    report_.decoder = decoder_->name();
    const AVCodecContext& context = decoder_->context();
    const char* profile = avcodec_profile_name(context.codec_id, context.profile);
    report_.profile = profile == nullptr ? "" : profile;
    report_.level = context.level;
    const HdrMetadata container = input_.hdr();
    if (!report_.hdr.mastering) report_.hdr.mastering = container.mastering;
    if (!report_.hdr.light) report_.hdr.light = container.light;
  }
  if (latency_.count() > 0 && !foreign_clock_) {
    report_.latency = LatencyReport{latency_.count(), latency_.quantile(0.5), latency_.quantile(0.95), latency_.max()};
  }
  add_faults();
}

void Verifier::add_fault(FaultKind kind, std::uint64_t count, std::string text) {
  if (count == 0) return;
  const bool is_allowed = std::ranges::find(options_.allowed, kind) != options_.allowed.end();
  (is_allowed ? report_.allowed : report_.faults).push_back({kind, count, std::move(text)});
}

void Verifier::add_faults() {
  const OrderReport& order = report_.order;
  if (report_.read_error) add_fault(FaultKind::Read, 1, *report_.read_error);
  add_fault(FaultKind::Read, report_.corrupt_packets,
            fmt::format("{} packets that the container marks as damaged", report_.corrupt_packets));
  add_fault(FaultKind::Decode, report_.decode_errors,
            fmt::format("{} packets or pictures do not decode whole", report_.decode_errors));
  if (order.pictures == 0) {
    add_fault(FaultKind::NoPicture, 1,
              report_.packets == 0 ? "no packet came" : fmt::format("no picture in {} packets", report_.packets));
    return;
  }
  if (order.dropped) {
    add_fault(FaultKind::Dropped, *order.dropped,
              order.missing.empty()
                  ? fmt::format("{} pictures are missing at a constant rate", *order.dropped)
                  : fmt::format("{} pictures are missing: {}", *order.dropped, ranges_text(order.missing)));
  }
  add_fault(FaultKind::OutOfOrder, order.out_of_order,
            fmt::format("{} pictures are older than one before", order.out_of_order));
  add_fault(FaultKind::Times, order.times_not_rising,
            fmt::format("{} pictures are not later than the one before", order.times_not_rising));
  add_fault(FaultKind::Gap, order.gaps,
            fmt::format("{} gaps of up to {:.3f} s", order.gaps,
                        static_cast<double>(order.longest_gap) / static_cast<double>(kPacketClock)));
  add_fault(FaultKind::Illegible, order.illegible, fmt::format("{} pictures are illegible", order.illegible));
  for (const SoundReport& sound : report_.sound) {
    add_fault(FaultKind::Decode, sound.decode_errors,
              fmt::format("{} packets of sound do not decode", sound.decode_errors));
    add_fault(FaultKind::SoundGap, sound.gaps,
              fmt::format("{} gaps of up to {:.0f} ms in the sound", sound.gaps, sound.longest_gap_ms));
    add_fault(FaultKind::SoundGap, sound.missing_beeps, fmt::format("{} beeps are missing", sound.missing_beeps));
    add_fault(FaultKind::Sync, sound.clicks, fmt::format("{} clicks in the sound", sound.clicks));
    if (sound.sync && sound.sync->p99_ms > kMostOffset) {
      add_fault(FaultKind::Sync, 1,
                fmt::format("the sound is up to {:.0f} ms beside the pictures", sound.sync->p99_ms));
    }
  }
  if (report_.quality) {
    add_fault(FaultKind::Quality, report_.quality->below,
              fmt::format("{} pictures are below {:g} dB", report_.quality->below, options_.min_psnr));
  }
  add_header_faults();
}

void Verifier::add_header_faults() {
  const auto& order = report_.reordering;
  if (order && !order->pictures && !report_.reordered && order->expected > 0) {
    add_fault(FaultKind::Reorder, 1,
              fmt::format("the header does not say that no picture is reordered: decoders may hold {} pictures back",
                          order->expected));
  }
  const auto limits = level_limits(report_.codec, report_.level);
  if (!limits) return;
  const std::uint64_t samples = luma_samples(report_.codec, report_.size);
  if (samples > limits->picture) {
    add_fault(FaultKind::Level, 1,
              fmt::format("{}x{} is larger than the header's level promises", report_.size.width, report_.size.height));
  }
  // Times of pictures jitter, and a first or last one may be cut off.
  constexpr double kTolerance = 1.05;
  if (!first_pts_ || !last_pts_ || *last_pts_ - *first_pts_ < to_packet_clock(std::chrono::seconds(1))) return;
  const double rate = static_cast<double>(report_.order.pictures - 1) * static_cast<double>(kPacketClock) /
                      static_cast<double>(*last_pts_ - *first_pts_);
  if (rate * static_cast<double>(samples) > kTolerance * static_cast<double>(limits->rate)) {
    add_fault(FaultKind::Level, 1,
              fmt::format("{:.0f} pictures a second are more than the header's level promises", rate));
  }
}

}  // namespace

Result<VerifyReport> verify_stream(const VerifyOptions& options) {
  auto input = MediaInput::open(options.input, options.timeout, options.stopped);
  if (!input) return std::unexpected(std::move(input.error()));
  return Verifier(options, **input).run();
}

}  // namespace zc::verify
