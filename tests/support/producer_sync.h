// How the test producer's buffers say when a picture is there and when it is no longer read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

struct spa_buffer;

namespace zc::test {

class DrmBuffer;
class DrmNode;

/// One timeline as the producer sees it: of a DRM node, or a counter in a memfd. The descriptor is the timeline's.
class ProducerTimeline {
 public:
  ProducerTimeline() = default;
  virtual ~ProducerTimeline() = default;
  ProducerTimeline(const ProducerTimeline&) = delete;
  ProducerTimeline& operator=(const ProducerTimeline&) = delete;

  [[nodiscard]] virtual int fd() const = 0;
  virtual void signal(std::uint64_t point) = 0;
  /// The last point that was signalled.
  [[nodiscard]] virtual std::uint64_t reached() const = 0;
  /// How often anybody signalled; nullopt where nobody counts.
  [[nodiscard]] virtual std::optional<std::uint64_t> signals() const = 0;
};
/// A FakeTimeline of this process; null when there is no memory for it.
[[nodiscard]] std::unique_ptr<ProducerTimeline> make_fake_timeline();

/// Of one buffer.
class BufferSync {
 public:
  BufferSync() = default;
  virtual ~BufferSync() = default;
  BufferSync(const BufferSync&) = delete;
  BufferSync& operator=(const BufferSync&) = delete;

  /// Before the buffer is handed over, its picture not painted yet. False when the consumer did not keep the last
  /// release as it should.
  [[nodiscard]] virtual bool begin(spa_buffer& buffer) = 0;
  /// The picture is there.
  virtual void done() = 0;
  /// The last picture is no longer read, as far as the consumer has to tell.
  [[nodiscard]] virtual bool released() const = 0;
};

/// Two timelines in the two datas behind the buffer's `blocks` blocks: of `node`, or fake ones without it. Null when
/// they cannot be made. `flagged`: SPA_META_SYNC_TIMELINE_UNSCHEDULED_RELEASE tells which points nobody will signal.
[[nodiscard]] std::unique_ptr<BufferSync> make_timeline_sync(DrmNode* node, std::uint32_t blocks, bool flagged,
                                                             spa_buffer& buffer);
/// Fences that the kernel attaches to `memory`, which must live longer.
[[nodiscard]] std::unique_ptr<BufferSync> make_fence_sync(DrmBuffer& memory);

}  // namespace zc::test
