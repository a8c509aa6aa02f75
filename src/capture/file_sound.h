// A media file's sound, on its way from the source that plays the file to the tracks.
#pragma once

#include "base/clock.h"
#include "capture/audio_source.h"
#include "media/audio.h"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <vector>

namespace zc {

/// The source writes what it plays, at the times at which it shows its pictures; each reader has all of it. In real
/// time the writer may be ahead, and readers have what has been heard by now; what nobody has taken for two seconds is
/// gone. Unpaced there is no clock: the writer waits for the readers, and nothing is lost.
class FileSound : public std::enable_shared_from_this<FileSound> {
 public:
  FileSound(std::uint64_t layout, bool unpaced) : layout_(layout), unpaced_(unpaced) {}

  [[nodiscard]] std::uint64_t layout() const { return layout_; }
  [[nodiscard]] bool unpaced() const { return unpaced_; }

  // The source's.
  /// kAudioRate samples, interleaved, which follow those before. False: `stop` was requested before there was room.
  [[nodiscard]] bool write(Nanoseconds time, std::span<const float> samples, const std::stop_token& stop);
  /// It is not played from `from` on, as far as nobody has it yet. Returns behind what stays; `from`, or later.
  Nanoseconds take_back(Nanoseconds from);
  /// No more comes, unless something does.
  void end();

  /// Another reader, from what is there now on. Any thread; its calls are one thread's.
  [[nodiscard]] std::unique_ptr<AudioSource> reader();

 private:
  class Reader;
  struct Block {
    Nanoseconds time{};
    std::vector<float> samples;
  };

  [[nodiscard]] Nanoseconds end_of(const Block& block) const;
  /// Of the slowest reader, or the fastest. Under the lock.
  [[nodiscard]] std::uint64_t slowest() const;
  [[nodiscard]] std::uint64_t fastest() const;
  void drop_front();
  void forget_old();

  const std::uint64_t layout_;
  const bool unpaced_;
  std::mutex mutex_;  // all below
  std::condition_variable_any taken_;
  std::deque<std::shared_ptr<const Block>> blocks_;
  std::uint64_t first_ = 0;  ///< number of the oldest block that is there
  Nanoseconds written_{};    ///< behind the newest sample that was not taken back
  std::vector<Reader*> readers_;
  bool had_readers_ = false;  ///< where there are none, what is written is nobody's any more
  bool ended_ = false;
};

}  // namespace zc
