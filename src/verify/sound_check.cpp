#include "verify/sound_check.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/frame.h>
#include <libavutil/samplefmt.h>
}

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace zc::verify {
namespace {

/// Matroska rounds to milliseconds.
constexpr std::int64_t kRounding = 2 * kPacketClock / 1000;
/// Painted times around a beep, of which the middle one counts: one may have been rounded.
constexpr std::size_t kAround = 15;
constexpr std::size_t kFewest = 4;  // beeps that say anything

double seconds(std::int64_t ticks) { return static_cast<double>(ticks) / static_cast<double>(kPacketClock); }
double seconds(Nanoseconds time) { return std::chrono::duration<double>(time).count(); }

template <class T>
float scaled(T sample) {
  if constexpr (std::is_floating_point_v<T>) {
    return static_cast<float>(sample);
  } else {
    return static_cast<float>(static_cast<double>(sample) / (static_cast<double>(std::numeric_limits<T>::max()) + 1));
  }
}

/// The first channel.
template <class T>
void first_channel(const AVFrame& frame, std::vector<float>& to) {
  const bool planar = av_sample_fmt_is_planar(static_cast<AVSampleFormat>(frame.format)) != 0;
  const int step = planar ? 1 : frame.ch_layout.nb_channels;
  const auto* samples = reinterpret_cast<const T*>(frame.extended_data[0]);
  to.clear();
  for (int i = 0; i < frame.nb_samples; ++i) to.push_back(scaled(samples[static_cast<std::ptrdiff_t>(i) * step]));
}

/// False: no format that we read.
bool read_samples(const AVFrame& frame, std::vector<float>& to) {
  switch (av_get_packed_sample_fmt(static_cast<AVSampleFormat>(frame.format))) {
    case AV_SAMPLE_FMT_FLT: first_channel<float>(frame, to); return true;
    case AV_SAMPLE_FMT_DBL: first_channel<double>(frame, to); return true;
    case AV_SAMPLE_FMT_S16: first_channel<std::int16_t>(frame, to); return true;
    case AV_SAMPLE_FMT_S32: first_channel<std::int32_t>(frame, to); return true;
    default: return false;
  }
}

double quantile(std::vector<double> values, double part) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
  std::ranges::nth_element(values, at);
  return *at;
}

/// Of y over x, least squares.
double slope_of(const std::vector<double>& x, const std::vector<double>& y) {
  const auto count = static_cast<double>(x.size());
  double sum_x = 0;
  double sum_y = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    sum_x += x[i];
    sum_y += y[i];
  }
  double above = 0;
  double below = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    above += (x[i] - sum_x / count) * (y[i] - sum_y / count);
    below += (x[i] - sum_x / count) * (x[i] - sum_x / count);
  }
  return below == 0 ? 0 : above / below;
}

/// CLOCK_MONOTONIC of that stream time, in seconds.
double painted_at(const std::vector<PaintedPicture>& pictures, double stream) {
  const auto after = std::ranges::lower_bound(pictures, stream, {}, &PaintedPicture::seconds);
  const auto index = static_cast<std::size_t>(after - pictures.begin());
  const std::size_t first = index > kAround / 2 ? index - kAround / 2 : 0;
  const std::size_t last = std::min(first + kAround, pictures.size());
  std::vector<double> zero;
  for (std::size_t i = first; i < last; ++i) zero.push_back(seconds(pictures[i].painted) - pictures[i].seconds);
  return stream + quantile(std::move(zero), 0.5);
}

}  // namespace

void SoundCheck::Free::operator()(AVCodecContext* context) const noexcept { avcodec_free_context(&context); }
void SoundCheck::Free::operator()(AVFrame* frame) const noexcept { av_frame_free(&frame); }

SoundCheck::SoundCheck() = default;
SoundCheck::~SoundCheck() = default;

