#include "zerocopy/vaapi/plane_writer.h"

#include <utility>

namespace zc {
namespace {

constexpr VkPipelineStageFlags kWork = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
constexpr VkAccessFlags kWrites = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
constexpr VkImageLayout kFilled = VK_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL;

VkImageMemoryBarrier barrier_of(const VulkanImage& image) {
  VkImageMemoryBarrier barrier{};
  barrier.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER;
  barrier.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
  barrier.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
  barrier.image = image.handle();
  barrier.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
  return barrier;
}

}  // namespace

Result<std::unique_ptr<PlaneWriter>> PlaneWriter::create(std::shared_ptr<VulkanDevice> device) {
  auto runner = CommandRunner::create(device);
  if (!runner) return std::unexpected(std::move(runner.error()));
  return std::unique_ptr<PlaneWriter>(new PlaneWriter(std::move(device), std::move(*runner)));
}

void PlaneWriter::prepare(const SurfaceMemory& surface, const VulkanBuffer& from, const SurfaceLayout& layout) {
  surface_ = &surface;
  from_ = &from;
  layout_ = layout;
}

void PlaneWriter::record(VkCommandBuffer command) const {
  if (!surface_->whole) return copy(command);
  // Nothing was taken over before: every sample is written. A later picture may read from it, which changes nothing.
  VkBufferMemoryBarrier given{};
  given.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER;
  given.srcAccessMask = kWrites;
  given.srcQueueFamilyIndex = device_->queue_family();
  given.dstQueueFamilyIndex = device_->foreign_family();
  given.buffer = surface_->whole.handle();
  given.size = VK_WHOLE_SIZE;
  device_->fn().CmdPipelineBarrier(command, kWork, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, 0, 0, nullptr, 1, &given, 0,
                                   nullptr);
}

void PlaneWriter::copy(VkCommandBuffer command) const {
  const VulkanDeviceFunctions& fn = device_->fn();
  const auto& planes = surface_->planes;
  VkMemoryBarrier made{};
  made.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
  made.srcAccessMask = kWrites;
  made.dstAccessMask = VK_ACCESS_TRANSFER_READ_BIT;
  std::array barriers{barrier_of(planes[0]), barrier_of(planes[1])};
  for (VkImageMemoryBarrier& image : barriers) {
    // Every sample is written: what was there is of no use, and nobody has to hand it over.
    image.dstAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT;
    image.oldLayout = VK_IMAGE_LAYOUT_UNDEFINED;
    image.newLayout = kFilled;
  }
  fn.CmdPipelineBarrier(command, kWork, VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 1, &made, 0, nullptr, barriers.size(),
                        barriers.data());
  for (unsigned i = 0; i < planes.size(); ++i) {
    const SurfaceLayout::Plane& plane = layout_.planes.at(i);
    const Size size = planes.at(i).size();
    // Interleaved chroma is one texel of two samples.
    const std::size_t texel_bytes = row_bytes(layout_.format, 0, 1) * (i + 1);
    VkBufferImageCopy region{};
    region.bufferOffset = plane.offset_bytes;
    region.bufferRowLength = static_cast<std::uint32_t>(plane.stride_bytes / texel_bytes);
    region.imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
    region.imageExtent = {size.width, size.height, 1};
    fn.CmdCopyBufferToImage(command, from_->handle(), planes.at(i).handle(), kFilled, 1, &region);
  }
  for (VkImageMemoryBarrier& image : barriers) {
    image.srcAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT;
    image.dstAccessMask = 0;
    image.oldLayout = kFilled;
    image.newLayout = VK_IMAGE_LAYOUT_GENERAL;
    image.srcQueueFamilyIndex = device_->queue_family();
    image.dstQueueFamilyIndex = device_->foreign_family();
  }
  fn.CmdPipelineBarrier(command, VK_PIPELINE_STAGE_TRANSFER_BIT, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, 0, 0, nullptr, 0,
                        nullptr, barriers.size(), barriers.data());
}

Result<void> PlaneWriter::write(Nanoseconds timeout) {
  const auto command = runner_->begin(timeout);
  if (!command) return std::unexpected(command.error());
  record(*command);
  return runner_->finish({}, timeout);
}

}  // namespace zc
