// The conversion pass with layers: what they need once, and how a pass is told of them.
#include "zerocopy/vulkan/conversion_pass.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace zc {

Result<void> ConversionPass::check_layers(const VulkanDevice& device) {
  const VkPhysicalDeviceLimits& limits = device.limits();
  const std::uint32_t buffers =
      std::min(limits.maxPerStageDescriptorStorageBuffers, limits.maxDescriptorSetStorageBuffers);
  const std::uint32_t images = std::min({limits.maxPerStageDescriptorSampledImages,
                                         limits.maxPerStageDescriptorSamplers, limits.maxDescriptorSetSampledImages});
  constexpr std::uint32_t kInvocations = kComposeWorkgroup[0] * kComposeWorkgroup[1];
  if (limits.maxComputeWorkGroupInvocations < kInvocations) {
    return fail(ErrorKind::Unsupported, "draw layers on " + device.gpu().name,
                fmt::format("a workgroup has {} invocations at the most, layers take {}",
                            limits.maxComputeWorkGroupInvocations, kInvocations));
  }
  if (buffers >= kLayerBuffers + 3 && images > kLayerImages) return {};
  return fail(ErrorKind::Unsupported, "draw layers on " + device.gpu().name,
              fmt::format("it binds {} buffers and {} images at a time, layers take {} and {}", buffers, images,
                          kLayerBuffers + 3, kLayerImages + 1));
}

Result<void> ConversionPass::make_layer_objects(ProgramKind kind) {
  if (!table_) {
    auto table = VulkanBuffer::create_upload(device_, sizeof(LayerTable));
    if (!table) return std::unexpected(std::move(table.error()));
    table_ = std::move(*table);
  }
  if (nothing_.view() == VK_NULL_HANDLE) {
    auto nothing = VulkanImage::create(device_, PixelFormat::BGRx, {1, 1});
    if (!nothing) return std::unexpected(std::move(nothing.error()));
    // Any four bytes: it is never read, but has to be in the layout that it is bound in.
    if (auto filled = upload(table_, *nothing, device_->patience()); !filled) return filled;
    nothing_ = std::move(*nothing);
  }
  return program(kind).complete() ? Result<void>{} : make_program(kind);
}

std::array<std::uint32_t, 2> ConversionPass::write_table(const Layers& layers, Size surface) {
  LayerTable table;
  const std::span<const Layer> drawn = layers.drawn;
  for (std::size_t i = 0; i < drawn.size(); ++i) table.layers.at(i) = drawn[i].geometry;
  set_areas(table, drawn.size(), layers.beneath != nullptr, surface);
  if (table != written_) std::memcpy(table_.mapped(), &table, sizeof table);
  written_ = table;
  return compose_groups(table);
}

void ConversionPass::bind_layers(const Layers& layers, const VulkanBuffer& target, VkDescriptorSet set) const {
  const std::span<const Layer> drawn = layers.drawn;
  const VkDescriptorBufferInfo table{table_.handle(), 0, VK_WHOLE_SIZE};
  // Every place has to hold something.
  std::array<VkDescriptorBufferInfo, kLayerBuffers> buffers{};
  buffers.fill({target.handle(), 0, VK_WHOLE_SIZE});
  std::array<VkDescriptorImageInfo, kLayerImages> images{};
  images.fill({sampler_.get(), nothing_.view(), VK_IMAGE_LAYOUT_GENERAL});
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    if (drawn[i].buffer != nullptr) buffers.at(i).buffer = drawn[i].buffer->handle();
    if (drawn[i].image != nullptr) images.at(i).imageView = drawn[i].image->view();
  }
  const VkDescriptorBufferInfo beneath{layers.beneath != nullptr ? layers.beneath->handle() : target.handle(), 0,
                                       VK_WHOLE_SIZE};
  std::array<VkWriteDescriptorSet, 4> writes{};
  for (std::uint32_t i = 0; i < writes.size(); ++i) {
    writes.at(i).sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET;
    writes.at(i).dstSet = set;
    writes.at(i).dstBinding = 2 + i;
  }
  writes[0].descriptorCount = 1;
  writes[0].descriptorType = VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER;
  writes[0].pBufferInfo = &table;
  writes[1].descriptorCount = kLayerBuffers;
  writes[1].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
  writes[1].pBufferInfo = buffers.data();
  writes[2].descriptorCount = kLayerImages;
  writes[2].descriptorType = VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER;
  writes[2].pImageInfo = images.data();
  writes[3].dstBinding = kBeneath;
  writes[3].descriptorCount = 1;
  writes[3].descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
  writes[3].pBufferInfo = &beneath;
  device_->fn().UpdateDescriptorSets(device_->handle(), writes.size(), writes.data(), 0, nullptr);
}

}  // namespace zc
