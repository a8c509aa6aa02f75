#pragma once

#include "base/parked_thread.h"
#include "encode/encoder.h"
#include "encode/encoder_chain.h"
#include "encode/settings.h"
#include "encode/surface_adapter.h"
#include "session/encode_metrics.h"
#include "session/encode_ring.h"
#include "session/failover.h"
#include "session/watched_encoder.h"

#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace zc {

/// Who takes over when an encoder fails; called on the encoder thread only, once the stage runs.
class EncoderSuccession {
 public:
  virtual ~EncoderSuccession() = default;
  EncoderSuccession() = default;
  EncoderSuccession(const EncoderSuccession&) = delete;
  EncoderSuccession& operator=(const EncoderSuccession&) = delete;

  /// False: next() would have nothing to offer, so the stage need not keep pictures for it.
  [[nodiscard]] virtual bool possible() const = 0;
  /// An opened encoder of the same codec and depth, of the size that came last, whose keyframes carry their parameter
  /// sets; tells whoever must know. An error ends the stream and says both why `failed` failed and why nobody takes
  /// over.
  [[nodiscard]] virtual Result<std::unique_ptr<Encoder>> next(std::string_view failed, const Error& why) = 0;
  /// The encoder at work was opened anew for another setting or size; its parameter sets may be others.
  virtual void reopened(const Encoder& /*encoder*/) {}
};

/// What a stream's stages leave to those after them: one stage is followed by another where the machine has slept.
/// Outlives them all.
struct EncodedStream {
  EncodeMetrics metrics;
  bool begun = false;  ///< it has had a stage
  // Of the thread that has a stage's work.
  std::optional<std::int64_t> newest_pts;  ///< of all packets so far
  std::optional<std::int64_t> last_dts;

  mutable std::mutex mutex;
  std::vector<Failover> failovers;  ///< with the mutex held
};

/// The encoder thread: takes jobs from the ring, hands every packet to `on_packet` (on that thread; may block, which
/// then fills the ring) and measures the way from the producer's timestamp to the packet.
///
/// An encoder that fails, or takes pictures and gives nothing (EncoderPatience), is replaced by the next of its
/// succession. Every picture whose packet has not come out is encoded again by the successor, so none is missing and
/// the times go on; its first packet is a keyframe. While an encoder is waited for it is given no more pictures: the
/// ring fills, and surfaces do not run out.
///
/// A call into an encoder that does not return cannot be interrupted. A watchdog then takes the work away from the
/// thread that stands in it and gives it to a new one; the old thread ends as soon as its call returns, or is parked
/// (park()) when the stage ends first.
///
/// An encoder that looks ahead or reorders gives a picture when more have come. Where none come it is emptied after
/// kMostHeld, or sooner for the stream's first picture and for a keyframe that was asked for, and begins anew with a
/// keyframe: no picture is made up for that.
///
/// A surface of another size than those before it has the encoder opened anew for that size: what it holds comes out
/// first, and the next packet, a keyframe, says what the stream is from there on. One that does not take the size goes
/// on as it was, and pictures of that size are left out until its maker knows (take_refused_size()).
class EncodeStage {
 public:
  /// More than any encoder that can be replaced holds when it works: FFmpeg's nvenc has at most 64 surfaces.
  static constexpr std::size_t kMostInFlight = 64;
  /// Pictures that hardware may hold beyond what it says of itself before it is waited for.
  static constexpr std::size_t kHeldSlack = 4;
  /// As long as a picture stays in an encoder that is given no others. Not less than two repeats of a still screen
  /// need, which bring out what hardware holds.
  static constexpr Nanoseconds kMostHeld = std::chrono::milliseconds(2500);
  /// As long as a repeat does: peers and files go on while a screen stands still.
  static constexpr Nanoseconds kMostHeldRepeat = std::chrono::seconds(5);
  using PacketHandler = std::function<void(const Packet&)>;
  using ErrorHandler = std::function<void(const Error&)>;

  /// Goes on with `stream` where that has begun: its first packet says what the stream is from there on. `on_error` is
  /// called at most once, on the encoder thread; the stage then only empties the ring. `succession` outlives the stage;
  /// nullptr: nobody takes over.
  EncodeStage(EncodedStream& stream, std::unique_ptr<Encoder> encoder, std::size_t ring_frames, RingPolicy policy,
              PacketHandler on_packet, ErrorHandler on_error, EncoderSuccession* succession = nullptr,
              EncoderPatience patience = {});
  EncodeStage(const EncodeStage&) = delete;
  EncodeStage& operator=(const EncodeStage&) = delete;
  /// Finishes as finish() does.
  ~EncodeStage();

