#pragma once

#include "base/clock.h"
#include "capture/source.h"
#include "media/format_table.h"
#include "media/frame.h"
#include "session/frame_mailbox.h"
#include "session/layers.h"
#include "session/pipeline_factory.h"
#include "session/recording.h"

#include <condition_variable>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>

namespace zc {

/// The way of pictures into a recording: the source, the mailbox it fills, the layers and the importer that reads them.
/// While the machine sleeps all of it is let go of, and taken up again after it: a driver that has slept may not know
/// its contexts and buffers any more, and one that still has users may keep the machine from sleeping.
class PictureInput {
 public:
  /// All outlive it.
  PictureInput(FrameMailbox& mailbox, PipelineFactory& factory, FormatTable& formats, Layers& layers)
      : mailbox_(mailbox), factory_(factory), formats_(formats), layers_(layers) {}
  PictureInput(const PictureInput&) = delete;
  PictureInput& operator=(const PictureInput&) = delete;
  ~PictureInput() = default;

  /// Before the worker runs; the source has been started and outlives it.
  void set_source(Source& source) { source_ = &source; }

  // Any thread.
  /// The machine is about to sleep, or awake again. Once asleep everything is let go of, however soon it wakes up.
  void set_asleep(bool on);
  [[nodiscard]] bool asleep() const;
  /// True as soon as everything has been let go of, the machine is awake, or the recording is over.
  [[nodiscard]] bool wait_until_let_go(Nanoseconds timeout);
  /// The recording is over: nobody waits any longer.
  void end();

  // Session worker. Failures: Cancelled when `stop` ended it; else the recording cannot go on.
  /// The first picture there is, with what the pointer has told before it, as long as that takes: a desktop may show
  /// nothing new for hours, which is told once. A machine that sleeps meanwhile is waited for. `may_be_dead`: a source
  /// of a steady rate (SourceInfo) that gives none in time is one; Timeout, unless the machine has slept.
  [[nodiscard]] std::expected<Frame, Failure> wait_for_picture(const std::stop_token& stop, bool may_be_dead);
  /// No picture comes any more until sleep() has returned.
  void quiet();
  /// Lets go of everything, waits until the machine is awake and nothing is `held` up, and takes it up again. `held` is
  /// asked whenever the mailbox wakes the worker.
  [[nodiscard]] std::expected<void, Failure> sleep(const std::stop_token& stop, const std::function<bool()>& held);
  struct Begun {
    Frame first;
    std::unique_ptr<Encoder> encoder;  ///< null: none is needed
  };
  /// After sleep(): the first picture, and an encoder for it, if one is `needed` then. What is not there yet is tried
  /// again for a while.
  [[nodiscard]] std::expected<Begun, Failure> begin_again(const std::stop_token& stop,
                                                          const std::function<bool()>& needed);
  /// `picture`, or what has come since; waits for that up to `patience`.
  [[nodiscard]] Frame newest(Frame picture, const std::stop_token& stop, Nanoseconds patience = {});

 private:
  [[nodiscard]] bool rise();
  [[nodiscard]] Result<std::unique_ptr<Encoder>> open_for(Frame& first, bool coded);
  [[nodiscard]] std::expected<void, Failure> open_importer(const std::stop_token& stop);

  FrameMailbox& mailbox_;
  PipelineFactory& factory_;
  FormatTable& formats_;
  Layers& layers_;
  Source* source_ = nullptr;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool asleep_ = false;
  bool due_ = false;  ///< everything is to be let go of
  bool let_go_ = false;
  bool over_ = false;
};

}  // namespace zc
