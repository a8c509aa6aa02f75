#pragma once

#include "base/error.h"
#include "base/histogram.h"
#include "media/format_table.h"
#include "session/canvas.h"
#include "session/encode_stage.h"
#include "session/frame_mailbox.h"
#include "session/layers.h"
#include "session/pacer.h"
#include "session/stream_clock.h"
#include "zerocopy/importer.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace zc {

/// The session worker's loop: frames out of the mailbox, through the pacer and the importer, into the encode stage.
/// run() belongs to one thread; counters() may be read by any.
class PictureWorker {
 public:
  struct Config {
    Pacer::Config pacer;
    Nanoseconds epoch{};                  ///< CLOCK_MONOTONIC time of stream time zero
    std::optional<Nanoseconds> duration;  ///< of the stream; nullopt = until stopped
    std::optional<Rect> crop;             ///< px of the shown picture
    /// Pictures' times are no clock's: time is where the newest picture is over, which stands so long.
    std::optional<Nanoseconds> unpaced;
    bool follow_size = false;  ///< the coded size follows the shown pictures'
    /// What the source may be asked for, outlives this; null: with `renegotiate` empty.
    FormatTable* formats = nullptr;
    std::function<Result<void>(const FormatOffer&)> renegotiate;  ///< asks it; empty: it cannot be asked
    /// The importer's route is another one than before, and why; worker thread. Empty: nobody wants to know.
    std::function<void(std::string_view now, std::string_view reason)> on_route;
    /// Each picture that is made or repeated, before the encoder has it, and when its producer made it; returns at
    /// once. Worker thread. Empty: nobody wants them.
    std::function<void(const Surface& picture, Nanoseconds captured)> on_picture;
    /// Whether anybody looks at on_picture()'s; where there is no encoder, nothing is made for nobody. Looked at
    /// whenever the mailbox wakes the worker. Empty: somebody always does.
    std::function<bool()> watched;
    /// Told which times are recorded; outlives this. Null: nobody wants to know.
    StreamClock* clock = nullptr;
    /// What lies above the pictures; outlives this. Null: nothing.
    Layers* layers = nullptr;
    Size surface;  ///< px of the encoder's first pictures; of use with layers
    /// The machine is about to sleep; looked at whenever the mailbox wakes it. Empty: it never does.
    std::function<bool()> asleep;
  };
  struct Counters {
    std::uint64_t captured = 0;
    std::uint64_t repeated = 0;
    std::uint64_t dropped = 0;  ///< pictures the importer could not take (no free surface, malformed)
    std::uint64_t thinned = 0;  ///< pictures the pacer left out
    Nanoseconds elapsed{};
  };
  enum class End : std::uint8_t { Stopped, Duration, Asleep };

  PictureWorker(const Config& config, FrameMailbox& mailbox)
      : config_(config), mailbox_(mailbox), pacer_(config.pacer), surface_(config.surface) {}

  /// Encodes `first` (`stage` null: only shows it) at stream time zero, then goes on until `stop`, the duration or the
  /// machine's sleep; fills the stream up to its end and keeps nothing of importer and stage. After Asleep called
  /// again, with others: the stream goes on where it was. An error is the importer's: it cannot take this kind of frame
  /// at all.
  [[nodiscard]] Result<End> run(Frame first, Importer& importer, EncodeStage* stage, const std::stop_token& stop);

  [[nodiscard]] Counters counters() const;

  /// Any thread: another reference to what was given to the stage last; empty before the first picture and while the
  /// machine sleeps. Whoever has it lets go of it soon: the importer has only so many, one of them for this.
  [[nodiscard]] Surface newest() const;

  /// Any thread: while it is on, pictures are only looked at for what has changed, and stream time stands still.
  void set_paused(bool on);
  /// Any thread: on_picture() is called once more with what was shown last, soon.
  void show_again();
  /// Time from a picture's turn to its surface, the wait for its producer included.
  [[nodiscard]] const DurationHistogram& import_times() const { return import_times_; }
  /// From a picture's arrival until the importer had done with its buffer.
  [[nodiscard]] const DurationHistogram& hold_times() const { return hold_times_; }

  /// Any thread: another constant rate from now on; nothing where the rate is variable.
  void set_rate(Rational rate);
  /// Any thread: as Pacer::set_max_gap().
  void set_max_gap(Nanoseconds gap);

  /// Cuts what the user does not want to see, and an odd column or row, off the frame. False: nothing would be left;
  /// the frame is as it was.
  [[nodiscard]] static bool apply_crop(Frame& frame, const std::optional<Rect>& crop);

