#include "capture/reconnecting_source.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/process_stats.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace zc {
namespace {

constexpr Nanoseconds kFirstBackOff = std::chrono::milliseconds(100);
constexpr Nanoseconds kLongestBackOff = std::chrono::seconds(5);
/// A silent source is asked after so many times `silence` at the most.
constexpr int kLongestPatience = 8;
/// A source that showed a still screen at the start of so many streams does so always: once may have been chance.
constexpr int kStills = 2;
/// More than what a new stream begins with.
constexpr Nanoseconds kOpening = std::chrono::seconds(1);

/// What may be different the next time.
bool may_come_back(ErrorKind kind) {
  return kind != ErrorKind::Denied && kind != ErrorKind::Cancelled && kind != ErrorKind::Invalid;
}

SourceStats sum(const SourceStats& a, const SourceStats& b) {
  return {.delivered = a.delivered + b.delivered,
          .cursor_updates = a.cursor_updates + b.cursor_updates,
          .skipped = a.skipped + b.skipped,
          .corrupt = a.corrupt + b.corrupt,
          .bad_pts = a.bad_pts + b.bad_pts};
}

class ReconnectingSource final : public Source, private SourceListener {
 public:
  explicit ReconnectingSource(ReconnectingOptions options) : options_(std::move(options)) {}
  ReconnectingSource(const ReconnectingSource&) = delete;
  ReconnectingSource& operator=(const ReconnectingSource&) = delete;
  ~ReconnectingSource() override { stop(); }

  Result<void> start(const FormatOffer& offer, SourceListener& listener) override {
    listener_ = &listener;
    offer_ = offer;
    const std::stop_callback pass_on(options_.stop, [this] { stop_.request_stop(); });
    if (auto begun = begin(); !begun) return begun;
    watcher_ = std::jthread([this] {
      name_this_thread("zc-source");
      keep();
    });
    return {};
  }

  Result<void> renegotiate(const FormatOffer& offer) override {
    const std::shared_ptr<Source> source = current(&offer);
    // A source that is only being started, which may take as long as a person thinks, is asked when that is done.
    const std::unique_lock calls(calls_, std::try_to_lock);
    return calls && source && !lost() ? source->renegotiate(offer) : Result<void>{};
  }

  void rest() override {
    {
      const std::lock_guard lock(mutex_);
      resting_ = true;
    }
    // One that is only being started rests when that is done.
    const std::unique_lock calls(calls_, std::try_to_lock);
    if (calls) rest_present();
  }

  Result<void> wake(const FormatOffer& offer) override {
    {
      const std::lock_guard lock(mutex_);
      offer_ = offer;
      ++offer_version_;
      resting_ = false;
    }
    changed_.notify_all();
    return {};
  }

  void stop() override {
    stop_.request_stop();
    changed_.notify_all();
    if (watcher_.joinable()) watcher_.join();
    if (const std::shared_ptr<Source> source = current()) source->stop();
  }

  SourceInfo info() const override {
    const std::shared_ptr<Source> source = current();
    return source ? source->info() : SourceInfo{};
  }

  SourceStats stats() const override {
    const std::shared_ptr<Source> source = current();
    const std::lock_guard lock(mutex_);
    return source ? sum(before_, source->stats()) : before_;
  }

 private:
  // The present source's thread.
  void on_frame(Frame frame) override {
    heard_at_.store(monotonic_now(), std::memory_order_relaxed);
    listener_->on_frame(std::move(frame));
  }
  void on_state(SourceState state, const Error* error) override {
    streaming_.store(state == SourceState::Streaming, std::memory_order_relaxed);
    if (state != SourceState::Ended) return listener_->on_state(state, nullptr);
    if (error == nullptr || error->kind != ErrorKind::Lost) return listener_->on_state(state, error);
    {
      const std::lock_guard lock(mutex_);
      lost_ = *error;
    }
    changed_.notify_all();
  }

