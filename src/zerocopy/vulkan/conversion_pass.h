#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "zerocopy/vulkan/command_runner.h"
#include "zerocopy/vulkan/layer_geometry.h"
#include "zerocopy/vulkan/pass_geometry.h"
#include "zerocopy/vulkan/vulkan_buffer.h"
#include "zerocopy/vulkan/vulkan_image.h"

#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace zc {

class CursorPass;

/// What a picture goes on to in the submission that makes it.
class PassTail {
 public:
  PassTail() = default;
  virtual ~PassTail() = default;
  PassTail(const PassTail&) = delete;
  PassTail& operator=(const PassTail&) = delete;

  /// Behind what made the picture in its buffer, whose writes are to be waited for.
  virtual void record(VkCommandBuffer command) const = 0;
  /// What all of the submission waits for and signals. Valid until it has been submitted.
  [[nodiscard]] virtual GpuSync sync() const = 0;
  /// The commands are the GPU's now, whenever they end.
  virtual void submitted() = 0;
};

/// A picture above the main one, in the memory that its geometry was made for.
struct PassLayer {
  LayerGeometry geometry{};
  const VulkanBuffer* buffer = nullptr;
  const VulkanImage* image = nullptr;
};

/// What lies above the main picture.
struct PassLayers {
  std::span<const PassLayer> drawn;  ///< lowest first, at most LayerTable::kSlots
  /// Gets the surface as it is without them, so that others can be drawn later when the source is gone; null: nothing.
  const VulkanBuffer* beneath = nullptr;
};

/// The one compute pass from a picture in GPU memory to a surface. Waits for its end on the caller's thread. One thread
/// makes every call. After warm-up (the first picture of each variant) nothing is allocated.
class ConversionPass {
 public:
  struct Options {
    /// Invocations, {across, down}: rows of a buffer lie behind one another in memory, those of an image in tiles. What
    /// was fastest on an NVIDIA H200 (a 4K image takes 55 us in 4x8, 73 us in 32x4).
    std::array<std::int32_t, 2> buffer_workgroup{32, 4};
    std::array<std::int32_t, 2> image_workgroup{4, 8};
    /// Ask for the end this long before going to sleep: costs CPU time, saves the wake-up.
    Nanoseconds spin{};
  };
  /// Where the picture is: a buffer with its plane, or an image.
  struct Source {
    const VulkanBuffer* buffer = nullptr;
    SourcePlane plane{};
    const VulkanImage* image = nullptr;
  };
  using Layer = PassLayer;
  using Layers = PassLayers;
  [[nodiscard]] static Result<std::unique_ptr<ConversionPass>> create(std::shared_ptr<VulkanDevice> device,
                                                                      const Options& options);
  [[nodiscard]] static Result<std::unique_ptr<ConversionPass>> create(std::shared_ptr<VulkanDevice> device) {
    return create(std::move(device), Options{});
  }
  /// Waits, bounded, for work whose end run() did not see. When it is still not over the device is abandoned.
  ~ConversionPass();
  ConversionPass(const ConversionPass&) = delete;
  ConversionPass& operator=(const ConversionPass&) = delete;

  /// Converts one picture and waits at most `timeout` for it. `colour` is the target's.
  /// A scaled picture is the mean of the source's area when it shrinks, linear between pixels when it grows.
  /// `cursor`: prepared for this target; is drawn in the same submission. `tail`: goes behind it all there. `layers`:
  /// drawn in the same submission; with any of them the source may be missing, which is black.
  /// Unsupported: a format that is not RGB, one shrunk beyond kMaxShrink, a buffer beyond the device's limits. Lost:
  /// the device is gone. Timeout: not over yet; source and target stay in use, and every later call waits for them
  /// first.
  [[nodiscard]] Result<void> run(const Source& source, const PicturePlan& plan, const VulkanBuffer& target,
                                 const SurfaceLayout& layout, const ColourDescription& colour, Nanoseconds timeout,
                                 CursorPass* cursor = nullptr, PassTail* tail = nullptr, const Layers& layers = {});
  /// Unsupported: the device binds fewer buffers or images at a time than layers take.
  [[nodiscard]] static Result<void> check_layers(const VulkanDevice& device);
  /// vkCmdCopyBuffer of the first `bytes`, waited for the same way.
  [[nodiscard]] Result<void> copy(const VulkanBuffer& source, const VulkanBuffer& target, std::size_t bytes,
                                  Nanoseconds timeout);
  /// Fills an image from a buffer of tightly packed pixels.
  [[nodiscard]] Result<void> upload(const VulkanBuffer& source, VulkanImage& target, Nanoseconds timeout);

  /// Waits for work that an earlier call left behind with Timeout. Timeout: it still is not over.
  [[nodiscard]] Result<void> settle(Nanoseconds timeout) { return runner_->settle(timeout); }
  [[nodiscard]] bool pending() const { return runner_->pending(); }

