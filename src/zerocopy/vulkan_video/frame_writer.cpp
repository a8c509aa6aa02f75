#include "zerocopy/vulkan_video/frame_writer.h"

#include <span>
#include <utility>

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
#include <libavutil/hwcontext_vulkan.h>
#include <libavutil/version.h>
}

/// AVVulkanFramesContext.lock_frame and AVVkFrame.queue_family (doc/APIchanges).
#define ZC_AV_LOCKS_FRAMES (LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(58, 11, 100))

namespace zc {
namespace {

constexpr VkImageLayout kLeft = VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL;

AVVkFrame& vk_frame(const AVFrame& frame) { return *reinterpret_cast<AVVkFrame*>(frame.data[0]); }

/// FFmpeg's lock of what it notes about a frame.
class FrameLock {
 public:
#if ZC_AV_LOCKS_FRAMES
  explicit FrameLock(const AVFrame& frame)
      : frames_(reinterpret_cast<AVHWFramesContext*>(frame.hw_frames_ctx->data)), frame_(vk_frame(frame)) {
    static_cast<AVVulkanFramesContext*>(frames_->hwctx)->lock_frame(frames_, &frame_);
  }
  ~FrameLock() { static_cast<AVVulkanFramesContext*>(frames_->hwctx)->unlock_frame(frames_, &frame_); }

 private:
  AVHWFramesContext* frames_;
  AVVkFrame& frame_;

 public:
#else
  explicit FrameLock(const AVFrame& /*frame*/) {}
  ~FrameLock() = default;
#endif
  FrameLock(const FrameLock&) = delete;
  FrameLock& operator=(const FrameLock&) = delete;
};

VkImageAspectFlags aspect(bool together, std::size_t plane) {
  if (!together) return VK_IMAGE_ASPECT_COLOR_BIT;
  return plane == 0 ? VK_IMAGE_ASPECT_PLANE_0_BIT : VK_IMAGE_ASPECT_PLANE_1_BIT;
}

}  // namespace

Result<std::unique_ptr<FrameWriter>> FrameWriter::create(std::shared_ptr<VulkanDevice> device) {
  auto runner = CommandRunner::create(device);
  if (!runner) return std::unexpected(std::move(runner.error()));
  std::unique_ptr<FrameWriter> self(new FrameWriter(std::move(device)));
  self->runner_ = std::move(*runner);
  return self;
}

FrameWriter::~FrameWriter() = default;

void FrameWriter::prepare(const AVFrame& frame, const VulkanBuffer& from, const SurfaceLayout& layout) {
  frame_ = &frame;
  from_ = &from;
  layout_ = layout;
  const FrameLock lock(frame);
  const AVVkFrame& vk = vk_frame(frame);
  count_ = vk.img[1] == VK_NULL_HANDLE ? 1 : kPlanes;
  for (std::size_t i = 0; i < count_; ++i) {
    images_.at(i) = vk.img[i];
    waits_.at(i) = {vk.sem[i], vk.sem_value[i]};
    signals_.at(i) = {vk.sem[i], vk.sem_value[i] + 1};
  }
}

GpuSync FrameWriter::sync() const {
  return {.waits = std::span(waits_).first(count_), .signals = std::span(signals_).first(count_)};
}

void FrameWriter::record(VkCommandBuffer command) const {
  const VulkanDeviceFunctions& fn = device_->fn();
  VkMemoryBarrier made{};
  made.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
  made.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
  made.dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT;
  std::array<VkImageMemoryBarrier, kPlanes> images{};
  for (std::size_t i = 0; i < count_; ++i) {
    VkImageMemoryBarrier& image = images.at(i);
    image.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER;
    image.dstAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT;
    // Every sample is written: what was there is of no use, and no queue family has to hand it over.
    image.oldLayout = VK_IMAGE_LAYOUT_UNDEFINED;
    image.newLayout = kLeft;
    image.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
    image.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
    image.image = images_.at(i);
    image.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
  }
  fn.CmdPipelineBarrier(command, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT,
                        VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 1, &made, 0, nullptr, static_cast<std::uint32_t>(count_),
                        images.data());
  for (unsigned plane = 0; plane < kPlanes; ++plane) {
    const bool together = count_ == 1;
    // Interleaved chroma is one texel of two samples.
    const std::size_t texel_bytes = row_bytes(layout_.format, 0, 1) * (plane + 1);
    const std::uint32_t shift = plane == 0 ? 0 : 1;
    VkBufferImageCopy region{};
    region.bufferOffset = layout_.planes.at(plane).offset_bytes;
    region.bufferRowLength = static_cast<std::uint32_t>(layout_.planes.at(plane).stride_bytes / texel_bytes);
    region.imageSubresource = {aspect(together, plane), 0, 0, 1};
    region.imageExtent = {layout_.size.width >> shift, layout_.size.height >> shift, 1};
    fn.CmdCopyBufferToImage(command, from_->handle(), images_.at(together ? 0 : plane), kLeft, 1, &region);
  }
}

void FrameWriter::submitted() {
  const FrameLock lock(*frame_);
  AVVkFrame& vk = vk_frame(*frame_);
  for (std::size_t i = 0; i < count_; ++i) {
    vk.sem_value[i] = signals_.at(i).value;
    vk.layout[i] = kLeft;
    vk.access[i] = VK_ACCESS_TRANSFER_WRITE_BIT;
  }
}

Result<void> FrameWriter::write(Nanoseconds timeout) {
  const auto command = runner_->begin(timeout);
  if (!command) return std::unexpected(command.error());
  record(*command);
  auto done = runner_->finish(sync(), timeout);
  if (done || runner_->pending()) submitted();
  return done;
}

}  // namespace zc
