// The test producer's own connection to PipeWire: nothing of the program's.
#pragma once

#include "base/error.h"

#include <pipewire/core.h>
#include <pipewire/thread-loop.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <set>
#include <utility>

struct pw_context;
struct pw_registry;

namespace zc::test {

/// A connection to the default daemon with a thread of its own, on which all callbacks run.
class ProducerLoop {
 public:
  [[nodiscard]] static Result<std::unique_ptr<ProducerLoop>> open();
  ProducerLoop(const ProducerLoop&) = delete;
  ProducerLoop& operator=(const ProducerLoop&) = delete;
  ~ProducerLoop();

  [[nodiscard]] pw_core* core() const { return core_; }
  [[nodiscard]] pw_loop* loop() const { return pw_thread_loop_get_loop(thread_); }
  /// True once the daemon has gone. Any thread.
  [[nodiscard]] bool lost() const { return lost_; }
  /// The registry shows that object. With the lock.
  [[nodiscard]] bool shows(std::uint32_t id) const { return objects_.contains(id); }

  /// Runs `call` with the loop's lock, so that no callback runs meanwhile. Not from a callback.
  template <class Call>
  void locked(Call&& call) {
    pw_thread_loop_lock(thread_);
    std::forward<Call>(call)();
    pw_thread_loop_unlock(thread_);
  }
  /// From a callback: has wait() look again.
  void wake() { pw_thread_loop_signal(thread_, false); }
  /// Until `done()`, called with the lock, says so: false when the daemon went or time is up. Not from a callback.
  template <class Done>
  [[nodiscard]] bool wait(std::chrono::seconds patience, Done&& done) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    pw_thread_loop_lock(thread_);
    while (!done() && !lost_ && std::chrono::steady_clock::now() < deadline) {
      pw_thread_loop_timed_wait(thread_, 1);
    }
    const bool reached = done();
    pw_thread_loop_unlock(thread_);
    return reached;
  }
  /// No callback runs after this. Idempotent.
  void stop() { pw_thread_loop_stop(thread_); }

 private:
  struct Events;
  ProducerLoop() = default;

  pw_thread_loop* thread_ = nullptr;
  pw_context* context_ = nullptr;
  pw_core* core_ = nullptr;
  pw_registry* registry_ = nullptr;
  spa_hook core_hook_{};
  spa_hook registry_hook_{};
  std::set<std::uint32_t> objects_;  ///< with the lock
  std::atomic<bool> lost_ = false;
};

}  // namespace zc::test
