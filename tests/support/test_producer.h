// A PipeWire video source that can do what compositors and cameras do, and what they should not do.
#pragma once

#include "base/error.h"
#include "media/geometry.h"
#include "media/pixel_format.h"
#include "media/test_mark.h"
#include "support/producer_offer.h"
#include "support/producer_rhythm.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace zc::test {

enum class PtsMode : std::uint8_t {
  Good,      ///< the time the frame was painted
  Zero,      ///< niri
  MinusOne,  ///< gamescope
  Ancient,   ///< an hour ago
  Future,    ///< an hour ahead
  Repeated,  ///< the first frame's time for ever
  NoHeader,  ///< no header meta at all
};
enum class CursorOnly : std::uint8_t {
  None,
  SizeZero,   ///< GNOME: chunk size 0
  Corrupted,  ///< KDE: SPA_CHUNK_FLAG_CORRUPTED
  Both,       ///< GNOME's recorded ones
};
enum class Memory : std::uint8_t {
  MemFd,
  DmaBuf,  ///< a memfd labelled SPA_DATA_DmaBuf; chunk size 9 and maxsize 0, like xdg-desktop-portal-wlr
  Either,  ///< DmaBuf, or MemFd where the consumer takes no dmabuf
};
/// How a dmabuf says that its picture is there. With any but None the buffer is handed over first, then the picture is
/// painted, then the consumer is told.
enum class Sync : std::uint8_t {
  None,      ///< it is painted before it is handed over
  Implicit,  ///< a fence of the kernel's in the buffer: real dmabufs only (ProducerOptions::drm_node)
  Explicit,  ///< two timelines, where the consumer takes them: real ones with a drm_node, else FakeTimelines
};
/// What becomes of fences and acquire points.
enum class Fence : std::uint8_t {
  Late,   ///< signalled when the picture has been painted, a frame later
  Never,  ///< every third picture's never is while the consumer has the buffer, and the picture is never painted
};
enum class Fixation : std::uint8_t {
  Producer,  ///< chooses a modifier when the format leaves several, as it should
  Consumer,  ///< waits until the consumer has chosen
};

/// A producer that stays connected and sends nothing.
enum class Silence : std::uint8_t {
  None,
  UntilNewStream,  ///< a stream that got stuck: the next one is served again
  ForEver,
};

struct ProducerOptions {
  std::string name = "zerocast-test";
  std::string media_class = "Video/Source";
  std::vector<PixelFormat> formats{PixelFormat::BGRx};  ///< offered, the preferred first
  Size size{320, 180};
#if defined(__SANITIZE_ADDRESS__)
  Rational rate{20, 1};  ///< painting is slow here: PipeWire 1.4 lends a buffer twice when cycles overrun
#else
  Rational rate{60, 1};
#endif
  bool variable_rate = false;  ///< framerate 0/1 with a maximum, like mutter