  /// Also keeps what the next source is to be offered.
  [[nodiscard]] std::shared_ptr<Source> current(const FormatOffer* offer = nullptr) const {
    const std::lock_guard lock(mutex_);
    if (offer != nullptr) {
      offer_ = *offer;
      ++offer_version_;
    }
    return source_;
  }
  [[nodiscard]] bool lost() const {
    const std::lock_guard lock(mutex_);
    return lost_.has_value();
  }

  /// With calls_ held.
  void rest_present() {
    if (const std::shared_ptr<Source> source = current()) source->rest();
    const std::lock_guard lock(mutex_);
    rests_ = true;
  }

  /// Makes a source and starts it.
  [[nodiscard]] Result<void> begin() {
    auto made = options_.make(stop_.get_token());
    if (!made) return std::unexpected(std::move(made.error()));
    FormatOffer offer;
    std::uint64_t version = 0;
    {
      const std::lock_guard lock(mutex_);
      if (source_) before_ = sum(before_, source_->stats());
      source_ = std::move(*made);
      lost_.reset();
      rests_ = false;
      offer = offer_;
      version = offer_version_;
    }
    begin_to_listen();
    if (auto started = source_->start(offer, *this); !started) return started;
    return catch_up(version);
  }

  /// What was asked for while the source was on its way.
  [[nodiscard]] Result<void> catch_up(std::uint64_t version) {
    FormatOffer offer;
    {
      const std::lock_guard lock(mutex_);
      if (version == offer_version_) return {};
      offer = offer_;
    }
    return source_->renegotiate(offer);
  }

  /// Watcher thread.
  void keep() {
    const std::stop_token stop = stop_.get_token();
    while (true) {
      std::optional<Error> why;
      bool resting = false;
      {
        std::unique_lock lock(mutex_);
        const auto called = [this] { return resting_ != rests_ || (lost_ && !resting_); };
        const bool was_called = options_.silence > Nanoseconds{} ? changed_.wait_for(lock, stop, until_watch(), called)
                                                                 : changed_.wait(lock, stop, called);
        if (stop.stop_requested()) return;
        resting = resting_;
        why = lost_;
        if (!was_called && resting) continue;
        if (!was_called) {
          lock.unlock();
          if (!watch()) return;
          continue;
        }
      }
      if (resting) {
        const std::lock_guard calls(calls_);
        rest_present();
        continue;
      }
      if (!why) {
        const std::lock_guard calls(calls_);
        begin_to_listen();
        if (!wake_present()) return;
        continue;
      }
      logger("capture").warn("{}; waiting for it to come back", why->message());
      options_.changed(&*why);
      if (const auto back = look_again(stop); !back) {
        if (!stop.stop_requested()) listener_->on_state(SourceState::Ended, &back.error());
        return;
      }
      logger("capture").info("{} is back", info().description);
      options_.changed(nullptr);
    }
  }

  /// From now on; with mutex_ held, on the watcher thread.
  [[nodiscard]] Nanoseconds until_watch() const {
    if (resting_) return options_.silence;
    const Nanoseconds due = proof_ ? proof_->asked_at + options_.proof : silent_since() + options_.silence * patience_;
    return std::max(due - monotonic_now(), Nanoseconds(std::chrono::milliseconds(1)));
  }
  [[nodiscard]] Nanoseconds heard_at() const { return heard_at_.load(std::memory_order_relaxed); }
  [[nodiscard]] Nanoseconds silent_since() const { return std::max(heard_at(), begun_at_); }

  /// Watcher thread, when until_watch() has passed. False: the source has come to its end.
  [[nodiscard]] bool watch() {
    const Nanoseconds now = monotonic_now();
    if (proof_) {
      judge(now);
      return true;
    }
    if (heard_at() > proved_at_ + kOpening) patience_ = 1;
    if (now - silent_since() < options_.silence * patience_) return true;
    // One that says that it pauses needs no proof.
    if (!streaming_.load(std::memory_order_relaxed)) {
      begun_at_ = now;
      return true;
    }
    const std::lock_guard calls(calls_);
    logger("capture").debug("{} has said nothing for a while: asked for a new stream", source_->info().description);
    source_->rest();
    proof_ = {.asked_at = now, .heard_before = heard_at()};
    return wake_present();
  }

