#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "zerocopy/adaptive_sleep.h"
#include "zerocopy/gl/gl_device.h"

#include <memory>
#include <utility>

namespace zc {

/// The end of everything a context was told to do before it. The context's thread.
class GlFence {
 public:
  explicit GlFence(std::shared_ptr<GlDevice> device) : device_(std::move(device)) {}
  GlFence(const GlFence&) = delete;
  GlFence& operator=(const GlFence&) = delete;
  ~GlFence();

  /// Puts the fence behind the work so far and waits for it: asleep for most of what it took lately (AdaptiveSleep),
  /// then as the driver does. `spin`: without sleeping for so long. Timeout: not over yet, pending() until settle()
  /// succeeds. Lost: the GPU was reset.
  [[nodiscard]] Result<void> wait(Nanoseconds timeout, Nanoseconds spin);
  /// Waits for what an earlier call left behind with Timeout.
  [[nodiscard]] Result<void> settle(Nanoseconds timeout) { return pending() ? await(timeout, {}) : Result<void>{}; }
  [[nodiscard]] bool pending() const { return sync_ != nullptr; }

 private:
  [[nodiscard]] Result<void> await(Nanoseconds timeout, Nanoseconds spin);
  void drop();

  std::shared_ptr<GlDevice> device_;
  GLsync sync_ = nullptr;
  AdaptiveSleep sleep_;
};

}  // namespace zc
