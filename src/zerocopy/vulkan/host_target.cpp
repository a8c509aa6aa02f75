#include "zerocopy/vulkan/host_target.h"

#include "zerocopy/cpu/surface_pool.h"
#include "zerocopy/vulkan/vulkan_buffer.h"

#include <utility>

namespace zc {
namespace {

class VulkanMemory final : public SurfaceMemory {
 public:
  explicit VulkanMemory(VulkanBuffer buffer) : buffer_(std::move(buffer)) {}
  [[nodiscard]] std::byte* data() const override { return buffer_.mapped(); }
  [[nodiscard]] const VulkanBuffer& buffer() const { return buffer_; }

 private:
  VulkanBuffer buffer_;
};

class HostTarget final : public Target {
 public:
  HostTarget(std::shared_ptr<VulkanDevice> device, const SurfaceFormat& format, std::size_t limit)
      : pool_(format, limit, [device = std::move(device)](std::size_t bytes) { return allocate(device, bytes); }) {}

  [[nodiscard]] const SurfaceLayout& layout() const override { return pool_.layout(); }
  [[nodiscard]] Result<const VulkanBuffer*> take() override {
    auto taken = pool_.take();
    if (!taken) return std::unexpected(std::move(taken.error()));
    taken_ = *taken;
    return &memory().buffer();
  }
  [[nodiscard]] Result<Surface> publish() override {
    if (auto visible = memory().buffer().invalidate(); !visible) return std::unexpected(std::move(visible.error()));
    return pool_.publish(*taken_);
  }
  void retire() override { pool_.retire(*taken_); }
  /// It is where it should be.
  [[nodiscard]] Result<Surface> upload(const Surface& picture) override { return picture.share(); }

 private:
  static Result<std::unique_ptr<SurfaceMemory>> allocate(const std::shared_ptr<VulkanDevice>& device,
                                                         std::size_t bytes) {
    auto buffer = VulkanBuffer::create_host(device, bytes);
    if (!buffer) return std::unexpected(std::move(buffer.error()));
    return std::make_unique<VulkanMemory>(std::move(*buffer));
  }
  [[nodiscard]] const VulkanMemory& memory() const {
    return static_cast<const VulkanMemory&>(*taken_->memory);  // NOLINT(*-static-cast-downcast): all are allocate()'s
  }

  SurfacePool pool_;
  SurfacePool::Buffer* taken_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<Target>> make_host_target(std::shared_ptr<VulkanDevice> device, const SurfaceFormat& format,
                                                 std::size_t limit) {
  return std::make_unique<HostTarget>(std::move(device), format, limit);
}

}  // namespace zc
