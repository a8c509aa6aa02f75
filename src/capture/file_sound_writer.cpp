#include "capture/file_sound_writer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <span>
#include <utility>

namespace zc {
namespace {

constexpr std::size_t kBlock = kAudioRate / 100;

std::int64_t samples_in(Nanoseconds time) {
  return std::llround(std::chrono::duration<double>(time).count() * kAudioRate);
}

Nanoseconds time_of(std::int64_t samples) {
  const std::int64_t rate = kAudioRate;
  return std::chrono::seconds(samples / rate) + Nanoseconds(samples % rate * 1'000'000'000 / rate);
}

}  // namespace

FileSoundWriter::FileSoundWriter(std::shared_ptr<FileSound> sound) : sound_(std::move(sound)) {
  if (sound_) block_.resize(kBlock * AudioFormat{.layout = sound_->layout()}.channels());
}

Nanoseconds FileSoundWriter::moment(std::int64_t position) const { return begin_ + time_of(position); }

Result<void> FileSoundWriter::open(const std::string& path, Nanoseconds zero, Nanoseconds from,
                                   std::function<bool()> stopped) {
  clip_.reset();
  if (!sound_) return {};
  zero_ = samples_in(zero);
  if (next_) from = std::min(from, time_of(*next_ - zero_));
  auto opened = SoundClip::open(path, {.layout = sound_->layout(), .start = from, .stopped = std::move(stopped)});
  if (!opened) return std::unexpected(std::move(opened.error()));
  clip_ = std::move(*opened);
  return {};
}

void FileSoundWriter::begin(Nanoseconds begin, Nanoseconds time) {
  if (!sound_ || next_) return;
  begin_ = begin;
  next_ = samples_in(time);
}

bool FileSoundWriter::write_to(Nanoseconds time, const std::stop_token& stop) {
  if (!sound_ || !next_) return true;
  const std::size_t channels = block_.size() / kBlock;
  for (const std::int64_t end = samples_in(time); *next_ < end;) {
    const auto count = std::min(kBlock, static_cast<std::size_t>(end - *next_));
    const std::span<float> block = std::span(block_).first(count * channels);
    if (!clip_) {
      std::ranges::fill(block, 0.0F);
    } else if (!clip_->read(*next_ - zero_, block)) {
      return false;
    }
    if (!sound_->write(moment(*next_), block, stop)) return false;
    *next_ += static_cast<std::int64_t>(count);
  }
  return true;
}

bool FileSoundWriter::end_file(Nanoseconds time, const std::stop_token& stop) {
  if (!write_to(time, stop)) return false;
  clip_.reset();
  if (next_) next_ = samples_in(sound_->take_back(moment(samples_in(time))) - begin_);
  return true;
}

void FileSoundWriter::rest() {
  clip_.reset();
  if (!sound_ || sound_->unpaced()) return;
  sound_->take_back(monotonic_now());
  next_.reset();
}

void FileSoundWriter::restart() { next_.reset(); }

void FileSoundWriter::end() {
  if (sound_) sound_->end();
}

}  // namespace zc
