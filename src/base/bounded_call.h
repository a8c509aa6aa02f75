// Calls that may never return.
#pragma once

#include "base/clock.h"
#include "base/parked_thread.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

namespace zc {

/// Makes a call on a thread of its own, which inherits the caller's name, and waits for it. nullopt: it has not
/// returned within `patience`, and its thread is parked (park()). What it returns after all dies on that thread: it
/// must own what it uses. `patience` nullopt: waits for ever.
///
/// The time is counted at several looks, so that a process that was stopped for a while does not give up at once.
template <class Action>
[[nodiscard]] auto call_within(std::optional<Nanoseconds> patience, Action action)
    -> std::optional<std::invoke_result_t<Action&>> {
  using Value = std::invoke_result_t<Action&>;
  constexpr int kLooks = 8;
  struct Meeting {
    std::mutex mutex;
    std::condition_variable returned;
    bool given_up = false;
    std::optional<Value> value;
  };
  const auto meeting = std::make_shared<Meeting>();
  const LeftFlag left = make_left_flag();
  std::jthread thread([meeting, left, action = std::optional(std::move(action))]() mutable {
    std::optional<Value> value((*action)());
    action.reset();  // what it owned dies before the thread has left
    {
      const std::lock_guard lock(meeting->mutex);
      if (!meeting->given_up) meeting->value = std::exchange(value, std::nullopt);
      meeting->returned.notify_all();
    }
    value.reset();
    left->store(true, std::memory_order_release);
  });
  {
    const auto has_returned = [&meeting] { return meeting->value.has_value(); };
    std::unique_lock lock(meeting->mutex);
    if (patience) {
      for (int look = 0; look < kLooks && !has_returned(); ++look) {
        meeting->returned.wait_for(lock, *patience / kLooks, has_returned);
      }
    } else {
      meeting->returned.wait(lock, has_returned);
    }
    if (!has_returned()) {
      meeting->given_up = true;
      park(std::move(thread), left);
      return std::nullopt;
    }
  }
  thread.join();
  return std::move(meeting->value);
}

}  // namespace zc
