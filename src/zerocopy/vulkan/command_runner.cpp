#include "zerocopy/vulkan/command_runner.h"

#include <algorithm>
#include <array>
#include <utility>

namespace zc {
namespace {

/// Points as the parallel arrays that a submission wants.
struct Points {
  explicit Points(std::span<const GpuPoint> points)
      : count(static_cast<std::uint32_t>(std::min(points.size(), GpuSync::kMostPoints))) {
    for (std::uint32_t i = 0; i < count; ++i) {
      semaphores.at(i) = points[i].semaphore;
      values.at(i) = points[i].value;
    }
  }
  std::uint32_t count;
  std::array<VkSemaphore, GpuSync::kMostPoints> semaphores{};
  std::array<std::uint64_t, GpuSync::kMostPoints> values{};
};

constexpr VkPipelineStageFlags kWork = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
constexpr std::array<VkPipelineStageFlags, GpuSync::kMostPoints> kWaitStages = {kWork, kWork, kWork, kWork};
/// Between the end of a sleep and that of the work; a driver that is asked to wait instead is late by as much.
constexpr Nanoseconds kLook = std::chrono::microseconds(20);
/// How long an end is waited for when a GPU did not answer in time before.
constexpr Nanoseconds kLastWait = std::chrono::seconds(2);

}  // namespace

Result<std::unique_ptr<CommandRunner>> CommandRunner::create(std::shared_ptr<VulkanDevice> device, Nanoseconds spin) {
  std::unique_ptr<CommandRunner> self(new CommandRunner(std::move(device), spin));
  if (auto made = self->make_objects(); !made) return std::unexpected(std::move(made.error()));
  return self;
}

Result<void> CommandRunner::make_objects() {
  const VulkanDeviceFunctions& fn = device_->fn();
  VkDevice device = device_->handle();
  VkCommandPoolCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO;
  info.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
  info.queueFamilyIndex = device_->queue_family();
  VkCommandPool pool = VK_NULL_HANDLE;
  VkResult r = fn.CreateCommandPool(device, &info, nullptr, &pool);
  if (r != VK_SUCCESS) return fail_vk(r, "make a GPU command buffer");
  pool_ = {device, pool, fn.DestroyCommandPool};
  auto command = allocate();
  if (!command) return std::unexpected(std::move(command.error()));
  command_ = *command;
  VkFenceCreateInfo fence_info{};
  fence_info.sType = VK_STRUCTURE_TYPE_FENCE_CREATE_INFO;
  VkFence fence = VK_NULL_HANDLE;
  r = fn.CreateFence(device, &fence_info, nullptr, &fence);
  if (r != VK_SUCCESS) return fail_vk(r, "make a GPU fence");
  fence_ = {device, fence, fn.DestroyFence};
  return {};
}

Result<VkCommandBuffer> CommandRunner::allocate() {
  VkCommandBufferAllocateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO;
  info.commandPool = pool_.get();
  info.level = VK_COMMAND_BUFFER_LEVEL_PRIMARY;
  info.commandBufferCount = 1;
  VkCommandBuffer command = VK_NULL_HANDLE;
  const VkResult r = device_->fn().AllocateCommandBuffers(device_->handle(), &info, &command);
  if (r != VK_SUCCESS) return fail_vk(r, "make a GPU command buffer");
  return command;
}

CommandRunner::~CommandRunner() { static_cast<void>(close()); }

bool CommandRunner::close() {
  if (!pending_) return true;
  if (const auto settled = settle(kLastWait); settled || settled.error().kind != ErrorKind::Timeout) {
    pending_ = false;  // over, or the device is lost, which ends everything on it
    return true;
  }
  device_->abandon();
  pool_.leak();
  fence_.leak();
  // The device must outlive the work, whose end nobody will see.
  [[maybe_unused]] const auto* immortal = std::make_unique<std::shared_ptr<VulkanDevice>>(device_).release();
  pending_ = false;  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks): meant to be left alive
  return false;
}

Result<VkCommandBuffer> CommandRunner::begin(Nanoseconds timeout) {
  if (auto settled = settle(timeout); !settled) return std::unexpected(std::move(settled.error()));
  VkCommandBufferBeginInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
  info.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  if (const VkResult r = device_->fn().BeginCommandBuffer(command_, &info); r != VK_SUCCESS) {
    return fail_vk(r, "convert on the GPU");
  }
  return command_;
}

