#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "zerocopy/adaptive_sleep.h"
#include "zerocopy/vulkan/vulkan_device.h"

#include <cstdint>
#include <memory>
#include <span>

namespace zc {

/// A point on a timeline semaphore.
struct GpuPoint {
  VkSemaphore semaphore = VK_NULL_HANDLE;
  std::uint64_t value = 0;
};
/// Compute and transfer work starts when `waits` are reached; `signals` are reached when all of it is over. At most
/// kMostPoints of each.
struct GpuSync {
  static constexpr std::size_t kMostPoints = 4;
  std::span<const GpuPoint> waits;
  std::span<const GpuPoint> signals;
};

/// One command buffer at a time, recorded for one submission or kept for many, submitted and waited for on the caller's
/// thread. One thread makes every call.
class CommandRunner {
 public:
  /// `spin`: ask for the end this long before going to sleep; costs CPU time, saves the wake-up.
  [[nodiscard]] static Result<std::unique_ptr<CommandRunner>> create(std::shared_ptr<VulkanDevice> device,
                                                                     Nanoseconds spin = {});
  /// Waits as close() does.
  ~CommandRunner();
  CommandRunner(const CommandRunner&) = delete;
  CommandRunner& operator=(const CommandRunner&) = delete;

  /// The command buffer, empty and recording, once earlier work is over. Timeout: it is not.
  [[nodiscard]] Result<VkCommandBuffer> begin(Nanoseconds timeout);
  /// Submits what was recorded and waits at most `timeout` for it. Lost: the device is gone. Timeout: not over yet;
  /// what it works on stays in use.
  [[nodiscard]] Result<void> finish(const GpuSync& sync, Nanoseconds timeout);

  /// A command buffer that the caller records, again and again if he likes, between keep() and submit(). It goes with
  /// this object.
  [[nodiscard]] Result<VkCommandBuffer> allocate();
  /// `command`, empty and recording, to be kept after it was submitted. Nothing may be running: see settle().
  [[nodiscard]] Result<void> keep(VkCommandBuffer command);
  /// Ends the recording that keep() began.
  [[nodiscard]] Result<void> end(VkCommandBuffer command);
  /// As finish(), for one that was recorded before. Nothing may be running: see settle().
  [[nodiscard]] Result<void> submit(VkCommandBuffer command, const GpuSync& sync, Nanoseconds timeout);

  /// Waits for work that an earlier call left behind with Timeout. Timeout: it still is not over.
  [[nodiscard]] Result<void> settle(Nanoseconds timeout) { return pending_ ? await(timeout, {}) : Result<void>{}; }
  [[nodiscard]] bool pending() const { return pending_; }
  /// Before what the work uses is freed: waits, bounded, for work whose end finish() did not see. False: it still is
  /// not over; the device is abandoned and everything on it must be left alone for good.
  [[nodiscard]] bool close();

 private:
  CommandRunner(std::shared_ptr<VulkanDevice> device, Nanoseconds spin) : device_(std::move(device)), spin_(spin) {}
  [[nodiscard]] Result<void> make_objects();
  /// Asleep for most of what the work is expected to take, then looking, then as the driver does.
  [[nodiscard]] Result<void> await_new(Nanoseconds timeout);
  /// `look`: asks for the end this long before going to sleep in the driver.
  [[nodiscard]] Result<void> await(Nanoseconds timeout, Nanoseconds look);

  std::shared_ptr<VulkanDevice> device_;
  Nanoseconds spin_;
  VkOwned<VkCommandPool> pool_;
  VkCommandBuffer command_ = VK_NULL_HANDLE;
  VkOwned<VkFence> fence_;
  AdaptiveSleep sleep_;
  bool pending_ = false;
};

}  // namespace zc
