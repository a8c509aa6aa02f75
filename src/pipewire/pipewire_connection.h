#pragma once

#include "base/error.h"
#include "base/unique_fd.h"
#include "pipewire/pipewire_handles.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <stop_token>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace zc {

/// An object of the daemon as the registry announces it.
struct RegistryObject {
  std::uint32_t id = 0;
  std::string type;  ///< PW_TYPE_INTERFACE_*
  std::uint32_t version = 0;
  std::map<std::string, std::string, std::less<>> properties;

  /// Empty when there is no such property.
  [[nodiscard]] std::string_view property(std::string_view key) const;
};

/// A connection to a PipeWire daemon with its own thread, and the daemon's nodes, ports and links as they come and go.
/// One controlling thread opens, waits and closes; everything that touches PipeWire objects runs on the loop's thread.
class PipeWireConnection {
 public:
  using Clock = std::chrono::steady_clock;
  using Registry = std::map<std::uint32_t, RegistryObject>;

  /// Called on the loop's thread. Set before open(), constant after.
  struct Callbacks {
    std::function<void()> changed;  ///< an object appeared, or is gone
    std::function<void(const RegistryObject&)> removed;
    std::function<void(const Error&)> lost;  ///< once: the daemon is gone
  };

  /// Connects to `remote` or, when that is empty, to the default daemon.
  /// NotFound: no daemon ("PipeWire is not running (no socket at ...)"); Denied: its socket refuses us.
  [[nodiscard]] static Result<std::unique_ptr<PipeWireConnection>> open(UniqueFd remote, Callbacks callbacks);
  PipeWireConnection(const PipeWireConnection&) = delete;
  PipeWireConnection& operator=(const PipeWireConnection&) = delete;
  ~PipeWireConnection();

  [[nodiscard]] pw_core* core() const { return core_.get(); }
  [[nodiscard]] pw_registry* registry() const { return registry_; }
  [[nodiscard]] pw_loop* loop() const { return pw_thread_loop_get_loop(loop_.get()); }

  /// Runs `call` on the loop's thread and waits for it. Not from that thread, not after stop_thread().
  template <class Call>
  void run(Call&& call) {
    using Plain = std::remove_reference_t<Call>;
    struct Job {
      Plain* call;
      std::binary_semaphore done{0};
    } job{&call};
    const auto invoke = [](spa_loop*, bool, std::uint32_t, const void*, std::size_t, void* data) noexcept -> int {
      auto* j = static_cast<Job*>(data);
      (*j->call)();
      j->done.release();
      return 0;
    };
    // Not the blocking invoke: how that one and the thread loop's lock go together differs between versions.
    pw_thread_loop_lock(loop_.get());
    pw_loop_invoke(loop(), invoke, 0, nullptr, 0, false, &job);
    pw_thread_loop_unlock(loop_.get());
    job.done.acquire();
  }

  /// Waits until the daemon has answered everything asked before.
  [[nodiscard]] Result<void> roundtrip(Clock::time_point deadline, const std::stop_token& stop = {});

  /// Changes what wait() looks at. Any thread.
  template <class Change>
  void update(Change&& change) {
    {
      const std::lock_guard lock(mutex_);
      change();
    }
    changed_.notify_all();
  }

  /// Waits until `done()` (called with the lock of update() held) says so. Timeout, Cancelled, or the connection's end.
  template <class Done>
  [[nodiscard]] Result<void> wait(Clock::time_point deadline, const std::stop_token& stop, Done&& done) {
    std::unique_lock lock(mutex_);
    const bool reached = changed_.wait_until(lock, stop, deadline, [&] { return done() || lost_.has_value(); });
    if (reached && done()) return {};
    if (lost_) return std::unexpected(*lost_);
    if (stop.stop_requested()) return fail(ErrorKind::Cancelled, "wait for PipeWire", "stopped on request");
    return fail(ErrorKind::Timeout, "wait for PipeWire", "it does not answer");
  }

  /// Looks at the registry under the lock; also inside wait()'s `done` through registry_locked().
  template <class Look>
  auto look(Look&& look) {
    const std::lock_guard lock(mutex_);
    return look(std::as_const(objects_));
  }
  [[nodiscard]] const Registry& registry_locked() const { return objects_; }

  /// After this no callback runs and the PipeWire objects may be touched by the controlling thread. Idempotent.
  void stop_thread() noexcept;

 private:
  struct Events;
  explicit PipeWireConnection(Callbacks callbacks) : callbacks_(std::move(callbacks)) {}
  void object_appeared(RegistryObject object);
  void object_removed(std::uint32_t id);
  void core_error(std::uint32_t id, int result, const char* message);
  void core_done(int sequence);

  const Callbacks callbacks_;
  std::mutex mutex_;
  std::condition_variable_any changed_;
  Registry objects_;           ///< guarded by mutex_
  std::optional<Error> lost_;  ///< guarded by mutex_
  int done_sequence_ = -1;     ///< guarded by mutex_

  // Destroyed from the last to the first.
  ThreadLoopPtr loop_;
  ContextPtr context_;
  CorePtr core_;
  pw_registry* registry_ = nullptr;
  ProxyPtr registry_proxy_;
  Hook core_hook_;
  Hook registry_hook_;
};

/// Where the default daemon's socket is expected, for error messages.
[[nodiscard]] std::string default_socket_path();

}  // namespace zc