 private:
  /// `late`: how long after its time it came.
  [[nodiscard]] Result<void> take_frame(Frame frame, Nanoseconds late);
  [[nodiscard]] Result<void> take_frame(Frame frame);
  /// A picture with nothing of the wanted part (the window has shrunk): what else is in it, nobody asked to show.
  void leave_out(Frame& frame);
  [[nodiscard]] Result<void> carry_out();
  [[nodiscard]] Result<void> import_newest(Nanoseconds time);
  void follow_rate();
  [[nodiscard]] Result<void> begin(Frame first);
  /// From here on the stream goes on, at that time of it.
  void run_clock(Nanoseconds time) const {
    if (config_.clock != nullptr) config_.clock->run(config_.epoch + time, time, config_.duration);
  }
  void halt_clock(Nanoseconds time) const {
    if (config_.clock != nullptr) config_.clock->halt(time);
  }
  [[nodiscard]] bool asleep() const { return config_.asleep && config_.asleep(); }
  /// There is no encoder, and nobody watches.
  [[nodiscard]] bool idle() const { return stage_ == nullptr && config_.watched && !config_.watched(); }
  [[nodiscard]] bool paused() const { return paused_.load(std::memory_order_relaxed); }
  /// Unpaced: nothing is left out, and the source waits.
  [[nodiscard]] Result<void> hold_while_paused(const std::stop_token& stop);
  /// Or idle.
  [[nodiscard]] Result<void> wait_while_paused(const std::stop_token& stop);
  /// False: the stage has finished.
  bool push(Surface picture, Nanoseconds captured, bool repeat);
  void hand_out(Nanoseconds captured);
  void show_again_if_wanted();
  /// Encodes the pictures that wait in the mailbox now, of the stream before `end`. The first one that is neither.
  [[nodiscard]] Result<std::optional<Frame>> take_waiting(Nanoseconds end = Nanoseconds::max());
  /// After an interruption that began at `begun` (stream time): it is cut out, and the stream goes on with `first`.
  [[nodiscard]] Result<void> go_on(Frame first, Nanoseconds begun);
  void note_route();
  /// Pictures are made for the encoder that has taken over, where one has.
  void follow_encoder();
  /// Tells of a source whose pictures are not any more what the stream says they are.
  void watch_transfer(const Frame& frame);
  /// Where the coded size follows: pictures are made in this one's, once that has stood still.
  void follow_size(const Frame& frame);
  /// A picture whose size has not stood still yet, with its buffer: it may have to be made once more.
  [[nodiscard]] std::optional<Frame> keep(Frame& frame) const;
  /// When that is to be done, if nothing newer comes; stream time.
  [[nodiscard]] std::optional<Nanoseconds> again_at() const;
  [[nodiscard]] Result<void> make_again();
  void repeat_last(Nanoseconds time);
  /// When layers are to be drawn over the last picture, if no other comes; CLOCK_MONOTONIC.
  [[nodiscard]] std::optional<Nanoseconds> layers_due() const;
  [[nodiscard]] Result<void> draw_layers();
  /// Tells the importer of them, where that does not know yet.
  void tell_layers();
  /// It is the newest now.
  void show(Surface surface);
  /// Of the clock that pictures' times are of: one that is captured now is still on its way.
  [[nodiscard]] Nanoseconds stream_now() const {
    return config_.unpaced ? newest_end_ : monotonic_now() - config_.epoch;
  }

  Config config_;
  FrameMailbox& mailbox_;
  Importer* importer_ = nullptr;
  EncodeStage* stage_ = nullptr;
  Pacer pacer_;
  std::optional<Nanoseconds> slept_at_;       // stream time
  std::string route_;                         // last seen
  std::string_view change_;                   // what may change it next, other than a failure; empty: nothing
  Size surface_;                              // px that the importer makes
  std::optional<Size> told_surface_;          // that it was told layers for; unset: it was told of none
  bool layers_wait_ = false;                  // for the pacer to let them be drawn
  MainBeat main_beat_;                        // of the source's pictures
  Canvas canvas_;                             // of pictures whose size is followed
  std::optional<Frame> kept_;                 // imported last
  std::optional<TransferFunction> transfer_;  // of the newest picture
  Frame newest_;                              // given to the pacer, not yet imported
  mutable std::mutex last_mutex_;             // the worker writes `last_` with it, others read with it
  Surface last_;                              // encoded last
  Nanoseconds captured_{};                    // of `last_`
  Nanoseconds newest_end_{};                  // unpaced: stream time at which the newest picture is over
  bool outside_crop_ = false;                 // told already
  bool damage_lost_ = false;  // a frame was dropped after the pacer took it: the next one must be read whole
  std::atomic<std::uint64_t> captured_count_{0};
  std::atomic<std::uint64_t> repeated_{0};
  std::atomic<std::uint64_t> dropped_{0};
  std::atomic<std::uint64_t> thinned_{0};
  std::atomic<std::int64_t> elapsed_ns_{0};
  DurationHistogram import_times_;
  DurationHistogram hold_times_;
  std::atomic<bool> paused_{false};
  std::atomic<bool> wanted_again_{false};
  std::atomic<std::uint64_t> wanted_rate_{0};    ///< num << 32 | den; 0: none
  std::atomic<std::int64_t> wanted_gap_ns_{-1};  ///< -1: none
};

}  // namespace zc
