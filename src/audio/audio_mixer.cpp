#include "audio/audio_mixer.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace zc {
namespace {

/// A gain reaches its new value within so many samples: no click, and soon enough for the peak that it is for.
constexpr std::size_t kFade = 240;
/// Seconds: what was turned down stays so for the one, then gets twice as loud within the other.
constexpr double kHold = 0.1;
constexpr double kRelease = 0.5;
/// What is louder than this many times full scale is clipped.
constexpr float kMostTurnedDown = 64;

/// From `from` to `to` within `length` samples, then on with `to`.
template <class Each>
void fade(std::size_t samples, std::size_t length, float from, float to, const Each& each) {
  for (std::size_t i = 0; i < samples; ++i) {
    const float part = i >= length ? 1.0F : static_cast<float>(i + 1) / static_cast<float>(length);
    each(i, from + (to - from) * part);
  }
}

}  // namespace

AudioMixer::AudioMixer(std::uint64_t layout, std::size_t frame_samples, Nanoseconds start)
    : layout_(layout),
      channels_(AudioFormat{.layout = layout}.channels()),
      frame_samples_(frame_samples),
      start_(start),
      frame_(frame_samples * channels_) {}

AudioMixer::Source* AudioMixer::find(Input input) {
  const auto found = std::ranges::find(sources_, input, &Source::id);
  return found == sources_.end() ? nullptr : &*found;
}

Result<AudioMixer::Input> AudioMixer::add(const AudioFormat& format, float gain) {
  auto sound = AudioResampler::create(format, layout_, start_, position_);
  if (!sound) return std::unexpected(std::move(sound.error()));
  sources_.push_back(
      {.id = ++last_, .sound = std::move(*sound), .gain = gain, .heard = gain, .late = 0, .since = position_});
  return last_;
}

void AudioMixer::remove(Input input) {
  if (Source* source = find(input)) source->leaving = true;
}

Result<void> AudioMixer::push(Input input, const AudioBlock& block) {
  Source* source = find(input);
  if (source == nullptr || source->leaving) return {};
  return source->sound.push(block);
}

void AudioMixer::set_gain(Input input, float gain) {
  if (Source* source = find(input)) source->gain = gain;
}

void AudioMixer::grow_patience() {
  bool late = false;
  for (Source& source : sources_) {
    const std::uint64_t now = source.sound.stats().late;
    const bool more = std::exchange(source.late, now) != now;
    // Its first block may have begun before the position at which it came.
    late |= more && position_ - source.since > static_cast<std::int64_t>(kAudioRate);
  }
  if (late) patience_ = std::min(patience_ + kMorePatience, kMostPatience);
}

std::optional<std::span<const float>> AudioMixer::next(Nanoseconds now) {
  const std::int64_t end = position_ + static_cast<std::int64_t>(frame_samples_);
  const auto over = start_ + std::chrono::duration_cast<Nanoseconds>(
                                 std::chrono::duration<double>(static_cast<double>(end) / kAudioRate));
  const auto lacks = [&](const Source& source) { return !source.leaving && source.sound.end() < end; };
  // Without a source there is nothing to wait for but that the time is over, in which one may still come.
  const bool waits = sources_.empty() || std::ranges::any_of(sources_, lacks);
  grow_patience();
  if (waits && now < over + patience_) return std::nullopt;
  std::ranges::fill(frame_, 0.0F);
  for (Source& source : sources_) {
    source.sound.pad(end);
    add_up(source);
  }
  std::erase_if(sources_, [&](const Source& source) { return source.leaving && source.sound.end() <= end; });
  if (sources_.empty()) patience_ = kPatience;
  position_ = end;
  limit();
  measure();
  return frame_;
}

void AudioMixer::add_up(Source& source) {
  const std::span<const float> sound = source.sound.front(frame_samples_);
  fade(frame_samples_, std::min(kFade, frame_samples_), std::exchange(source.heard, source.gain), source.gain,
       [&](std::size_t i, float gain) {
         for (std::size_t c = i * channels_; c < (i + 1) * channels_; ++c) frame_[c] += sound[c] * gain;
       });
  source.sound.drop(frame_samples_);
}

void AudioMixer::limit() {
  float peak = 0;
  std::size_t first = frame_.size();  // that is too loud as it would be
  for (std::size_t i = 0; i < frame_.size(); ++i) {
    peak = std::max(peak, std::abs(frame_[i]));
    if (first == frame_.size() && std::abs(frame_[i]) * held_ > 1) first = i;
  }
  const float most = 1 / std::clamp(peak, 1.0F, kMostTurnedDown);
  float wanted = held_;
  if (most < held_) {
    wanted = most;
    hold_ = static_cast<std::int64_t>(kHold * kAudioRate);
  } else if (hold_ > 0) {
    hold_ -= static_cast<std::int64_t>(frame_samples_);
  } else {
    const double louder = std::exp2(static_cast<double>(frame_samples_) / (kRelease * kAudioRate));
    wanted = std::min(most, held_ * static_cast<float>(louder));
  }
  if (wanted >= 1 && held_ >= 1) return;
  const std::size_t length = std::clamp(first / channels_, std::size_t{1}, std::min(kFade, frame_samples_));
  fade(frame_samples_, length, std::exchange(held_, wanted), wanted, [&](std::size_t i, float gain) {
    for (std::size_t c = i * channels_; c < (i + 1) * channels_; ++c)
      frame_[c] = std::clamp(frame_[c] * gain, -1.0F, 1.0F);
  });
}

void AudioMixer::measure() {
  level_ = {};
  double sum = 0;
  for (const float sample : frame_) {
    level_.peak = std::max(level_.peak, std::abs(sample));
    sum += static_cast<double>(sample) * sample;
  }
  level_.rms = static_cast<float>(std::sqrt(sum / static_cast<double>(std::max<std::size_t>(frame_.size(), 1))));
}

std::optional<AudioResamplerStats> AudioMixer::stats(Input input) const {
  const auto found = std::ranges::find(sources_, input, &Source::id);
  return found == sources_.end() ? std::nullopt : std::optional(found->sound.stats());
}

}  // namespace zc