std::unique_ptr<SoundCheck> SoundCheck::open(const AVStream& stream) {
  const AVCodecParameters& coded = *stream.codecpar;
  const AVCodec* decoder = avcodec_find_decoder(coded.codec_id);
  if (decoder == nullptr) return nullptr;
  std::unique_ptr<SoundCheck> made(new SoundCheck);
  made->context_.reset(avcodec_alloc_context3(decoder));
  made->frame_.reset(av_frame_alloc());
  if (!made->context_ || !made->frame_) return nullptr;
  if (avcodec_parameters_to_context(made->context_.get(), &coded) < 0) return nullptr;
  made->context_->pkt_timebase = {1, static_cast<int>(kPacketClock)};
  if (avcodec_open2(made->context_.get(), decoder, nullptr) < 0) return nullptr;
  const AVDictionaryEntry* title = av_dict_get(stream.metadata, "title", nullptr, 0);
  made->report_.codec = avcodec_get_name(coded.codec_id);
  made->report_.title = title == nullptr ? "" : title->value;
  return made;
}

void SoundCheck::add(const AVPacket& packet) {
  ++report_.packets;
  if (avcodec_send_packet(context_.get(), &packet) < 0) ++report_.decode_errors;
  receive();
}

void SoundCheck::receive() {
  while (true) {
    const int result = avcodec_receive_frame(context_.get(), frame_.get());
    if (result == AVERROR(EAGAIN) || result == AVERROR_EOF) return;
    if (result < 0) {
      ++report_.decode_errors;
      return;
    }
    if (!read_samples(*frame_, mono_)) continue;
    const auto rate = static_cast<unsigned>(frame_->sample_rate);
    if (!beeps_) {
      beeps_.emplace(rate);
      report_.rate = rate;
      report_.channels = static_cast<unsigned>(frame_->ch_layout.nb_channels);
    }
    // Containers round times; samples follow each other.
    double time = next_.value_or(0);
    if (frame_->pts != AV_NOPTS_VALUE) {
      const double said = seconds(frame_->pts);
      if (!next_) report_.first_seconds = said;
      const bool gap = next_ && std::abs(said - time) > seconds(kRounding);
      if (gap) {
        ++report_.gaps;
        report_.longest_gap_ms = std::max(report_.longest_gap_ms, std::abs(said - time) * 1000);
      }
      if (!next_ || gap) time = said;
    }
    beeps_->push(time, mono_);
    std::ranges::move(beeps_->take(), std::back_inserter(found_));
    for (const float sample : mono_) report_.peak = std::max(report_.peak, static_cast<double>(std::abs(sample)));
    const double length = static_cast<double>(mono_.size()) / rate;
    report_.seconds += length;
    next_ = time + length;
  }
}

std::optional<SyncReport> SoundCheck::sync(const std::vector<PaintedPicture>& pictures) {
  if (pictures.empty() || found_.size() < kFewest) return std::nullopt;
  const double every = seconds(kBeepEvery);
  std::vector<double> times;
  std::vector<double> late;
  std::vector<std::int64_t> numbers;
  for (const Beep& beep : found_) {
    const double at = painted_at(pictures, beep.start);
    const double round = std::round((at / every - beep.number) / kBeepNumbers);
    const auto number = static_cast<std::int64_t>(round) * kBeepNumbers + beep.number;
    times.push_back(beep.start / 60);
    late.push_back((at - static_cast<double>(number) * every) * 1000);
    numbers.push_back(number);
  }
  std::ranges::sort(numbers);
  const auto [first, last] = std::ranges::unique(numbers);
  numbers.erase(first, last);
  report_.missing_beeps = static_cast<std::uint64_t>(numbers.back() - numbers.front() + 1) - numbers.size();
  std::vector<double> magnitude;
  magnitude.reserve(late.size());
  for (const double one : late) magnitude.push_back(std::abs(one));
  return SyncReport{
      .p50_ms = quantile(late, 0.5), .p99_ms = quantile(magnitude, 0.99), .slope_ms_per_min = slope_of(times, late)};
}

SoundReport SoundCheck::report(const std::vector<PaintedPicture>& pictures) {
  report_.beeps = found_.size();
  report_.sync = sync(pictures);
  if (report_.sync && beeps_) report_.clicks = beeps_->clicks();
  return report_;
}

}  // namespace zc::verify
