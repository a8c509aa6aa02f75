#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "capture/file_sound.h"
#include "decode/sound_clip.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace zc {

/// Writes the sound of the files that a source plays beside their pictures, one file's behind the other's: sample by
/// sample from the first picture on, silence where a file has none. Times are of what is played, which began at
/// `begin` of CLOCK_MONOTONIC. One thread makes every call.
class FileSoundWriter {
 public:
  /// Null: nobody wants it, and every call does nothing.
  explicit FileSoundWriter(std::shared_ptr<FileSound> sound);

  [[nodiscard]] bool wanted() const { return sound_ != nullptr; }
  /// The next file, whose own time zero is played at `zero`; it is played from `from` of its own time on. Errors as
  /// SoundClip::open(): then it is silent.
  [[nodiscard]] Result<void> open(const std::string& path, Nanoseconds zero, Nanoseconds from,
                                  std::function<bool()> stopped);
  /// A picture of `time` is shown: where nothing is heard yet, sound begins with it.
  void begin(Nanoseconds begin, Nanoseconds time);
  /// Everything up to `time`. False: `stop`, or the file's, was requested.
  [[nodiscard]] bool write_to(Nanoseconds time, const std::stop_token& stop);
  /// The present file's pictures end at `time`, and so does its sound. Returns as write_to().
  [[nodiscard]] bool end_file(Nanoseconds time, const std::stop_token& stop);
  /// What was damaged of the present file.
  [[nodiscard]] std::uint64_t damaged() const { return clip_ ? clip_->damaged() : 0; }
  /// Nothing is played until begin(); unpaced it goes on where it was.
  void rest();
  /// Begins anew.
  void restart();
  /// No more comes.
  void end();

 private:
  [[nodiscard]] Nanoseconds moment(std::int64_t position) const;

  const std::shared_ptr<FileSound> sound_;
  std::unique_ptr<SoundClip> clip_;  ///< null: silence
  std::int64_t zero_ = 0;            ///< of the file, in samples of what is played
  Nanoseconds begin_{};
  std::optional<std::int64_t> next_;  ///< sample; nullopt: nothing is heard yet
  std::vector<float> block_;
};

}  // namespace zc
