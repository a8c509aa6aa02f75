#include "capture/file_sound.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>

namespace zc {
namespace {

constexpr Nanoseconds kMostBehind = std::chrono::seconds(2);
/// Unpaced: so much may wait. Readers come fifty times a second.
constexpr Nanoseconds kRoom = std::chrono::seconds(4);

}  // namespace

class FileSound::Reader final : public AudioSource {
 public:
  explicit Reader(std::shared_ptr<FileSound> sound) : sound_(std::move(sound)) {
    const std::lock_guard lock(sound_->mutex_);
    next_ = sound_->first_;
    sound_->readers_.push_back(this);
    sound_->had_readers_ = true;
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() override {
    {
      const std::lock_guard lock(sound_->mutex_);
      std::erase(sound_->readers_, this);
      sound_->drop_front();
    }
    sound_->taken_.notify_all();
  }

  void read(AudioReader& reader) override;
  [[nodiscard]] std::uint64_t lost() const override {
    const std::lock_guard lock(sound_->mutex_);
    return lost_;
  }

 private:
  friend class FileSound;
  const std::shared_ptr<FileSound> sound_;
  std::uint32_t last_ = 0;
  bool on_ = false;
  // With the lock held.
  std::uint64_t next_ = 0;
  std::uint64_t lost_ = 0;
};

void FileSound::Reader::read(AudioReader& reader) {
  std::vector<std::shared_ptr<const Block>> taken;
  bool over = false;
  {
    const std::lock_guard lock(sound_->mutex_);
    const Nanoseconds now = monotonic_now();
    for (; next_ - sound_->first_ < sound_->blocks_.size(); ++next_) {
      const auto& block = sound_->blocks_[next_ - sound_->first_];
      if (!sound_->unpaced_ && sound_->end_of(*block) > now) break;
      taken.push_back(block);
    }
    over = sound_->ended_ && next_ - sound_->first_ == sound_->blocks_.size();
    sound_->drop_front();
  }
  sound_->taken_.notify_all();
  if (!on_ && (!over || !taken.empty())) {
    on_ = true;
    reader.on_stream(++last_);
  }
  for (const auto& block : taken) reader.on_block(last_, {.time = block->time, .samples = block->samples});
  if (over && std::exchange(on_, false)) reader.on_end(last_);
}

std::unique_ptr<AudioSource> FileSound::reader() { return std::make_unique<Reader>(shared_from_this()); }

Nanoseconds FileSound::end_of(const Block& block) const {
  const std::size_t samples = block.samples.size() / AudioFormat{.layout = layout_}.channels();
  return block.time + Nanoseconds(static_cast<std::int64_t>(samples) * 1'000'000'000 / kAudioRate);
}

std::uint64_t FileSound::slowest() const {
  if (readers_.empty()) return had_readers_ ? first_ + blocks_.size() : first_;
  return (*std::ranges::min_element(readers_, {}, &Reader::next_))->next_;
}

std::uint64_t FileSound::fastest() const {
  return readers_.empty() ? first_ : (*std::ranges::max_element(readers_, {}, &Reader::next_))->next_;
}

void FileSound::drop_front() {
  for (const std::uint64_t needed = slowest(); first_ < needed; ++first_) blocks_.pop_front();
}

void FileSound::forget_old() {
  const Nanoseconds oldest = monotonic_now() - kMostBehind;
  while (!blocks_.empty() && blocks_.front()->time < oldest) {
    for (Reader* reader : readers_) {
      if (reader->next_ != first_) continue;
      ++reader->next_;
      ++reader->lost_;
    }
    blocks_.pop_front();
    ++first_;
  }
}

bool FileSound::write(Nanoseconds time, std::span<const float> samples, const std::stop_token& stop) {
  auto block = std::make_shared<const Block>(Block{.time = time, .samples = {samples.begin(), samples.end()}});
  std::unique_lock lock(mutex_);
  if (unpaced_) {
    const auto room = [&] { return blocks_.empty() || time - blocks_.front()->time < kRoom; };
    if (!taken_.wait(lock, stop, room)) return false;
  } else {
    forget_old();
  }
  ended_ = false;
  written_ = end_of(*block);
  blocks_.push_back(std::move(block));
  drop_front();
  return true;
}

Nanoseconds FileSound::take_back(Nanoseconds from) {
  const std::lock_guard lock(mutex_);
  while (written_ > from && first_ + blocks_.size() > fastest() && !blocks_.empty()) {
    const auto block = std::move(blocks_.back());
    blocks_.pop_back();
    written_ = std::max(block->time, from);
    if (block->time >= from) continue;
    const std::int64_t kept = std::llround(std::chrono::duration<double>(from - block->time).count() * kAudioRate);
    const auto floats = static_cast<std::size_t>(kept) * AudioFormat{.layout = layout_}.channels();
    const std::span<const float> samples = std::span(block->samples).first(std::min(floats, block->samples.size()));
    blocks_.push_back(
        std::make_shared<const Block>(Block{.time = block->time, .samples = {samples.begin(), samples.end()}}));
  }
  return std::max(written_, from);
}

void FileSound::end() {
  const std::lock_guard lock(mutex_);
  ended_ = true;
}

}  // namespace zc
