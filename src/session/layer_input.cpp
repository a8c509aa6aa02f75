#include "session/layer_input.h"

#include "base/log.h"
#include "base/process_stats.h"
#include "capture/reconnecting_source.h"
#include "zerocopy/producer_wait.h"

#include <utility>
#include <variant>

namespace zc {
namespace {

constexpr Nanoseconds kProducerPatience = std::chrono::milliseconds(500);

}  // namespace

LayerInput::LayerInput(SourceSpec source, SourceOptions options, Events events)
    : spec_(std::move(source)), options_(std::move(options)), events_(std::move(events)) {}

LayerInput::~LayerInput() {
  stop_.request_stop();
  thread_ = {};
  if (source_) source_->stop();
}

Result<void> LayerInput::start(const FormatOffer& offer) {
  const std::stop_callback passed_on(options_.stop, [this] { stop_.request_stop(); });
  auto source = make_reconnecting_source({.make =
                                              [this](std::stop_token ends) {
                                                SourceOptions anew = options_;
                                                anew.stop = std::move(ends);
                                                return make_source(spec_, anew);
                                              },
                                          .changed = [this](const Error* lost) { on_lost(lost); },
                                          .stop = stop_.get_token()});
  const std::lock_guard lock(calls_);
  source_ = std::move(source);
  thread_ = std::jthread([this](const std::stop_token& stop) {
    name_this_thread("zc-layer");
    run(stop);
  });
  return source_->start(offer, *this);
}

void LayerInput::renegotiate(const FormatOffer& offer) {
  const std::lock_guard lock(calls_);
  if (resting_) return;
  if (auto asked = source_->renegotiate(offer); !asked) logger("session").debug("{}", asked.error().message());
}

void LayerInput::rest() {
  const std::lock_guard lock(calls_);
  if (std::exchange(resting_, true)) return;
  source_->rest();
  mailbox_.close();
  const std::lock_guard state(mutex_);
  closed_ = true;
  picture_.reset();
}

void LayerInput::wake(const FormatOffer& offer) {
  const std::lock_guard lock(calls_);
  if (!std::exchange(resting_, false)) return;
  mailbox_.reopen();
  {
    const std::lock_guard state(mutex_);
    closed_ = false;
  }
  if (auto woken = source_->wake(offer); !woken) on_lost(&woken.error());
}

LayerInput::Seen LayerInput::seen() const {
  const std::lock_guard lock(mutex_);
  return {.picture = picture_, .beat = {.newest = newest_, .interval = interval_, .at_once = cleared_}, .gone = lost_};
}

void LayerInput::on_frame(Frame frame) {
  frame.arrived = monotonic_now();
  if (!frame.has_image()) return;
  if (may_show_at_once(frame)) return show(std::move(frame));
  mailbox_.put(std::move(frame));
}

bool LayerInput::may_show_at_once(const Frame& frame) const {
  if (frame.acquire || !std::holds_alternative<HostImage>(frame.image) || mailbox_.waiting() > 0) return false;
  const std::lock_guard lock(mutex_);
  return !cleared_;  // that it is back is not told on the source's thread
}

void LayerInput::on_state(SourceState state, const Error* error) {
  if (state == SourceState::Ended) on_lost(error);
}

void LayerInput::on_lost(const Error* error) {
  {
    const std::lock_guard lock(mutex_);
    if (error == nullptr) {
      lost_.reset();
    } else if (!lost_) {
      lost_ = *error;
      lost_at_ = monotonic_now();
    }
  }
  mailbox_.wake();
}

void LayerInput::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::optional<Nanoseconds> deadline;
    {
      const std::lock_guard lock(mutex_);
      if (lost_ && !cleared_) deadline = lost_at_ + kKept;
    }
    if (auto frame = mailbox_.take(stop, deadline)) {
      show(std::move(*frame));
    } else {
      clear_when_due();
    }
  }
}

void LayerInput::show(Frame frame) {
  if (!wait_for_producer(frame, kProducerPatience)) return;
  frame.cursor.reset();
  const Nanoseconds came = frame.arrived;
  auto picture = std::make_shared<const Frame>(std::move(frame));
  bool back = false;
  {
    const std::lock_guard lock(mutex_);
    if (closed_ || came < newest_) return;
    picture_.swap(picture);
    interval_ = newest_ == Nanoseconds{} ? Nanoseconds{} : came - newest_;
    newest_ = came;
    back = std::exchange(cleared_, false);
  }
  if (back) events_.changed(nullptr);
  events_.news();
}

void LayerInput::clear_when_due() {
  std::shared_ptr<const Frame> picture;
  Error error;
  {
    const std::lock_guard lock(mutex_);
    if (!lost_ || cleared_ || monotonic_now() < lost_at_ + kKept) return;
    cleared_ = true;
    error = *lost_;
    picture.swap(picture_);
  }
  events_.changed(&error);
  events_.news();
}

}  // namespace zc
