#pragma once

#include "base/error.h"
#include "media/audio.h"
#include "pipewire/pipewire_handles.h"

#include <spa/utils/ringbuffer.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace zc {

/// One pw_stream that receives sound as 32-bit floats of kAudioRate. PipeWire's own thread copies each block, with its
/// time, into a ring that never waits; whoever reads has two seconds to do so.
///
/// connect() and the destructor belong to the loop's thread, or to any once that has stopped; read() and the rest to
/// one other thread.
class AudioStream {
 public:
  struct Target {
    std::string
        object;  ///< object.serial or node.name for the session manager; empty: the default, followed as it changes
    bool monitor = false;  ///< what a sink plays, not what a source gives
  };

  [[nodiscard]] static Result<std::unique_ptr<AudioStream>> connect(pw_core* core, const Target& target,
                                                                    std::uint64_t layout);
  AudioStream(const AudioStream&) = delete;
  AudioStream& operator=(const AudioStream&) = delete;
  ~AudioStream();

  /// The next block, which holds until the next call. Its time is when it was at the microphone; of what is played,
  /// when the cycle was in which it came (audio_delay.h).
  [[nodiscard]] std::optional<AudioBlock> read();
  /// A block is there.
  [[nodiscard]] bool any() const;
  /// Blocks that nobody took in time.
  [[nodiscard]] std::uint64_t lost() const { return lost_.load(std::memory_order_relaxed); }
  /// Its node, or SPA_ID_INVALID. The loop's thread.
  [[nodiscard]] std::uint32_t node() const { return pw_stream_get_node_id(stream_.get()); }
  /// The node whose clock drives it, or SPA_ID_INVALID.
  [[nodiscard]] std::uint32_t driver() const { return driver_.load(std::memory_order_relaxed); }
  /// It gives nothing any more.
  [[nodiscard]] bool over() const { return over_.load(std::memory_order_relaxed); }

 private:
  struct Callbacks;
  /// Before each block's samples in the ring.
  struct Head {
    std::int64_t time;  ///< nanoseconds
    std::uint32_t samples;
  };

  explicit AudioStream(std::uint64_t layout);
  [[nodiscard]] Result<void> open(pw_core* core, const Target& target);
  void process();
  void write(Nanoseconds time, const void* samples, std::uint32_t bytes);

  const AudioFormat format_;
  std::vector<std::byte> memory_;
  mutable spa_ringbuffer ring_{};
  std::vector<float> block_;
  std::atomic<std::uint64_t> lost_ = 0;
  std::atomic<bool> over_ = false;
  std::atomic<std::uint32_t> driver_ = SPA_ID_INVALID;
  StreamPtr stream_;
  Hook hook_;
};

}  // namespace zc
