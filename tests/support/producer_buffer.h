#pragma once

#include "base/unique_fd.h"
#include "support/producer_drm.h"
#include "support/producer_sync.h"
#include "support/test_picture.h"
#include "support/test_producer.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

struct spa_buffer;
struct pw_buffer;

namespace zc::test {

/// Layout of one block of memory (all planes, or one of them) as the options want it.
struct BlockLayout {
  unsigned first_plane = 0;
  unsigned planes = 0;
  std::array<std::uint64_t, 3> plane_offset{};  ///< from the block's start
  std::uint32_t stride = 0;                     ///< of the block's first plane
  std::uint64_t picture_bytes = 0;              ///< from the first plane's first byte to the last one's last
  std::uint64_t block_bytes = 0;                ///< the whole block, options.offset included
};
/// `modifier`: of a dmabuf; nullopt for shared memory.
[[nodiscard]] std::vector<BlockLayout> block_layouts(const ProducerOptions& options, PixelFormat format, Size size,
                                                     std::optional<std::uint64_t> modifier);

/// The memory of one PipeWire buffer, made in add_buffer (PW_STREAM_FLAG_ALLOC_BUFFERS).
class ProducerBuffer {
 public:
  /// Fills in buffer.datas; the fds belong to this object. `node`: where dmabufs come from; null: memfds called so.
  static std::unique_ptr<ProducerBuffer> create(const ProducerOptions& options, PixelFormat format, Size size,
                                                std::optional<std::uint64_t> modifier, DrmNode* node,
                                                spa_buffer& buffer);
  ProducerBuffer(const ProducerBuffer&) = delete;
  ProducerBuffer& operator=(const ProducerBuffer&) = delete;
  ~ProducerBuffer();

  /// Paints the picture and writes the chunks.
  void paint(const TestMark& mark, spa_buffer& buffer);
  /// Coded bytes instead, as many as have room.
  void put(std::span<const std::byte> coded, spa_buffer& buffer);
  /// The same in two steps: what the consumer is told at once, and the pixels that come later.
  void describe(spa_buffer& buffer) const;
  void fill(const TestMark& mark);
  /// Chunks that say "no picture".
  void blank(CursorOnly how, spa_buffer& buffer) const;

  /// Null: the picture is painted before the buffer is handed over.
  [[nodiscard]] BufferSync* sync() const { return sync_.get(); }

 private:
  struct Block {
    BlockLayout layout;
    UniqueFd fd;
    std::unique_ptr<DrmBuffer> drm;  ///< what `fd` is a second descriptor of
    std::byte* map = nullptr;        ///< the fd from its start
    std::size_t map_bytes = 0;
  };
  ProducerBuffer(const ProducerOptions& options, PixelFormat format, Size size, std::optional<std::uint64_t> modifier)
      : options_(options), format_(format), size_(size), modifier_(modifier) {}
  /// The picture in kTiledModifier's layout, both planes in the first block's memory.
  void fill_tiled(const TestMark& mark);
  /// The memory of a block of at least `bytes`.
  static bool allocate(Block& block, std::size_t bytes, DrmNode* node);
  /// As the options want it: timelines behind the blocks, where the buffer has room for them, or fences. False when
  /// they cannot be made.
  bool add_sync(std::uint32_t blocks, DrmNode* node, spa_buffer& buffer);

  const ProducerOptions& options_;
  PixelFormat format_;
  Size size_;
  std::optional<std::uint64_t> modifier_;
  std::vector<Block> blocks_;
  std::vector<std::byte> linear_;     ///< what is tiled
  std::unique_ptr<BufferSync> sync_;  ///< dies before the blocks, whose memory it may use
};

/// Writes all metas of a buffer whose picture has the mark's number and was shown at the mark's time. `size`: of the
/// picture; `counter` counts buffers, with and without a picture; `shape`: of the
/// pointer.
void write_metas(const ProducerOptions& options, Size size, const TestMark& mark, Nanoseconds first_time,
                 std::uint64_t counter, unsigned shape, bool resend_shape, spa_buffer& buffer);

/// The pixels of pointer shape 0 or 1, premultiplied BGRA, kPointerSize.
[[nodiscard]] std::vector<std::byte> pointer_pixels(unsigned shape);
/// Where the pointer that began at `from` is in buffer `counter`.
[[nodiscard]] Point pointer_position(std::uint64_t counter, Point from = ProducerOptions{}.cursor_at);
[[nodiscard]] inline unsigned pointer_shape(std::uint64_t frame) {
  return static_cast<unsigned>(frame / kPointerShapeFrames % 2);
}

}  // namespace zc::test
