#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "zerocopy/cpu/cursor_painter.h"
#include "zerocopy/surface_layout.h"
#include "zerocopy/vulkan/command_runner.h"
#include "zerocopy/vulkan/vulkan_buffer.h"

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

namespace zc {

/// Draws the cursor onto surfaces in GPU memory, with the same bits as CursorPainter, and keeps what was beneath it in
/// the newest one, so that a later surface can be made from that without the source: for cursors that move over a still
/// picture. One small dispatch over the cursor's rectangle. One thread makes every call. After warm-up nothing is
/// allocated unless a larger cursor comes.
class CursorPass {
 public:
  /// For surfaces of this layout and colour.
  [[nodiscard]] static Result<std::unique_ptr<CursorPass>> create(std::shared_ptr<VulkanDevice> device,
                                                                  const SurfaceLayout& layout,
                                                                  const ColourDescription& colour);
  ~CursorPass();
  CursorPass(const CursorPass&) = delete;
  CursorPass& operator=(const CursorPass&) = delete;

  /// What is drawn next, and on what: the shape that `painter` placed last. Nothing of this pass may be running.
  /// Errors: no memory for a shape this large.
  [[nodiscard]] Result<void> prepare(const CursorPainter& painter, const CursorPlacement& placement,
                                     const PicturePlan& plan, const VulkanBuffer& target);
  /// The next surface has no cursor, and so nothing beneath one.
  void prepare_none() { next_.reset(); }
  /// Draws what was prepared, behind what the command buffer did to the target before.
  void record(VkCommandBuffer command) const;

  /// The newest surface, `from`, copied to `to`, its cursor replaced by what was prepared. As ConversionPass::run().
  [[nodiscard]] Result<void> redraw(const VulkanBuffer& from, const VulkanBuffer& to, Nanoseconds timeout);
  /// Draws what was prepared in a submission of its own.
  [[nodiscard]] Result<void> draw(Nanoseconds timeout);

  /// The surface prepared for is the newest one now.
  void commit();

 private:
  /// The push constants of shaders/cursor.comp, member by member.
  struct Geometry {
    std::array<std::int32_t, 2> first, blocks, size, cursor_at, cursor_size, clip_at, clip_size;
    std::int32_t luma_pitch, chroma_pitch, u_offset, v_offset;  ///< 32-bit words
  };
  static_assert(sizeof(Geometry) == 72);
  /// A cursor on a surface, with what is kept of that surface in kept_[side].
  struct Drawn {
    Geometry geometry{};
    std::size_t side = 0;
  };

  CursorPass(std::shared_ptr<VulkanDevice> device, const SurfaceLayout& layout)
      : device_(std::move(device)), layout_(layout) {}
  [[nodiscard]] Result<void> make_objects(const ColourDescription& colour);
  [[nodiscard]] Result<void> make_pipelines(const ColourDescription& colour);
  [[nodiscard]] Result<void> upload(const CursorInks& inks);
  void bind(std::size_t side, const VulkanBuffer& target) const;
  void dispatch(VkCommandBuffer command, VkPipeline pipeline, const Drawn& drawn) const;
  void barrier(VkCommandBuffer command) const;

  std::shared_ptr<VulkanDevice> device_;
  SurfaceLayout layout_;
  VkOwned<VkDescriptorSetLayout> set_layout_;
  VkOwned<VkPipelineLayout> pipeline_layout_;
  VkOwned<VkShaderModule> module_;
  VkOwned<VkPipeline> draw_, restore_;
  VkOwned<VkDescriptorPool> descriptors_;
  std::array<VkDescriptorSet, 2> sets_{};
  std::unique_ptr<CommandRunner> runner_;
  VulkanBuffer inks_;
  std::uint64_t shape_ = 0;  ///< in inks_
  std::array<VulkanBuffer, 2> kept_;
  std::optional<Drawn> newest_;  ///< nullopt: no cursor on the newest surface
  std::optional<Drawn> next_;
};

}  // namespace zc
