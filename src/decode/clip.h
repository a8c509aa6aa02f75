#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "decode/decoder_backend.h"
#include "decode/media_file.h"
#include "media/surface.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

struct ClipOptions {
  std::vector<DecoderBackend> decoders{DecoderBackend::Software};  ///< the first that decodes this stream is used
  bool on_device = false;         ///< hardware's pictures stay where they are; else they are copied to host memory
  unsigned held = 0;              ///< pictures that the consumer holds at a time
  Nanoseconds start{};            ///< pictures of before are left out
  std::function<bool()> stopped;  ///< as MediaFile::open()'s
};

/// The decoded pictures of one media file, in display order. One thread makes every call.
class Clip {
 public:
  struct Picture {
    AvFramePtr frame;
    Nanoseconds time{};    ///< since the file's first picture; rises from one to the next
    Nanoseconds length{};  ///< how long it is to be seen, as far as the file says it
  };

  /// Errors as MediaFile::open()'s; Unsupported: none of the decoders is there. Invalid: it is shorter than the start.
  [[nodiscard]] static Result<std::unique_ptr<Clip>> open(const std::string& path, ClipOptions options);
  ~Clip();
  Clip(const Clip&) = delete;
  Clip& operator=(const Clip&) = delete;

  [[nodiscard]] const MediaFile::Stream& stream() const;
  /// The decoder at work.
  [[nodiscard]] DecoderBackend decoder() const;
  /// The next picture that could be decoded; nullopt at the end, which may be where the file cannot be read further.
  /// Errors: no decoder decodes this stream at all; Cancelled.
  [[nodiscard]] Result<std::optional<Picture>> next();
  /// Packets and pictures that were damaged.
  [[nodiscard]] std::uint64_t damaged() const;

 private:
  struct Impl;
  explicit Clip(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace zc