  /// Worker thread; waits for room (RingPolicy::Block). False: the stage has finished.
  [[nodiscard]] bool push(EncodeJob job);
  /// Encodes what was pushed, drains the encoder and ends the thread. Idempotent.
  void finish();

  /// As finish(), before the machine sleeps: hardware that does not come back by then is left behind, and what it holds
  /// is lost; nobody takes over from an encoder that fails. False: software is still at it, which finish() waits for.
  [[nodiscard]] bool finish_within(Nanoseconds patience);

  /// Any thread: the next picture becomes a keyframe.
  void request_keyframe() { keyframe_wanted_.store(true, std::memory_order_relaxed); }
  /// Any thread, one call at a time: as Encoder::set_bitrate() and set_rate(), whose answer is waited for. Busy: the
  /// encoder stands in a call and goes on as it was. Timeout: it does not come back from being changed, and may still
  /// be.
  [[nodiscard]] Result<void> set_bitrate(std::int64_t bits_per_second, bool new_headers);
  [[nodiscard]] Result<void> set_rate(Rational rate, bool new_headers);

  /// Any thread: waits, for two seconds at most, until what has been in the encoder for a while is out of it. While
  /// pictures come in a row nothing has.
  void bring_out();

  /// Worker thread: what the encoder takes since another one took over, each time that happens; the pictures' maker
  /// need not go on for the failed one. nullopt: nothing new.
  [[nodiscard]] std::optional<SurfaceFormat> take_new_input();
  /// Worker thread, before take_new_input(), which then has the size to go on with: a size that the encoder does not
  /// take, once. nullopt: it takes all so far.
  [[nodiscard]] std::optional<Size> take_refused_size();

  [[nodiscard]] const EncodeMetrics& metrics() const { return metrics_; }
  [[nodiscard]] const EncodeRing& ring() const { return ring_; }
  /// Opens the first encoder of the chain that works, on a thread whose name the encoder's own threads inherit, so that
  /// encoder_cpu_time() finds them.
  [[nodiscard]] static Result<std::unique_ptr<Encoder>> open_encoder(EncoderChain& chain, const VideoParameters& video);
  /// CPU time of the encoder's live threads so far; ask before finish(), which ends them.
  [[nodiscard]] static Nanoseconds encoder_cpu_time();

 private:
  struct Submitted {
    std::int64_t pts = -1;  ///< -1: it has come out
    Nanoseconds captured{};
    Nanoseconds handed_over{};
    Nanoseconds due = Nanoseconds::max();  ///< at the latest, where nothing more comes
    bool repeat = false;
  };
  struct InFlight {
    EncodeJob job;
    Nanoseconds since{};  ///< handed to the encoder
  };
  struct Control {
    std::optional<std::int64_t> bit_rate;
    std::optional<Rational> rate;
    bool new_headers = false;
    std::uint64_t number = 0;  ///< of the request
  };
  struct Abandoned {
    std::jthread thread;
    LeftFlag left;
  };
  using Work = std::shared_ptr<WatchedEncoder>;

  /// A thread on which work_ is done. `failure`: why it takes over from one that stands in a call.
  void start_thread(std::optional<Error> failure);
  void run(const Work& work, std::optional<Error> failure);
  /// False: the work was taken away.
  [[nodiscard]] bool encode_all(WatchedEncoder& work, Result<void>& result);
  [[nodiscard]] bool finish_stream(WatchedEncoder& work);
  void watch(const std::stop_token& stop);
  [[nodiscard]] Result<void> ask(const Control& wanted);
  void answer(std::uint64_t number, Result<void> answer);
  void refuse_changes();
  void hand_to_new_thread(std::optional<Error> failure);
  /// The stream ends with this, unless it goes on after a sleep.
  void fail_stream(const Error& error);
  /// What was pushed and has not come out will not any more.
  void count_lost();

