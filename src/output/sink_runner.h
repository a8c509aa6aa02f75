#pragma once

#include "base/error.h"
#include "base/histogram.h"
#include "media/packet.h"
#include "output/output_spec.h"
#include "output/packet_queue.h"
#include "output/picture_sink.h"
#include "output/sink.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace zc {

/// What a sink has to tell. Calls come from the sink's own thread (on_keyframe_wanted also from the pushing one); they
/// must return soon and must not call back into the runner's start() or stop().
class SinkEvents {
 public:
  virtual ~SinkEvents() = default;
  SinkEvents() = default;
  SinkEvents(const SinkEvents&) = delete;
  SinkEvents& operator=(const SinkEvents&) = delete;
  SinkEvents(SinkEvents&&) = delete;
  SinkEvents& operator=(SinkEvents&&) = delete;

  /// Fatal: the sink is closed for good, told once. Otherwise the peer is called again; told once per outage.
  virtual void on_error(const std::string& name, const Error& error, bool fatal) = 0;
  /// The sink can go on only with a keyframe.
  virtual void on_keyframe_wanted(const std::string& name) = 0;
  /// Somebody reads a camera who has no picture yet.
  virtual void on_picture_wanted(const std::string& /*name*/) {}
};

enum class SinkState : std::uint8_t {
  Idle,        ///< not started
  Opening,     ///< writing the header, connecting, or listening for a peer
  Running,     ///< taking packets
  BackingOff,  ///< the peer is gone; the next attempt is due soon
  Failed,      ///< gave up; SinkEvents::on_error said why
  Closed,      ///< stopped and finished
};
[[nodiscard]] std::string_view to_string(SinkState state);

struct SinkStats {
  SinkState state = SinkState::Idle;
  std::uint64_t packets = 0;     ///< written; of a camera: pictures
  std::uint64_t bytes = 0;       ///< written, coded pictures without the container's share
  std::uint64_t dropped = 0;     ///< pushed, but never written; of a camera: pictures it could not show
  std::size_t queued = 0;        ///< packets waiting now
  std::size_t queued_bytes = 0;  ///< bytes waiting now
  std::uint64_t reconnects = 0;  ///< times a peer was lost and found again
  std::size_t viewers = 0;       ///< peers that a listener serves now, programs that read a camera
  std::int64_t last_pts = 0;     ///< kPacketClock ticks of the newest written packet
  std::optional<Error> outage;   ///< why a peer is looked for
};

struct SinkRunnerOptions {
  QueuePolicy policy = QueuePolicy::Block;
  QueueLimits limits;
  bool reconnect = false;  ///< after a lost peer: open() again, with back-off, until stop()
  std::chrono::milliseconds first_backoff{250};
  std::chrono::milliseconds longest_backoff{5000};
  DurationHistogram* write_times = nullptr;  ///< where each write is recorded; outlives the runner
};

/// Owns one sink, its queue and its thread; a PictureSink is shown pictures instead, and has no queue. start(), push()
/// and stop() are for one owner; push() may run on another thread than stop(), which wakes it. The events outlive the
/// runner.
class SinkRunner {
 public:
  SinkRunner(std::unique_ptr<Sink> sink, SinkRunnerOptions options, SinkEvents& events);
  /// stop() with its default deadline.
  ~SinkRunner();
  SinkRunner(const SinkRunner&) = delete;
  SinkRunner& operator=(const SinkRunner&) = delete;
  SinkRunner(SinkRunner&&) = delete;
  SinkRunner& operator=(SinkRunner&&) = delete;

  [[nodiscard]] const std::string& name() const { return sink_->name(); }

