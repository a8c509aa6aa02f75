#pragma once

#include "base/error.h"

#include <cstddef>
#include <cstdint>
#include <span>

namespace zc {

/// Where a muxer's bytes go: a file, a pipe or a peer. One thread makes every call.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  ByteStream() = default;
  ByteStream(const ByteStream&) = delete;
  ByteStream& operator=(const ByteStream&) = delete;
  ByteStream(ByteStream&&) = delete;
  ByteStream& operator=(ByteStream&&) = delete;

  /// Takes all bytes or fails; after an error nothing more may be written.
  [[nodiscard]] virtual Result<void> write(std::span<const std::byte> bytes) = 0;
  /// True when seek() works.
  [[nodiscard]] virtual bool seekable() const { return false; }
  /// The next write goes to byte `offset` from the start.
  [[nodiscard]] virtual Result<void> seek(std::uint64_t offset);
  /// Bytes the stream is long.
  [[nodiscard]] virtual std::uint64_t size() const { return 0; }
  /// Returns when all that was written is safe on the medium; it stays, whatever comes after.
  [[nodiscard]] virtual Result<void> keep() { return {}; }
  /// Longest message the medium keeps in one piece, in bytes; 0 where there are no messages.
  [[nodiscard]] virtual std::size_t message_bytes() const { return 0; }
};

inline Result<void> ByteStream::seek(std::uint64_t /*offset*/) {
  return fail(ErrorKind::Unsupported, "seek", "not possible on a pipe or network peer");
}

/// MPEG-TS over datagrams: seven packets of 188 bytes, the most that fits an Ethernet frame (and libsrt's live mode).
inline constexpr std::size_t kTsMessageBytes = 7 * std::size_t{188};

}  // namespace zc
