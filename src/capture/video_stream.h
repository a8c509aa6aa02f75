#pragma once

#include "base/error.h"
#include "capture/frame_reader.h"
#include "capture/hand_shake.h"
#include "capture/negotiation.h"
#include "capture/stream_buffers.h"
#include "pipewire/pipewire_handles.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

struct pw_loop;
struct spa_source;

namespace zc {

/// One pw_stream that receives video. Every member is called on the loop's thread; the destructor also after that
/// thread has stopped. All memory a frame refers to outlives the stream for as long as the frame lives.
class VideoStream {
 public:
  /// Called on the loop's thread, never during the destructor.
  class Events {
   public:
    virtual ~Events() = default;
    virtual void stream_frame(Frame frame) = 0;
    virtual void stream_negotiated(const NegotiatedFormat& format) = 0;
    /// `message` is PipeWire's, set for PW_STREAM_STATE_ERROR only.
    virtual void stream_state(pw_stream_state state, const char* message) = 0;
    /// A buffer has come without memory. Its picture is refused.
    virtual void stream_without_memory() = 0;
    /// The stream cannot go on for a reason of our own.
    virtual void stream_failed(const Error& error) = 0;
  };

  /// `object`: the object.serial (or name) for the session manager, empty to use `id`.
  struct Target {
    std::string object;
    std::uint32_t id = PW_ID_ANY;
  };

  /// Offers what `hand_shake`, which outlives the stream, has left; it follows what becomes of that. `timelines`: what
  /// opens the timelines of explicit synchronisation; null: it is not offered.
  [[nodiscard]] static Result<std::unique_ptr<VideoStream>> connect(
      pw_core* core, pw_loop* loop, const Target& target, HandShake& hand_shake, StreamCounters& counters,
      Events& events, std::shared_ptr<TimelineDevice> timelines = nullptr);
  VideoStream(const VideoStream&) = delete;
  VideoStream& operator=(const VideoStream&) = delete;
  ~VideoStream();

  /// Makes the hand-shake's offer, which has changed.
  [[nodiscard]] Result<void> renegotiate();
  /// Stops and starts it, after buffers that the producer could not make or had no format for any more: the daemon
  /// remembers the producer's error (pw_impl_node, last_error) and lets its next start end in "suspended". The one
  /// after that works; which one that is cannot be seen from here, only that pictures come.
  void kick();

 private:
  struct Callbacks;
  VideoStream(pw_loop* loop, Target target, std::unique_ptr<StreamBuffers> buffers, HandShake& hand_shake,
              StreamCounters& counters, Events& events);

  [[nodiscard]] Result<void> open(pw_core* core);
  void format_changed(const spa_pod* param);
  /// What a format is answered with.
  [[nodiscard]] Result<std::vector<PodPtr>> answer(const NegotiatedFormat& format, HandShake::Turn turn);
  void process();
  void requeue_returned();
  /// PipeWire loses pictures when its cycles overrun, and when the producer uses a buffer again before the cycle in
  /// which it is given back (pipewire 1.4, stream.c, queue_push). Mutter 48 and KWin 6.3 keep such a buffer until its
  /// release point is reached, and have none left after a while.
  void look_for_lost();
  [[nodiscard]] Result<void> send_params(const std::vector<PodPtr>& params);

  pw_loop* loop_;
  const Target target_;
  StreamCounters& counters_;
  Events& events_;
  std::unique_ptr<StreamBuffers> buffers_;
  FrameReader reader_;
  HandShake& hand_shake_;
  std::uint64_t sequence_ = 0;
  bool agreed_ = false;  ///< on a format with every property settled

  spa_source* returns_ = nullptr;  ///< the return queue's eventfd in the loop
  spa_source* lost_ = nullptr;     ///< in the loop, a timer for look_for_lost(); null without timelines
  StreamPtr stream_;
  Hook hook_;
};

}  // namespace zc
