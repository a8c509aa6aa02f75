#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "capture/make_source.h"
#include "media/frame.h"
#include "session/frame_mailbox.h"
#include "session/layer_options.h"
#include "session/layer_pace.h"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

namespace zc {

/// The pictures of one layer: a source that is waited for when it is gone, and a thread that has each picture finished
/// before anybody draws it; one in host memory is. When it has been gone for kKept, its last picture goes, too. Any
/// thread.
class LayerInput final : private SourceListener {
 public:
  static constexpr Nanoseconds kKept = std::chrono::seconds(2);

  struct Events {
    /// There is something else to be drawn.
    std::function<void()> news;
    /// It is gone, its place is cleared and it is waited for (its error), or it is back (null).
    std::function<void(const Error* gone)> changed;
  };
  LayerInput(SourceSpec source, SourceOptions options, Events events);
  LayerInput(const LayerInput&) = delete;
  LayerInput& operator=(const LayerInput&) = delete;
  ~LayerInput() override;

  /// As Source::start(); once.
  [[nodiscard]] Result<void> start(const FormatOffer& offer);
  void renegotiate(const FormatOffer& offer);
  /// Lets go of every buffer, until wake().
  void rest();
  void wake(const FormatOffer& offer);

  struct Seen {
    std::shared_ptr<const Frame> picture;  ///< null: none is to be drawn
    LayerBeat beat;                        ///< without `changed`
    std::optional<Error> gone;             ///< its source is waited for
  };
  [[nodiscard]] Seen seen() const;
  [[nodiscard]] SourceInfo info() const { return source_ ? source_->info() : SourceInfo{}; }

 private:
  void on_frame(Frame frame) override;
  [[nodiscard]] bool may_show_at_once(const Frame& frame) const;
  void on_state(SourceState state, const Error* error) override;
  void on_lost(const Error* error);
  void run(const std::stop_token& stop);
  void show(Frame frame);
  void clear_when_due();

  const SourceSpec spec_;
  SourceOptions options_;
  const Events events_;
  FrameMailbox mailbox_;
  std::stop_source stop_;
  std::mutex calls_;  ///< of the source
  std::unique_ptr<Source> source_;
  bool resting_ = false;

  mutable std::mutex mutex_;
  std::shared_ptr<const Frame> picture_;
  Nanoseconds newest_{};
  Nanoseconds interval_{};
  std::optional<Error> lost_;
  Nanoseconds lost_at_{};
  bool cleared_ = false;
  bool closed_ = false;  ///< no picture is kept

  std::jthread thread_;  // last: it uses everything above
};

}  // namespace zc