 private:
  /// What the GPU is told for one source and one target, for every picture that goes from one to the other.
  struct Recording {
    struct Key {
      std::uint64_t source = 0, target = 0, beneath = 0;  ///< VulkanDevice::next_id(); 0: there is none
      std::array<std::uint64_t, LayerTable::kSlots> layers{};
      VkPipeline pipeline = VK_NULL_HANDLE, compose = VK_NULL_HANDLE;
      PassGeometry geometry{};
      std::array<std::uint32_t, 2> groups{}, compose_groups{};
      bool operator==(const Key&) const = default;
    };
    Key key;
    VkCommandBuffer command = VK_NULL_HANDLE;
    VkDescriptorSet set = VK_NULL_HANDLE;
  };
  /// The buffers a producer goes round with, times the surfaces an encoder does, times a layer's pictures.
  static constexpr std::size_t kRecordings = 64;
  // What layers bind beside the source and the target.
  static constexpr std::uint32_t kLayerBuffers = LayerTable::kSlots;  ///< and one for what is beneath
  static constexpr std::uint32_t kLayerImages = LayerTable::kSlots;
  static constexpr std::uint32_t kBeneath = 12;  ///< its binding
  /// What pipelines for one kind of source have in common.
  struct ProgramKind {
    bool image = false;
    bool layers = false;
    bool compose = false;  ///< of the layers themselves; the rest is the others'
    bool operator==(const ProgramKind&) const = default;
  };
  struct Program {
    /// Whether it has been made: those with layers are when they first come.
    [[nodiscard]] bool complete() const { return layout.get() != VK_NULL_HANDLE; }
    VkOwned<VkDescriptorSetLayout> set_layout;
    VkOwned<VkPipelineLayout> layout;
    VkDescriptorSet set = VK_NULL_HANDLE;  ///< of what is recorded for one submission
    std::vector<Recording> recordings;
    std::size_t oldest = 0;  ///< of them, once there are kRecordings
  };
  struct Pipeline {
    ProgramKind kind;
    bool scaled = false;
    std::array<std::int32_t, kPassConstants> constants{};  ///< what it was compiled with
    VkOwned<VkPipeline> handle;
  };

  ConversionPass(std::shared_ptr<VulkanDevice> device, const Options& options)
      : device_(std::move(device)), options_(options) {}
  [[nodiscard]] Result<void> make_objects();
  [[nodiscard]] Result<void> make_program(ProgramKind kind);
  [[nodiscard]] Program& program(ProgramKind kind) {
    return programs_.at((kind.layers ? 2U : 0U) + (kind.image ? 1U : 0U));
  }
  /// What layers need once: their program, their table, something to bind where there is no layer.
  [[nodiscard]] Result<void> make_layer_objects(ProgramKind kind);
  /// Room for the pipelines of one picture; forgets all when there is none. Nothing is running.
  void make_room();
  [[nodiscard]] Result<VkPipeline> pipeline(const PassVariant& variant);
  [[nodiscard]] Result<VkOwned<VkPipeline>> compile(std::span<const std::uint32_t> code, VkPipelineLayout layout,
                                                    const std::array<std::int32_t, kPassConstants>& constants);
  [[nodiscard]] Result<void> check(const Source& source, const PicturePlan& plan, const VulkanBuffer& target,
                                   const SurfaceLayout& layout, const Layers& layers) const;
  /// What of the layers the GPU reads from memory. The workgroups that compose them.
  [[nodiscard]] std::array<std::uint32_t, 2> write_table(const Layers& layers, Size surface);
  [[nodiscard]] const std::array<std::int32_t, 2>& workgroup(bool image) const {
    return image ? options_.image_workgroup : options_.buffer_workgroup;
  }
  [[nodiscard]] Result<VkDescriptorSet> make_set(const Program& program) const;
  void bind(const Source& source, const VulkanBuffer& target, const Layers& layers, VkDescriptorSet set) const;
  void bind_layers(const Layers& layers, const VulkanBuffer& target, VkDescriptorSet set) const;
  void dispatch(VkCommandBuffer command, const Recording::Key& key, const Program& program, VkDescriptorSet set) const;
  [[nodiscard]] std::array<std::uint32_t, 2> groups(Size surface, bool image) const;
  /// Recorded now, or before. Nothing is running.
  [[nodiscard]] Result<VkCommandBuffer> recorded(Program& program, const Recording::Key& key, const Source& source,
                                                 const VulkanBuffer& target, const Layers& layers);
  struct Foreign;
  /// Takes foreign memory over from its producers, and gives it back.
  void barrier_before(VkCommandBuffer command, const Source& source, std::span<const Layer> layers = {}) const;
  void barrier_after(VkCommandBuffer command, const Source& source, std::span<const Layer> layers = {}) const;

  std::shared_ptr<VulkanDevice> device_;
  Options options_;
  VkOwned<VkSampler> sampler_;
  VkOwned<VkDescriptorPool> descriptors_;
  std::array<Program, 4> programs_;  ///< see program()
  VulkanBuffer table_;               ///< LayerTable of the layers being drawn: `written_`
  LayerTable written_;
  VulkanImage nothing_;  ///< bound where a layer has no image
  std::vector<Pipeline> pipelines_;
  /// The stream's, frame after frame, and which of pipelines_ is for it.
  struct Last {
    PassVariant variant;
    VkPipeline handle = VK_NULL_HANDLE;
  };
  std::array<Last, 2> last_;  ///< [compose]
  std::unique_ptr<CommandRunner> runner_;
};

}  // namespace zc
