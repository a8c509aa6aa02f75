#include "audio/audio_resampler.h"

#include "base/log.h"
#include "media/av_error.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

extern "C" {
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
}

namespace zc {
namespace {

constexpr const char* kOperation = "resample sound";
/// Seconds by which a block may be off its clock. More is a gap, or another clock.
constexpr double kJump = 0.010;
/// Seconds in which an error of the position is made good, inaudibly.
constexpr double kCatchUp = 1.0;
constexpr double kMostCorrection = 0.005;
/// Seconds. Sound that far in the future has a wrong time.
constexpr double kMostAhead = 10;
/// What a mix takes from one source; full scale is 1.
constexpr float kLoudest = 8;
/// libswresample takes a correction as whole samples in so many.
constexpr int kCorrectionDistance = 1'000'000;

AVChannelLayout layout_of(std::uint64_t mask) {
  AVChannelLayout layout{};
  av_channel_layout_from_mask(&layout, mask);
  return layout;
}

}  // namespace

void AudioResampler::Free::operator()(SwrContext* context) const noexcept { swr_free(&context); }

AudioResampler::AudioResampler(const AudioFormat& in, std::uint64_t layout, Nanoseconds start, std::int64_t position)
    : in_(in),
      layout_(layout),
      channels_(AudioFormat{.layout = layout}.channels()),
      start_(start),
      clock_(in.rate),
      end_(position) {}

Result<AudioResampler> AudioResampler::create(const AudioFormat& in, std::uint64_t layout, Nanoseconds start,
                                              std::int64_t position) {
  AudioResampler made(in, layout, start, position);
  AVChannelLayout from = layout_of(in.layout);
  AVChannelLayout to = layout_of(layout);
  SwrContext* context = nullptr;
  int result = swr_alloc_set_opts2(&context, &to, AV_SAMPLE_FMT_FLT, static_cast<int>(kAudioRate), &from,
                                   AV_SAMPLE_FMT_FLT, static_cast<int>(in.rate), 0, nullptr);
  made.swr_.reset(context);
  if (result >= 0) {
    av_opt_set_int(context, "flags", SWR_FLAG_RESAMPLE, 0);  // at the same rate, too: no clock is the same
    av_opt_set_int(context, "linear_interp", 1, 0);
    av_opt_set_int(context, "exact_rational", 0, 0);  // its filter would be built anew for the first correction
    result = swr_init(context);
  }
  if (result < 0) return fail_ffmpeg(ErrorKind::Unsupported, result, kOperation);
  return made;
}

Result<void> AudioResampler::push(const AudioBlock& block) {
  std::size_t count = block.samples.size() / in_.channels();
  const float* samples = block.samples.data();
  if (count == 0) return {};
  double time = std::chrono::duration<double>(block.time - start_).count();
  if (running_ && std::abs(time - clock_.next_time()) > kJump) {
    ++stats_.gaps;
    end_run();
  }
  if (running_) {
    clock_.update(time, count);
  } else {
    const double ahead = time * kAudioRate - static_cast<double>(end_);
    if (ahead > kMostAhead * kAudioRate) {
      stats_.late += count;
      return {};
    }
    if (ahead < 0) {  // its time is over
      const auto late = static_cast<std::size_t>(std::ceil(-ahead / kAudioRate * in_.rate));
      stats_.late += std::min(late, count);
      if (late >= count) return {};
      samples += late * in_.channels();
      count -= late;
      time += static_cast<double>(late) / in_.rate;
    }
    if (auto begun = begin_run(time, count); !begun) return begun;
  }
  steer();
  return convert(samples, count);
}

Result<void> AudioResampler::begin_run(double time, std::size_t samples) {
  const int result = swr_init(swr_.get());
  if (result < 0) return fail_ffmpeg(ErrorKind::Internal, result, kOperation);
  add_silence(std::llround(time * kAudioRate) - end_);
  clock_.begin(time, samples);
  running_ = true;
  return {};
}

void AudioResampler::end_run() {
  if (!std::exchange(running_, false)) return;
  if (const auto rest = convert(nullptr, 0); !rest) logger("audio").debug("{}", rest.error().message());
}

void AudioResampler::steer() {
  const auto inside = static_cast<double>(swr_get_delay(swr_.get(), kAudioRate));
  const double behind = clock_.block_time() - (static_cast<double>(end_) + inside) / kAudioRate;
  // It holds for the whole block.
  const double within = std::max(kCatchUp, 2 * (clock_.next_time() - clock_.block_time()));
  const double correction = std::clamp(clock_.slowness() + behind / within, -kMostCorrection, kMostCorrection);
  // An error leaves the last one in force, which the next block corrects.
  swr_set_compensation(swr_.get(), static_cast<int>(std::lround(correction * kCorrectionDistance)),
                       kCorrectionDistance);
}

Result<void> AudioResampler::convert(const float* samples, std::size_t count) {
  const int most = swr_get_out_samples(swr_.get(), static_cast<int>(count));
  if (most < 0) return fail_ffmpeg(ErrorKind::Internal, most, kOperation);
  auto* out = reinterpret_cast<std::uint8_t*>(room(static_cast<std::size_t>(most)));
  const auto* in = reinterpret_cast<const std::uint8_t*>(samples);
  const int made = swr_convert(swr_.get(), &out, most, samples == nullptr ? nullptr : &in, static_cast<int>(count));
  const std::size_t kept = made < 0 ? 0 : static_cast<std::size_t>(made);
  samples_.resize(samples_.size() - (static_cast<std::size_t>(most) - kept) * channels_);
  // Applications may play what is no number, and encoders fail with it.
  for (float& sample : std::span(samples_).last(kept * channels_)) {
    sample = std::isfinite(sample) ? std::clamp(sample, -kLoudest, kLoudest) : 0.0F;
  }
  end_ += static_cast<std::int64_t>(kept);
  if (made < 0) return fail_ffmpeg(ErrorKind::Internal, made, kOperation);
  return {};
}

void AudioResampler::pad(std::int64_t position) {
  if (position <= end_) return;
  end_run();
  add_silence(position - end_);
}

void AudioResampler::add_silence(std::int64_t count) {
  if (count <= 0) return;
  std::fill_n(room(static_cast<std::size_t>(count)), static_cast<std::size_t>(count) * channels_, 0.0F);
  end_ += count;
  stats_.silence += static_cast<std::uint64_t>(count);
}

float* AudioResampler::room(std::size_t count) {
  compact();
  const std::size_t before = samples_.size();
  samples_.resize(before + count * channels_);
  return samples_.data() + before;
}

void AudioResampler::compact() {
  if (taken_ * 2 < samples_.size()) return;
  samples_.erase(samples_.begin(), samples_.begin() + static_cast<std::ptrdiff_t>(taken_));
  taken_ = 0;
}

std::span<const float> AudioResampler::front(std::size_t count) const {
  return std::span(samples_).subspan(taken_, count * channels_);
}

void AudioResampler::drop(std::size_t count) { taken_ += count * channels_; }

AudioResamplerStats AudioResampler::stats() const {
  AudioResamplerStats stats = stats_;
  stats.slowness_ppm = clock_.slowness() * 1e6;
  return stats;
}

}  // namespace zc