  /// Watcher thread: whether the proof is one.
  void judge(Nanoseconds now) {
    if (now < proof_->asked_at + options_.proof) return;
    const bool lives = heard_at() != proof_->heard_before;
    if (lives && heard_at() <= proof_->asked_at + kOpening) ++stills_;
    proof_.reset();
    proved_at_ = now;
    patience_ = std::min(patience_ * 2, kLongestPatience);
    if (lives) return;
    const bool must = std::exchange(stills_, 0) >= kStills || source_->info().steady;
    if (!must) return;
    const std::lock_guard lock(mutex_);
    if (lost_) return;
    lost_ = Error{.kind = ErrorKind::Lost,
                  .operation = "capture " + source_->info().description,
                  .detail = "it is connected and gives no picture, not even at the start of a new stream"};
  }

  /// Forgets what was asked of another source, or before a sleep. Not while the watcher runs, or on its thread.
  void begin_to_listen() {
    begun_at_ = monotonic_now();
    proof_.reset();
  }

  /// With calls_ held, on the watcher thread. False: it has come to its end.
  [[nodiscard]] bool wake_present() {
    FormatOffer offer;
    std::uint64_t version = 0;
    {
      const std::lock_guard lock(mutex_);
      rests_ = false;
      offer = offer_;
      version = offer_version_;
    }
    auto woken = source_->wake(offer);
    if (woken) woken = catch_up(version);
    if (woken || stop_.stop_requested()) return true;
    if (!may_come_back(woken.error().kind)) {
      listener_->on_state(SourceState::Ended, &woken.error());
      return false;
    }
    const std::lock_guard lock(mutex_);
    if (!lost_) lost_ = std::move(woken.error());
    return true;
  }

  [[nodiscard]] Result<void> look_again(const std::stop_token& stop) {
    for (Nanoseconds wait = kFirstBackOff;; wait = std::min(wait * 2, kLongestBackOff)) {
      {
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, stop, wait, [] { return false; });
        changed_.wait(lock, stop, [this] { return !resting_; });
      }
      const std::lock_guard calls(calls_);
      if (stop.stop_requested()) return fail(ErrorKind::Cancelled, "look for the source", "stopped");
      if (const std::shared_ptr<Source> gone = current()) gone->stop();
      auto begun = begin();
      if (begun || !may_come_back(begun.error().kind)) return begun;
      logger("capture").debug("trying again: {}", begun.error().message());
    }
  }

  const ReconnectingOptions options_;
  std::stop_source stop_;
  SourceListener* listener_ = nullptr;

  std::mutex calls_;  ///< start, stop and renegotiate of a source, one after the other
  mutable std::mutex mutex_;
  mutable FormatOffer offer_;
  mutable std::uint64_t offer_version_ = 0;
  std::shared_ptr<Source> source_;
  std::optional<Error> lost_;
  bool resting_ = false;  ///< wanted
  bool rests_ = false;    ///< the present source does
  SourceStats before_;    ///< of those that are gone
  std::condition_variable_any changed_;

  std::atomic<Nanoseconds> heard_at_{};  ///< the newest frame
  std::atomic<bool> streaming_ = false;
  /// A new stream that a silent source was asked for.
  struct Proof {
    Nanoseconds asked_at{}, heard_before{};
  };
  // Watcher thread:
  std::optional<Proof> proof_;  ///< not judged yet
  Nanoseconds begun_at_{};      ///< to listen to the present source
  Nanoseconds proved_at_{};
  int patience_ = 1;  ///< times `silence`
  int stills_ = 0;    ///< new streams that began with a screen that stood still, since one that did not

  std::jthread watcher_;
};

}  // namespace

std::unique_ptr<Source> make_reconnecting_source(ReconnectingOptions options) {
  return std::make_unique<ReconnectingSource>(std::move(options));
}

}  // namespace zc
