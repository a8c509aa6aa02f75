#pragma once

#include "capture/source.h"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace zc::test {

/// A SourceListener that keeps what tests look at. `on_each` sees every frame on the source's thread and
/// may take it; it and the conditions of wait() never run at the same time.
class RecordingListener final : public SourceListener {
 public:
  using Inspect = std::function<void(Frame&)>;
  explicit RecordingListener(Inspect on_each = {}) : on_each_(std::move(on_each)) {}

  void on_frame(Frame frame) override {
    const std::lock_guard lock(mutex_);
    const bool picture = frame.has_image();
    if (on_each_) on_each_(frame);
    (picture ? pictures_ : cursor_updates_)++;
    changed_.notify_all();
  }
  void on_state(SourceState state, const Error* error) override {
    const std::lock_guard lock(mutex_);
    states_.push_back(state);
    if (error != nullptr) error_ = *error;
    changed_.notify_all();
  }

  /// False when it did not come to that within two minutes.
  template <class Done>
  [[nodiscard]] bool wait(Done&& done) {
    std::unique_lock lock(mutex_);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    // What a condition looks at may also change without a call to this listener.
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      changed_.wait_for(lock, std::chrono::milliseconds(20));
    }
    return true;
  }
  [[nodiscard]] bool wait_pictures(std::uint64_t count) {
    return wait([&] { return pictures_ >= count; });
  }
  [[nodiscard]] bool wait_state(SourceState state) {
    return wait([&] { return !states_.empty() && states_.back() == state; });
  }

  [[nodiscard]] std::uint64_t pictures() const { return locked(pictures_); }
  [[nodiscard]] std::uint64_t cursor_updates() const { return locked(cursor_updates_); }
  [[nodiscard]] std::vector<SourceState> states() const { return locked(states_); }
  [[nodiscard]] std::optional<Error> error() const { return locked(error_); }

 private:
  template <class T>
  T locked(const T& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }

  Inspect on_each_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t pictures_ = 0;
  std::uint64_t cursor_updates_ = 0;
  std::vector<SourceState> states_;
  std::optional<Error> error_;
};

}  // namespace zc::test
