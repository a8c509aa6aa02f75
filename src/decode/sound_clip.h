#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "decode/media_file.h"
#include "media/audio.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace zc {

struct SoundClipOptions {
  std::uint64_t layout = kStereo;  ///< that is wanted
  Nanoseconds start{};             ///< nothing of before is asked for
  std::function<bool()> stopped;   ///< as MediaFile::open()'s
};

/// The sound of one media file beside its pictures: kAudioRate samples a second of the layout that is wanted, without
/// end. Where the file has none, or none that can be decoded, there is silence of just its length. One thread makes
/// every call.
class SoundClip {
 public:
  /// Errors as MediaFile::open()'s; Unsupported, too: this FFmpeg does not decode it.
  [[nodiscard]] static Result<std::unique_ptr<SoundClip>> open(const std::string& path, SoundClipOptions options);
  ~SoundClip();
  SoundClip(const SoundClip&) = delete;
  SoundClip& operator=(const SoundClip&) = delete;

  /// Fills `out`, interleaved, with the samples from `position` on, which is counted from the file's first picture and
  /// does not fall from call to call. Cancelled.
  [[nodiscard]] Result<void> read(std::int64_t position, std::span<float> out);
  /// Packets and frames that could not be decoded.
  [[nodiscard]] std::uint64_t damaged() const;

 private:
  struct Impl;
  explicit SoundClip(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace zc