Result<void> CommandRunner::keep(VkCommandBuffer command) {
  VkCommandBufferBeginInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO;
  const VkResult r = device_->fn().BeginCommandBuffer(command, &info);
  if (r != VK_SUCCESS) return fail_vk(r, "convert on the GPU");
  return {};
}

Result<void> CommandRunner::end(VkCommandBuffer command) {
  if (const VkResult r = device_->fn().EndCommandBuffer(command); r != VK_SUCCESS) {
    return fail_vk(r, "convert on the GPU");
  }
  return {};
}

Result<void> CommandRunner::finish(const GpuSync& sync, Nanoseconds timeout) {
  if (auto ended = end(command_); !ended) return ended;
  return submit(command_, sync, timeout);
}

Result<void> CommandRunner::submit(VkCommandBuffer command, const GpuSync& sync, Nanoseconds timeout) {
  const VulkanDeviceFunctions& fn = device_->fn();
  const Points waits(sync.waits);
  const Points signals(sync.signals);
  VkTimelineSemaphoreSubmitInfo timeline{};
  timeline.sType = VK_STRUCTURE_TYPE_TIMELINE_SEMAPHORE_SUBMIT_INFO;
  timeline.waitSemaphoreValueCount = waits.count;
  timeline.pWaitSemaphoreValues = waits.values.data();
  timeline.signalSemaphoreValueCount = signals.count;
  timeline.pSignalSemaphoreValues = signals.values.data();
  VkSubmitInfo submit{};
  submit.sType = VK_STRUCTURE_TYPE_SUBMIT_INFO;
  submit.commandBufferCount = 1;
  submit.pCommandBuffers = &command;
  if (waits.count + signals.count > 0) {
    submit.pNext = &timeline;
    submit.waitSemaphoreCount = waits.count;
    submit.pWaitSemaphores = waits.semaphores.data();
    submit.pWaitDstStageMask = kWaitStages.data();
    submit.signalSemaphoreCount = signals.count;
    submit.pSignalSemaphores = signals.semaphores.data();
  }
  // Here and not after the wait: a reset that fails then would leave a signalled fence for the next work.
  VkFence fence = fence_.get();
  if (const VkResult r = fn.ResetFences(device_->handle(), 1, &fence); r != VK_SUCCESS) {
    return fail_vk(r, "convert on the GPU");
  }
  if (const VkResult r = device_->submit(submit, fence); r != VK_SUCCESS) {
    return fail_vk(r, "convert on the GPU");
  }
  device_->counters().submissions.fetch_add(1, std::memory_order_relaxed);
  pending_ = true;
  return spin_ > Nanoseconds{} ? await(timeout, spin_) : await_new(timeout);
}

Result<void> CommandRunner::await_new(Nanoseconds timeout) {
  const bool slept = sleep_.sleep(timeout);
  const bool over = slept && device_->fn().GetFenceStatus(device_->handle(), fence_.get()) == VK_SUCCESS;
  auto done = await(timeout, slept ? kLook : Nanoseconds{});
  if (done) sleep_.over(over);
  return done;
}

Result<void> CommandRunner::await(Nanoseconds timeout, Nanoseconds look) {
  const VulkanDeviceFunctions& fn = device_->fn();
  VkFence fence = fence_.get();
  VkResult r = VK_NOT_READY;
  if (look > Nanoseconds{}) {
    const Nanoseconds until = monotonic_now() + std::min(look, timeout);
    do {
      r = fn.GetFenceStatus(device_->handle(), fence);
    } while (r == VK_NOT_READY && monotonic_now() < until);
  }
  const auto timeout_ns = static_cast<std::uint64_t>(std::max<std::int64_t>(0, timeout.count()));
  if (r == VK_NOT_READY) r = fn.WaitForFences(device_->handle(), 1, &fence, VK_TRUE, timeout_ns);
  if (r != VK_SUCCESS) return fail_vk(r, "wait for the GPU");
  pending_ = false;
  return {};
}

}  // namespace zc
