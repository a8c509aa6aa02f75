#pragma once

#include "base/error.h"
#include "output/packet_queue.h"
#include "session/audio_options.h"
#include "session/audio_track.h"
#include "session/stream_clock.h"

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

namespace zc {

/// A recording's sound: all its tracks, on a thread that waits for nobody, and another one that hands their packets
/// over and may have to.
class AudioRecorder {
 public:
  /// From here on it listens. `clock` outlives it. Errors as AudioTrack::open().
  [[nodiscard]] static Result<std::unique_ptr<AudioRecorder>> open(const AudioOptions& options,
                                                                   const StreamClock& clock);
  AudioRecorder(const AudioRecorder&) = delete;
  AudioRecorder& operator=(const AudioRecorder&) = delete;
  /// Ends at once.
  ~AudioRecorder();

  [[nodiscard]] std::vector<AudioStreamParameters> streams() const;
  /// `on_packet` is called on one thread and may block: sound is kept for minutes meanwhile. Once.
  void start(std::function<void(const Packet&)> on_packet);
  /// Listens no more, before start().
  void stop() { listener_.request_stop(); }
  /// Any thread: waits until all sound up to now has been handed over, three seconds at most.
  void bring_out();
  /// The clock has halted for good: what belongs to the stream is handed over. Waits for that.
  void finish();

  // Any thread.
  /// NotFound: no source is called that; names those there are.
  [[nodiscard]] Result<void> change(std::string_view source, const AudioChange& change);
  [[nodiscard]] std::vector<AudioTrackStatus> status() const;

 private:
  explicit AudioRecorder(const StreamClock& clock);
  void listen(const std::stop_token& stop);
  /// False: all there is to come has been encoded.
  [[nodiscard]] bool turn();
  /// What is encoded goes into ready_.
  [[nodiscard]] bool encode();
  [[nodiscard]] bool handed_over(std::int64_t time) const;
  void hand_over(const std::function<void(const Packet&)>& on_packet);

  const StreamClock& clock_;
  PacketQueue queue_;
  mutable std::mutex mutex_;
  std::condition_variable_any changed_;
  bool finishing_ = false;    ///< with the mutex held, as the next
  Nanoseconds progressed_{};  ///< since then, when a packet came
  std::vector<std::unique_ptr<AudioTrack>> tracks_;
  std::vector<bool> failed_;
  std::vector<Packet> ready_;
  std::vector<std::int64_t> handed_over_;  ///< by track: up to there, kPacketClock ticks
  std::jthread deliverer_;
  std::jthread listener_;  // last: these use everything above
};

}  // namespace zc