  /// Starts the thread, which opens the sink. Once.
  [[nodiscard]] Result<void> start(const StreamParameters& stream);
  /// Hands one packet over (the bytes are shared, not copied). A live sink never waits; a file waits for room in the
  /// queue until stop() or its failure. Packets for a sink that failed or stopped are counted as dropped.
  void push(const Packet& packet);
  /// Of a PictureSink: as its own. push() is not for these.
  void show(const Surface& picture, Nanoseconds captured);
  [[nodiscard]] bool takes_pictures() const { return pictures_ != nullptr; }
  /// It takes pictures, and somebody reads them. Any thread.
  [[nodiscard]] bool watched() const { return pictures_ != nullptr && pictures_->watched(); }
  /// From now on push() waits for a pipe's reader as long as it takes something now and then: one that takes nothing
  /// for five seconds has its output ended (Timeout). Any thread.
  void limit_patience();
  /// Writes what is queued, finishes the file or connection and ends the thread. A peer has until `deadline`, a file or
  /// pipe as long as no `deadline` passes without a packet written: then the sink is interrupted and what is left is
  /// dropped, which is an error of a file's or pipe's (Timeout). Only a regular file whose medium hangs can take
  /// longer. The error that made the sink fail, or that closing it brought, or why a peer was
  /// never reached; idempotent.
  [[nodiscard]] Result<void> stop(std::chrono::milliseconds deadline = std::chrono::milliseconds{2000});

  /// Any thread.
  [[nodiscard]] SinkStats stats() const;
  /// The sink's, with what backs up before it; nullopt as the sink's. Any thread.
  [[nodiscard]] std::optional<SinkCongestion> congestion() const;
  /// The sink's, while it works. Any thread.
  [[nodiscard]] std::optional<Nanoseconds> longest_gap() const;
  /// The sink's; after stop().
  [[nodiscard]] std::vector<std::string> further_files() const { return sink_->further_files(); }

 private:
  void run() noexcept;
  void run_sink();
  /// Writes until the queue is closed and empty, or an error.
  [[nodiscard]] Result<void> pump();
  [[nodiscard]] Result<void> open_sink();
  /// Back-off; false when stopping.
  [[nodiscard]] bool back_off(std::chrono::milliseconds time);
  /// Ends the sink before its time: `why` is its failure, whatever the interrupted call says.
  void cut_short(std::string why);
  [[nodiscard]] bool was_cut_short() const;
  /// Of stop(), under the lock: until the thread has finished, or is to be interrupted.
  void wait_for_drain(std::unique_lock<std::mutex>& lock, std::chrono::milliseconds deadline);
  void fail_for_good(const Error& error);
  void set_state(SinkState state);
  /// Whether there was one.
  bool set_outage(std::optional<Error> why);
  [[nodiscard]] bool may_reconnect(const Error& error) const;

  std::unique_ptr<Sink> sink_;
  PictureSink* const pictures_;  ///< the sink; null: it takes packets
  const bool has_reader_;        ///< asked before the thread is there, which the sink belongs to from then on
  const SinkRunnerOptions options_;
  SinkEvents& events_;
  PacketQueue queue_;
  StreamParameters stream_;  ///< of the newest packet written, or tried

  std::atomic<std::uint64_t> packets_ = 0;
  std::atomic<std::uint64_t> bytes_ = 0;
  std::atomic<std::uint64_t> lost_ = 0;  ///< popped, but not written
  std::atomic<std::uint64_t> reconnects_ = 0;
  std::atomic<std::int64_t> last_pts_ = 0;

  mutable std::mutex mutex_;
  std::condition_variable changed_;  ///< state_, stopping_ or finished_
  SinkState state_ = SinkState::Idle;
  bool stopping_ = false;
  bool finished_ = false;
  std::optional<Error> cut_;     ///< why it was ended before its time; once set it stays
  std::optional<Error> outage_;  ///< told already
  Result<void> outcome_;
  std::jthread thread_;
};

/// Makes the sink a spec names: a file's path is claimed and a listener's port bound now, before any dialog or capture.
[[nodiscard]] Result<std::unique_ptr<Sink>> make_sink(const OutputSpec& spec);

/// make_sink() with the queue that suits it: files never drop, network peers never hold anybody up and are called again
/// when lost. `events` and `write_times` outlive the runner.
[[nodiscard]] Result<std::unique_ptr<SinkRunner>> make_sink_runner(const OutputSpec& spec, SinkEvents& events,
                                                                   DurationHistogram* write_times = nullptr);

}  // namespace zc