  [[nodiscard]] bool replaceable() const {
    return !going_to_sleep_.load(std::memory_order_relaxed) && succession_ != nullptr && succession_->possible();
  }
  /// Its pictures are kept until their packets are there.
  [[nodiscard]] bool watched(WatchedEncoder& work) { return replaceable() || work.encoder().hardware(); }
  // Each of these may find the work taken away (WatchedEncoder::lost()); their callers must leave at once then.
  [[nodiscard]] Result<void> encode(WatchedEncoder& work, const EncodeJob& job);
  [[nodiscard]] Result<void> change_settings(WatchedEncoder& work);
  /// `refusal`: why it goes on as it was.
  [[nodiscard]] Result<void> change_setting(WatchedEncoder& work, std::string_view what,
                                            const std::function<Result<Encoder::Change>(Encoder&)>& set,
                                            Result<void>& refusal);
  void note_change(WatchedEncoder& work, std::string_view what, Encoder::Change change);
  [[nodiscard]] Result<void> submit(WatchedEncoder& work, const EncodeJob& job);
  /// Whether the encoder takes pictures of this size from here on.
  [[nodiscard]] Result<bool> change_size(WatchedEncoder& work, Size size);
  [[nodiscard]] Result<Surface> adapt(WatchedEncoder& work, const Surface& surface);
  /// Whether any packet came.
  [[nodiscard]] Result<bool> receive_all(WatchedEncoder& work);
  [[nodiscard]] Result<void> wait_for_packets(WatchedEncoder& work);
  [[nodiscard]] Result<void> drain(WatchedEncoder& work);
  /// Empties the encoder if it is time to, or if anybody `asked` and something in it is not of just now.
  [[nodiscard]] Result<void> empty_if_due(WatchedEncoder& work, bool asked);
  [[nodiscard]] std::optional<Nanoseconds> due_out() const;
  /// Puts the next encoder in the failed one's place and gives it what that one still held, until one works.
  [[nodiscard]] Result<void> replace_encoder(WatchedEncoder& work, Error why);
  [[nodiscard]] Result<void> encode_again(WatchedEncoder& work);
  /// Hardware's end is waited for as long as a call into it; one that does not come back is left to its thread.
  static void close(std::unique_ptr<Encoder> encoder, Nanoseconds patience);
  void begin_with(Encoder& encoder);
  /// The picture is gone with the device it lay on.
  void give_up(const EncodeJob& job);
  void deliver(Packet& packet);
  void account(Packet& packet);

  const EncoderPatience patience_;
  EncoderSuccession* succession_;
  // Of the thread that has the work.
  std::vector<InFlight> in_flight_;                     // no packet yet; kept while the encoder is watched
  std::optional<SurfaceAdapter> adapter_;               // the encoder takes other surfaces than come
  std::shared_ptr<const StreamParameters> new_stream_;  // for the next packet: another encoder's first
  std::array<Submitted, 256> submitted_{};              // more than any encoder holds
  std::size_t next_submitted_ = 0;
  std::string encoder_name_;
  std::optional<Size> refused_size_;  // by this encoder, last
  bool loss_told_ = false;
  std::optional<Nanoseconds> failed_at_;  // a successor's first packet is waited for

  std::mutex mutex_;                        ///< for those of other threads
  std::optional<SurfaceFormat> new_input_;  ///< for the worker
  std::optional<Size> new_refusal_;         ///< likewise

  EncodeRing ring_;
  PacketHandler on_packet_;
  ErrorHandler on_error_;
  EncodedStream& stream_;
  EncodeMetrics& metrics_;  ///< the stream's
  std::atomic<bool> keyframe_wanted_{false};
  std::atomic<bool> control_wanted_{false};
  std::atomic<std::uint64_t> outs_wanted_{0};  ///< calls of bring_out()
  std::atomic<std::uint64_t> outs_done_{0};    ///< of these, answered
  std::atomic<bool> abandonable_{false};       ///< a call of this encoder is not waited for for ever
  std::atomic<bool> hardware_{false};          ///< the encoder at work is
  std::atomic<bool> going_to_sleep_{false};    ///< the machine
  std::atomic<std::uint64_t> pictures_pushed_{0};
  std::atomic<std::uint64_t> pictures_done_{0};

  std::mutex watch_mutex_;  ///< the threads
  std::condition_variable_any watch_changed_;
  bool finished_ = false;
  Control control_;             ///< asked for
  std::uint64_t asked_ = 0;     ///< number of the last request
  std::uint64_t answered_ = 0;  ///< and of the one that answer_ is for
  Result<void> answer_;
  std::vector<Abandoned> abandoned_;
  Work work_;
  LeftFlag thread_left_;
  std::jthread thread_;    // these two use everything above
  std::jthread watchdog_;  // may replace thread_
};

}  // namespace zc
