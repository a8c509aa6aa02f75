#pragma once

#include "base/error.h"
#include "media/packet.h"
#include "output/byte_stream.h"
#include "output/container.h"

#include <chrono>
#include <cstdint>
#include <memory>

namespace zc {

/// The longest stretch of stream time a file can lose when the process is killed: clusters and fragments are closed and
/// handed to the kernel this often.
inline constexpr std::chrono::milliseconds kFlushInterval{250};

/// One video stream and its tracks of sound in one container, written through libavformat into a ByteStream. One thread
/// makes every call.
///
/// Both file muxers collect a cluster (Matroska) or fragment (MP4) in memory and write it in one go, and every byte is
/// handed to the ByteStream before a call returns. So after each successful call the end of the stream is a boundary: a
/// file cut there plays.
class Muxer {
 public:
  /// Writes the header. `out` outlives the muxer. Unsupported: the container cannot hold a codec.
  [[nodiscard]] static Result<std::unique_ptr<Muxer>> create(Container container, const StreamParameters& stream,
                                                             ByteStream& out);
  /// An unfinished stream is left as it is; nothing is written.
  ~Muxer();
  Muxer(const Muxer&) = delete;
  Muxer& operator=(const Muxer&) = delete;
  Muxer(Muxer&&) = delete;
  Muxer& operator=(Muxer&&) = delete;

  /// Packets of files come in the order of their dts, whichever track they are of.
  /// An error of the ByteStream comes back as it is. After any error only destruction makes sense.
  [[nodiscard]] Result<void> write(const Packet& packet);
  /// Closes the cluster or fragment in the making, so that every picture is out.
  [[nodiscard]] Result<void> flush();
  /// The same, after the last picture.
  [[nodiscard]] Result<void> drain();
  /// drain(), then what makes a whole file of it when the stream can seek: Matroska's cues and duration; MP4 becomes a
  /// plain one (mp4_index.h).
  [[nodiscard]] Result<void> finish();

 private:
  struct Impl;
  explicit Muxer(std::unique_ptr<Impl> impl) noexcept;
  std::unique_ptr<Impl> impl_;
};

}  // namespace zc
