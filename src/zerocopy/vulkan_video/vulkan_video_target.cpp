#include "zerocopy/vulkan_video/vulkan_video_target.h"

#include "media/av_log.h"
#include "zerocopy/vulkan_video/frame_pool.h"
#include "zerocopy/vulkan_video/frame_trial.h"
#include "zerocopy/vulkan_video/frame_writer.h"

#include <array>
#include <utility>

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
}

namespace zc {
namespace {

/// Of the rows in the buffer a picture is made in: what copies from buffers to images like best
/// (VkPhysicalDeviceLimits::optimalBufferCopyRowPitchAlignment is at most this on desktop GPUs).
constexpr std::size_t kAlignment = 256;

class VulkanVideoTarget final : public Target {
 public:
  VulkanVideoTarget(const SurfaceLayout& layout, std::unique_ptr<VulkanFramePool> pool,
                    std::unique_ptr<FrameWriter> writer, std::array<VulkanBuffer, 2> made)
      : layout_(layout), pool_(std::move(pool)), made_(std::move(made)), writer_(std::move(writer)) {}

  [[nodiscard]] const SurfaceLayout& layout() const override { return layout_; }
  [[nodiscard]] Result<const VulkanBuffer*> take() override {
    taken_ = {};
    auto taken = pool_->take();
    if (!taken) return std::unexpected(std::move(taken.error()));
    taken_ = std::move(*taken);
    writer_->prepare(*taken_.av_frame(), made_.at(side_), layout_);
    return &made_.at(side_);
  }
  [[nodiscard]] PassTail* tail() override { return writer_.get(); }
  [[nodiscard]] Result<void> run_tail(Nanoseconds timeout) override { return writer_->write(timeout); }
  [[nodiscard]] Result<Surface> publish() override {
    side_ = 1 - side_;
    return std::move(taken_);
  }
  void retire() override { leave_alive(std::move(taken_)); }
  [[nodiscard]] Result<Surface> upload(const Surface& picture) override {
    taken_ = {};
    auto surface = pool_->take();
    if (!surface) return surface;
    const AvLogCapture log;
    if (const int code = av_hwframe_transfer_data(surface->av_frame(), picture.av_frame(), 0); code < 0) {
      return std::unexpected(
          Error{ErrorKind::Lost, ErrorDomain::FFmpeg, code, "upload a picture with Vulkan", log.text()});
    }
    return surface;
  }

 private:
  SurfaceLayout layout_;
  std::unique_ptr<VulkanFramePool> pool_;
  Surface taken_;
  std::array<VulkanBuffer, 2> made_;     ///< where pictures are made: the newest, and the next one
  std::size_t side_ = 0;                 ///< of `made_`, for the next one
  std::unique_ptr<FrameWriter> writer_;  ///< dies first: the GPU may still be at work for it
};

}  // namespace

Result<std::unique_ptr<Target>> make_vulkan_video_target(const std::shared_ptr<VulkanDevice>& device,
                                                         const SurfaceFormat& format, std::size_t limit) {
  auto pool = VulkanFramePool::create(format, limit, *device->adopted());
  if (!pool) return std::unexpected(std::move(pool.error()));
  if (auto tried = try_vulkan_frames(device, format.format); !tried) return std::unexpected(std::move(tried.error()));
  auto writer = FrameWriter::create(device);
  if (!writer) return std::unexpected(std::move(writer.error()));
  const SurfaceLayout layout = surface_layout(format.format, format.size, kAlignment);
  std::array<VulkanBuffer, 2> made;
  for (VulkanBuffer& buffer : made) {
    auto fresh = device->gpu().missing_for(VulkanUse::Export).empty()
                     ? VulkanBuffer::create_exportable(device, layout.bytes)
                     : VulkanBuffer::create_device(device, layout.bytes);
    if (!fresh) return std::unexpected(std::move(fresh.error()));
    buffer = std::move(*fresh);
  }
  return std::make_unique<VulkanVideoTarget>(layout, std::move(*pool), std::move(*writer), std::move(made));
}

}  // namespace zc