  std::uint32_t stride_padding = 0;  ///< bytes behind each row
  std::uint32_t offset = 0;          ///< bytes before the picture, in the chunk
  std::uint32_t map_offset = 0;      ///< bytes before the block, in the fd
  bool separate_blocks = false;      ///< one block of memory per plane
  bool zero_stride = false;          ///< the chunk's stride is left 0
  bool short_buffers = false;        ///< the fds hold half of what the block claims
  unsigned empty_sets = 0;           ///< so many times its buffers are handed over without memory
  bool short_chunks = false;         ///< the chunks claim one byte less than the picture has
  Memory memory = Memory::MemFd;
  Fixation fixation = Fixation::Producer;
  Sync sync = Sync::None;
  Fence fence = Fence::Late;
  /// Of the dmabufs, the preferred first. Their pixels are LINEAR whatever it says, but for
  /// kTiledModifier of tests/vklayer, which has its own layout and a second plane.
  std::vector<std::uint64_t> modifiers{0, 0x00ff'ffff'ffff'ffff};
  /// Dmabufs are real: dumb buffers of this DRM node ("/dev/dri/renderD128"). Empty: memfds labelled so.
  std::string drm_node{};

  /// As Mutter 48 and KWin 6.3 have it: a cycle of the graph begins with a filled buffer, and without a free one there
  /// is none; a buffer is not free before its release point is reached, and no flag tells which points nobody will
  /// signal (meta-screen-cast-stream-src.c, dequeue_pw_buffer(); screencaststream.cpp, dequeueBuffer()).
  bool like_compositors = false;

  std::uint32_t first_number = 0;  ///< in the first frame's mark
  std::uint64_t frames = 0;        ///< stops sending after that many; 0: never
  std::uint64_t still_from = 0;    ///< a screen that stands still from this picture on; 0: never
  std::uint64_t die_at = 0;        ///< the node goes away instead of sending this frame; 0: never
  struct Change {
    std::uint64_t at = 0;  ///< the first frame with the new values, unless change_now() comes before
    std::optional<Size> size;
    std::optional<PixelFormat> format;
    std::uint64_t after = 0;  ///< pictures since the change before, which there are at least
  };
  std::vector<Change> changes{};  ///< rising in `at`

  /// The node is inactive for `time` before picture `at`; 0: never.
  struct Pause {
    std::uint64_t at = 0;
    std::chrono::milliseconds time{};
  };
  Pause pause{};

  /// Codes the picture of `mark` in this size, where a coded format (SPA_MEDIA_SUBTYPE_*) was agreed on. Empty: such a
  /// format is an error.
  std::function<std::vector<std::byte>(std::uint32_t subtype, Size size, const TestMark& mark)> code{};
  std::vector<std::uint32_t> damaged{};  ///< numbers of pictures whose coded bytes are garbage
  std::vector<std::uint32_t> lost{};     ///< numbers of coded pictures that are made and counted, and never sent

  PtsMode pts = PtsMode::Good;
  bool counts = true;  ///< the header's seq rises by one per buffer; else it is 0
  Rhythm rhythm{};
  std::uint32_t header_flags = 0;
  Rect crop{};
  Transform transform = Transform::Normal;
  std::vector<Rect> damage{};                 ///< empty: no damage meta
  bool cursor = false;                        ///< 24x16 pointer of two alternating shapes that moves with every buffer
  CursorOnly cursor_only = CursorOnly::None;  ///< every second buffer only moves the pointer
  bool cursor_repeats_pts = false;            ///< such a buffer has the last picture's time, not its own
  Point cursor_at{10, 20};                    ///< where the pointer begins
  bool cursor_moves = true;                   ///< with every buffer, and changes its shape; else it stands still

  // What a recorded producer states, sent as it is. Empty: made of the options above.
  std::map<std::string, std::string> properties{};  ///< of the node; `name` and `media_class` win
  std::vector<EnumFormat> enum_formats{};           ///< `size`, `rate`, `formats` and `modifiers` do not count then
  std::optional<std::vector<MetaOffer>> metas{};    ///< those it has no values for stay zero
  std::optional<BuffersOffer> dmabuf_buffers{};
  std::optional<BuffersOffer> memory_buffers{};
  std::vector<std::uint64_t> picks{};                  ///< modifiers it can allocate, the preferred first
  std::chrono::milliseconds thinks{};                  ///< so long before each of rounds(): a busy machine
  std::optional<std::uint32_t> memory_chunk_bytes{};   ///< of shared memory; else those of the picture
  std::optional<std::uint32_t> dmabuf_chunk_bytes{9};  ///< 9: xdg-desktop-portal-wlr; empty: those of the picture
  std::optional<std::uint32_t> dmabuf_max_bytes{0};    ///< likewise
};

/// Edge lengths, hot spot and shape change of the pointer; shape 0 and 1 differ in every pixel.
inline constexpr Size kPointerSize{24, 16};
inline constexpr Point kPointerHotspot{3, 2};
inline constexpr std::uint64_t kPointerShapeFrames = 8;

/// Runs on its own thread from create() until it is destroyed. Frames count from 0.
class TestProducer {
 public:
  /// Returns once the node exists. Errors of later come as ended().
  [[nodiscard]] static Result<std::unique_ptr<TestProducer>> create(ProducerOptions options);
  TestProducer(const TestProducer&) = delete;
  TestProducer& operator=(const TestProducer&) = delete;
  ~TestProducer();

  [[nodiscard]] std::uint32_t node_id() const;
  /// Pictures sent so far; pointer-only buffers do not count.
  [[nodiscard]] std::uint64_t sent() const;
  /// Answers to formats whose modifier was left to the producer.
  [[nodiscard]] std::uint64_t rounds() const;
  /// How long after its time the latest buffer of a rhythm went out: the machine is busy.
  [[nodiscard]] std::chrono::nanoseconds most_late() const;
  /// From now on.
  void fall_silent(Silence silence);
  /// The next change is due before the next frame.
  void change_now();
  /// Pictures handed over with a fence or timelines; buffers that came back before their release point was signalled,
  /// or after it was signalled more than once.
  [[nodiscard]] std::uint64_t synced() const;
  [[nodiscard]] std::uint64_t bad_releases() const;
  /// True after die_at or when the daemon or the stream has failed.
  [[nodiscard]] bool ended() const;

 private:
  class Impl;
  explicit TestProducer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace zc::test
