#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "zerocopy/surface_layout.h"
#include "zerocopy/vaapi/surface_memory.h"
#include "zerocopy/vulkan/command_runner.h"
#include "zerocopy/vulkan/conversion_pass.h"

#include <memory>

namespace zc {

/// The last step into a VA-API surface: copies a finished picture from a buffer into the images of the planes, where it
/// was not made in the surface's own memory, and hands that memory over to the driver. One thread makes every call.
class PlaneWriter final : public PassTail {
 public:
  [[nodiscard]] static Result<std::unique_ptr<PlaneWriter>> create(std::shared_ptr<VulkanDevice> device);

  /// What is written next: the picture in `from`, two planes as `layout` says; for a surface that is one buffer `from`
  /// is that. Both must live until the work is over.
  void prepare(const SurfaceMemory& surface, const VulkanBuffer& from, const SurfaceLayout& layout);
  void record(VkCommandBuffer command) const override;
  /// The CPU waits for the picture before VA-API reads it.
  [[nodiscard]] GpuSync sync() const override { return {}; }
  void submitted() override {}

  /// All of that in a submission of its own, waited for. As ConversionPass::run().
  [[nodiscard]] Result<void> write(Nanoseconds timeout);

 private:
  PlaneWriter(std::shared_ptr<VulkanDevice> device, std::unique_ptr<CommandRunner> runner)
      : device_(std::move(device)), runner_(std::move(runner)) {}
  void copy(VkCommandBuffer command) const;

  std::shared_ptr<VulkanDevice> device_;
  std::unique_ptr<CommandRunner> runner_;
  const SurfaceMemory* surface_ = nullptr;
  const VulkanBuffer* from_ = nullptr;
  SurfaceLayout layout_;
};

}  // namespace zc
