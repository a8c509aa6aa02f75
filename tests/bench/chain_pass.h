// One pass per source into a canvas, as other programs draw a scene: what zerocast-gpu-bench compares layers with.
#pragma once

#include "base/error.h"
#include "zerocopy/vulkan/command_runner.h"
#include "zerocopy/vulkan/conversion_pass.h"
#include "zerocopy/vulkan/vulkan_buffer.h"

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace zc::bench {

/// A source of a scene, in a buffer: BGRx, BGRA or NV12.
struct ChainSource {
  const VulkanBuffer* buffer = nullptr;
  SurfaceLayout layout;
  LayerPlace place;
};

/// Draws sources onto a canvas of BGRx, each by its own dispatch, one after the other. As a tail it follows what reads
/// the canvas: run again and again, each submission holds one picture's worth of all passes.
class ChainPass final : public PassTail {
 public:
  [[nodiscard]] static Result<std::unique_ptr<ChainPass>> create(std::shared_ptr<VulkanDevice> device,
                                                                 std::vector<ChainSource> sources,
                                                                 const VulkanBuffer& canvas, Size size);
  /// Each pass in a submission of its own, waited for.
  [[nodiscard]] Result<void> run_apart(Nanoseconds timeout);

  void record(VkCommandBuffer command) const override;
  [[nodiscard]] GpuSync sync() const override { return {}; }
  void submitted() override {}

 private:
  /// The push constants of shaders/chain.comp, member by member.
  struct Draw {
    std::array<std::int32_t, 2> at, box, size;
    std::int32_t stride, chroma, pitch;
    float opacity, radius;
  };
  struct Pass {
    Draw draw{};
    VkOwned<VkPipeline> pipeline;
    VkDescriptorSet set = VK_NULL_HANDLE;
  };
  explicit ChainPass(std::shared_ptr<VulkanDevice> device) : device_(std::move(device)) {}
  [[nodiscard]] Result<void> make_objects(std::size_t sources);
  [[nodiscard]] Result<void> add(const ChainSource& source, const VulkanBuffer& canvas, Size size);
  void dispatch(VkCommandBuffer command, const Pass& pass) const;

  std::shared_ptr<VulkanDevice> device_;
  VkOwned<VkDescriptorSetLayout> set_layout_;
  VkOwned<VkPipelineLayout> layout_;
  VkOwned<VkShaderModule> module_;
  VkOwned<VkDescriptorPool> descriptors_;
  std::vector<Pass> passes_;
  std::unique_ptr<CommandRunner> runner_;
};

}  // namespace zc::bench
