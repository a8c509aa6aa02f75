#include "zerocopy/cuda/cuda_target.h"

#include "zerocopy/cuda/cuda_surface_pool.h"

#include <optional>
#include <utility>

namespace zc {
namespace {

class CudaTarget final : public Target {
 public:
  CudaTarget(std::shared_ptr<const cuda::Context> context, std::unique_ptr<CudaSurfacePool> pool,
             std::shared_ptr<CudaCounters> counters)
      : context_(std::move(context)), pool_(std::move(pool)), counters_(std::move(counters)) {}

  [[nodiscard]] const SurfaceLayout& layout() const override { return pool_->layout(); }
  [[nodiscard]] Result<const VulkanBuffer*> take() override {
    taken_.reset();
    auto taken = pool_->take();
    if (!taken) return std::unexpected(std::move(taken.error()));
    taken_.emplace(std::move(*taken));
    return &taken_->slot().buffer;
  }
  [[nodiscard]] Result<Surface> publish() override {
    auto surface = pool_->publish(std::move(*taken_));
    taken_.reset();
    return surface;
  }
  void retire() override {
    pool_->retire(std::move(*taken_));
    taken_.reset();
  }
  [[nodiscard]] Result<Surface> upload(const Surface& picture) override {
    if (auto taken = take(); !taken) return std::unexpected(std::move(taken.error()));
    if (auto copied = zc::upload(*context_, picture, pool_->layout(), taken_->slot()); !copied) {
      return std::unexpected(std::move(copied.error()));
    }
    counters_->uploads.fetch_add(1, std::memory_order_relaxed);
    return publish();
  }

 private:
  std::shared_ptr<const cuda::Context> context_;
  std::unique_ptr<CudaSurfacePool> pool_;
  std::shared_ptr<CudaCounters> counters_;
  std::optional<CudaSurfacePool::Taken> taken_;
};

}  // namespace

Result<std::unique_ptr<Target>> make_cuda_target(std::shared_ptr<VulkanDevice> vulkan,
                                                 std::shared_ptr<const cuda::Context> context,
                                                 const SurfaceFormat& format, std::size_t limit,
                                                 std::shared_ptr<CudaCounters> counters) {
  if (!counters) counters = std::make_shared<CudaCounters>();
  auto pool = CudaSurfacePool::create(format, limit, context, std::move(vulkan), counters);
  if (!pool) return std::unexpected(std::move(pool.error()));
  return std::make_unique<CudaTarget>(std::move(context), std::move(*pool), std::move(counters));
}

}  // namespace zc
