#pragma once

#include "base/error.h"
#include "encode/encoder.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

namespace zc {

/// One thread's time with its encoders, shared between that thread and the watchdog. Each call into an encoder goes
/// through call(), so that a watchdog can tell that one does not return and take the work away: from then on the thread
/// that stands in the call owns nothing but this object and its own stack, and must leave when the call comes back.
class WatchedEncoder {
 public:
  explicit WatchedEncoder(std::unique_ptr<Encoder> encoder) : encoder_(std::move(encoder)) {}

  /// Encoder thread. Cancelled, with lost() true: the work was taken away meanwhile; nothing of the caller's may be
  /// touched any more.
  template <class Action>
  [[nodiscard]] auto call(const Action& action) -> decltype(action(std::declval<Encoder&>())) {
    enter();
    auto result = action(*encoder_);
    if (!leave()) return fail(ErrorKind::Cancelled, "encode", "another encoder has taken over");
    return result;
  }
  [[nodiscard]] bool lost() const { return state_.load(std::memory_order_acquire) == State::Lost; }
  /// Encoder thread, outside of call(): the encoder before it.
  [[nodiscard]] std::unique_ptr<Encoder> replace(std::unique_ptr<Encoder> encoder) {
    return std::exchange(encoder_, std::move(encoder));
  }
  [[nodiscard]] Encoder& encoder() { return *encoder_; }
  /// Encoder thread: there is none while the stage rests.
  [[nodiscard]] bool has_encoder() const { return encoder_ != nullptr; }

  /// Watchdog: how many calls were begun, and whether one is under way.
  [[nodiscard]] std::uint64_t calls() const { return calls_.load(std::memory_order_relaxed); }
  [[nodiscard]] bool inside() const { return state_.load(std::memory_order_relaxed) == State::Inside; }
  /// Watchdog: takes the work away from a thread that is inside of a call. False: it has come back.
  [[nodiscard]] bool take_away() {
    State expected = State::Inside;
    return state_.compare_exchange_strong(expected, State::Lost, std::memory_order_acq_rel);
  }

 private:
  enum class State : std::uint8_t { Outside, Inside, Lost };

  void enter() {
    calls_.fetch_add(1, std::memory_order_relaxed);
    state_.store(State::Inside, std::memory_order_release);
  }
  [[nodiscard]] bool leave() {
    State expected = State::Inside;
    return state_.compare_exchange_strong(expected, State::Outside, std::memory_order_acq_rel);
  }

  std::unique_ptr<Encoder> encoder_;
  std::atomic<std::uint64_t> calls_{0};
  std::atomic<State> state_{State::Outside};
};

}  // namespace zc
