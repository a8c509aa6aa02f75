#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "zerocopy/surface_layout.h"
#include "zerocopy/vulkan/command_runner.h"
#include "zerocopy/vulkan/conversion_pass.h"
#include "zerocopy/vulkan/vulkan_buffer.h"

#include <array>
#include <cstdint>
#include <memory>

struct AVFrame;
struct AVVkFrame;

namespace zc {

/// The last step into one of FFmpeg's Vulkan frames: copies a finished picture from a buffer into the frame's images,
/// which are one for each plane (FFmpeg before 6.1) or one with all planes. Waits for what was done with the images
/// before and signals their semaphores, as libavutil/hwcontext_vulkan.h demands of everybody (AVVkFrame.sem), so that
/// FFmpeg's next work on the frame waits on the GPU. One thread makes every call.
class FrameWriter final : public PassTail {
 public:
  [[nodiscard]] static Result<std::unique_ptr<FrameWriter>> create(std::shared_ptr<VulkanDevice> device);
  ~FrameWriter() override;

  /// What is written next: `from`, two planes as `layout` says, to a frame of that format and size whose frames context
  /// is of this device and that nobody else refers to. Both must live until the work is over.
  void prepare(const AVFrame& frame, const VulkanBuffer& from, const SurfaceLayout& layout);
  void record(VkCommandBuffer command) const override;
  [[nodiscard]] GpuSync sync() const override;
  /// The commands are the GPU's now: the frame's layouts and semaphore values are what they will leave behind.
  void submitted() override;

  /// All of that in a submission of its own, waited for. As ConversionPass::run().
  [[nodiscard]] Result<void> write(Nanoseconds timeout);

 private:
  static constexpr std::size_t kPlanes = 2;
  explicit FrameWriter(std::shared_ptr<VulkanDevice> device) : device_(std::move(device)) {}

  std::shared_ptr<VulkanDevice> device_;
  std::unique_ptr<CommandRunner> runner_;
  const AVFrame* frame_ = nullptr;
  const VulkanBuffer* from_ = nullptr;
  SurfaceLayout layout_;
  std::array<VkImage, kPlanes> images_{};
  std::size_t count_ = 0;  ///< of images
  std::array<GpuPoint, kPlanes> waits_{}, signals_{};
};

}  // namespace zc
