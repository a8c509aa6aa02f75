// Packets as an HLS stream: segments of MP4 fragments, each in parts that can be had before it is whole.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "media/packet.h"
#include "output/fragmenter.h"
#include "output/hls_playlist.h"
#include "output/packet_wire.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace zc {

/// Where the stream's files are: on a disk, or in memory.
class HlsStore {
 public:
  virtual ~HlsStore() = default;
  HlsStore() = default;
  HlsStore(const HlsStore&) = delete;
  HlsStore& operator=(const HlsStore&) = delete;
  HlsStore(HlsStore&&) = delete;
  HlsStore& operator=(HlsStore&&) = delete;

  /// Another file, whole from the moment on at which it can be had.
  [[nodiscard]] virtual Result<void> put(const std::string& name, std::span<const std::byte> bytes) = 0;
  virtual void remove(const std::string& name) noexcept = 0;
  /// What players are to be told now; all of it has been put.
  [[nodiscard]] virtual Result<void> announce(const hls::Window& window, const hls::Variant& variant) = 0;
};

/// Of one thread. What is pushed is copied, and freed again when players cannot want it any more. A call that fails
/// leaves the stream as it was told last.
class HlsStream {
 public:
  /// What the numbers of an earlier stream in the same place ended with.
  struct Start {
    std::uint64_t segment = 0;
    std::uint64_t header = 1;
    std::uint64_t discontinuities = 0;
    bool continues = false;  ///< there was one
  };

  /// `store` outlives it.
  HlsStream(hls::Timing timing, HlsStore& store);
  HlsStream(hls::Timing timing, HlsStore& store, const Start& start);

  /// First, and with the first packet of another encoder or size. Unsupported: MP4 cannot hold it.
  [[nodiscard]] Result<void> begin(const StreamParameters& stream);
  /// Pictures from the first keyframe on, and the sound beside them. A part is published when the picture behind it is
  /// there, since only that says how long it is. Unsupported: no keyframe comes. Else an error of the store's.
  [[nodiscard]] Result<void> push(const WirePacket& packet);
  /// Publishes the rest, and that it was the last.
  [[nodiscard]] Result<void> end();

  /// A segment should end, since the last call.
  [[nodiscard]] bool take_keyframe_wish() { return std::exchange(keyframe_wish_, false); }
  [[nodiscard]] const hls::Window& window() const { return window_; }
  [[nodiscard]] const hls::Variant& variant() const { return variant_; }

 private:
  struct Kept {
    WirePacket packet;  ///< its bytes are in bytes_
    std::size_t offset = 0;
  };
  [[nodiscard]] Result<void> push_picture(WirePacket packet);
  void keep(const WirePacket& packet);
  void open_segment(const WirePacket& packet);
  /// What is kept, up to the picture at `until`.
  [[nodiscard]] Result<void> publish_part(std::int64_t until);
  [[nodiscard]] Result<void> finish_segment();
  [[nodiscard]] Result<void> finish_all();
  /// Takes back what cannot be finished.
  void drop_open_segment();
  void forget_old();
  [[nodiscard]] bool open() const { return !window_.segments.empty() && !window_.segments.back().whole; }
  [[nodiscard]] std::chrono::sys_time<std::chrono::milliseconds> date_of(const WirePacket& packet);

  const hls::Timing timing_;
  std::int64_t part_ticks_;           ///< kPacketClock; 0: no parts
  const std::int64_t segment_ticks_;  ///< kPacketClock
  const Nanoseconds wall_clock_;      ///< less the monotonic one, when the stream began
  HlsStore& store_;
  hls::Window window_;
  hls::Variant variant_;
  std::optional<Fragmenter> fragmenter_;
  std::uint64_t next_segment_;
  std::uint64_t next_header_;
  bool discontinuity_;  ///< of the next segment
  std::int64_t frame_ticks_ = 0;
  std::optional<std::int64_t> origin_;       ///< dts of the first picture, which is 0 in the files
  std::optional<Nanoseconds> stream_begin_;  ///< monotonic time of pts 0
  std::int64_t segment_begin_ = 0;           ///< dts in the files, as the next
  std::int64_t part_begin_ = 0;
  std::int64_t newest_ = 0;
  std::int64_t gap_ = 0;  ///< between pictures, as of late; kPacketClock ticks
  std::int64_t next_wish_ = 0;
  bool keyframe_wish_ = false;
  bool begun_ = false;
  std::vector<Kept> kept_;          ///< of the part that is not published
  std::vector<std::byte> bytes_;    ///< theirs
  std::vector<std::byte> segment_;  ///< the open segment so far
  std::vector<WirePacket> views_;
  std::vector<std::string> old_parts_;    ///< not told any more since the last segment
  std::deque<std::string> old_segments_;  ///< likewise, and who was told of them may still come
};

}  // namespace zc
