#include "zerocopy/vulkan/conversion_pass.h"

#include "zerocopy/cpu/yuv_coefficients.h"
#include "zerocopy/cpu/yuv_view.h"
#include "zerocopy/vulkan/cursor_pass.h"

#include <fmt/format.h>

#include <algorithm>

namespace zc {
namespace {

VkBufferMemoryBarrier ownership(const VulkanBuffer& buffer, VkAccessFlags before, VkAccessFlags after,
                                std::uint32_t from, std::uint32_t to) {
  VkBufferMemoryBarrier barrier{};
  barrier.sType = VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER;
  barrier.srcAccessMask = before;
  barrier.dstAccessMask = after;
  barrier.srcQueueFamilyIndex = from;
  barrier.dstQueueFamilyIndex = to;
  barrier.buffer = buffer.handle();
  barrier.size = VK_WHOLE_SIZE;
  return barrier;
}

/// A foreign image is handed over in VK_IMAGE_LAYOUT_GENERAL, in which its contents are preserved.
VkImageMemoryBarrier ownership(const VulkanImage& image, VkAccessFlags before, VkAccessFlags after, std::uint32_t from,
                               std::uint32_t to) {
  VkImageMemoryBarrier barrier{};
  barrier.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER;
  barrier.srcAccessMask = before;
  barrier.dstAccessMask = after;
  barrier.oldLayout = VK_IMAGE_LAYOUT_GENERAL;
  barrier.newLayout = VK_IMAGE_LAYOUT_GENERAL;
  barrier.srcQueueFamilyIndex = from;
  barrier.dstQueueFamilyIndex = to;
  barrier.image = image.handle();
  barrier.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
  return barrier;
}

constexpr VkPipelineStageFlags kWork = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
constexpr VkAccessFlags kReads = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT;
constexpr VkAccessFlags kWrites = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;

}  // namespace

Result<void> ConversionPass::check(const Source& source, const PicturePlan& plan, const VulkanBuffer& target,
                                   const SurfaceLayout& layout, const Layers& layers) const {
  constexpr std::string_view kWhat = "convert on the GPU";
  const bool main = source.buffer != nullptr || source.image != nullptr;
  if (main && !rgb_fields(plan.format).valid) {
    return fail(ErrorKind::Unsupported, std::string(kWhat), fmt::format("{} pictures", name(plan.format)));
  }
  if (!yuv_layout(layout.format).valid) {
    return fail(ErrorKind::Unsupported, std::string(kWhat), fmt::format("{} surfaces", name(layout.format)));
  }
  if (main && !pass_takes(plan))
    return fail(ErrorKind::Unsupported, std::string(kWhat), "the picture shrinks too much");
  // An invocation stores eight samples of a plane at once, four where chroma is planar and subsampled.
  for (unsigned i = 0; i < info(layout.format).planes; ++i) {
    if (layout.planes.at(i).stride_bytes % 64 != 0 || layout.planes.at(i).offset_bytes % 64 != 0) {
      return fail(ErrorKind::Invalid, std::string(kWhat), "planes of the surface are not on multiples of 64 bytes");
    }
  }
  if (layout.bytes > target.bytes()) return fail(ErrorKind::Invalid, std::string(kWhat), "the surface is too small");
  const std::size_t limit = std::min<std::size_t>(device_->limits().maxStorageBufferRange, 0x7fff'ffffU);
  const std::size_t needed = source.buffer != nullptr ? source_bytes(source.plane, plan.buffer) : 0;
  if (target.bytes() > limit || (source.buffer != nullptr && source.buffer->bytes() > limit)) {
    return fail(ErrorKind::Unsupported, std::string(kWhat),
                fmt::format("buffers over {} bytes, which is this device's limit", limit));
  }
  if (source.buffer != nullptr && needed > source.buffer->bytes()) {
    return fail(ErrorKind::Invalid, std::string(kWhat), "the source is shorter than its rows");
  }
  if (source.image != nullptr && (source.image->size() != plan.buffer || source.image->format() != plan.format)) {
    return fail(ErrorKind::Invalid, std::string(kWhat), "the image is not the plan's");
  }
  if (source.buffer != nullptr ? source.image != nullptr : source.image == nullptr && layers.drawn.empty()) {
    return fail(ErrorKind::Invalid, std::string(kWhat), "the source is neither a buffer nor an image");
  }
  if (layers.drawn.size() > LayerTable::kSlots) {
    return fail(ErrorKind::Invalid, std::string(kWhat), fmt::format("more than {} layers", kMostLayers));
  }
  for (const Layer& layer : layers.drawn) {
    if ((layer.buffer == nullptr) == (layer.image == nullptr)) {
      return fail(ErrorKind::Invalid, std::string(kWhat), "a layer is neither a buffer nor an image");
    }
    if (layer.buffer != nullptr && layer.buffer->bytes() > limit) {
      return fail(ErrorKind::Unsupported, std::string(kWhat),
                  fmt::format("layers over {} bytes, which is this device's limit", limit));
    }
  }
  if (layers.beneath != nullptr && layers.beneath->bytes() < layout.bytes) {
    return fail(ErrorKind::Invalid, std::string(kWhat), "what lies beneath the layers does not fit its buffer");
  }
  return {};
}

void ConversionPass::bind(const Source& source, const VulkanBuffer& target, const Layers& layers,
                          VkDescriptorSet set) const {
  VkDescriptorBufferInfo from{};
  VkDescriptorImageInfo image{};
  if (source.image == nullptr) {
    // Without a main picture it is bound alone, and not read.
    from = {(source.buffer != nullptr ? *source.buffer : target).handle(), 0, VK_WHOLE_SIZE};
  } else {
    image = {sampler_.get(), source.image->view(), VK_IMAGE_LAYOUT_GENERAL};
  }
  const VkDescriptorBufferInfo to{target.handle(), 0, VK_WHOLE_SIZE};
  std::array<VkWriteDescriptorSet, 2> writes{};
  for (std::uint32_t i = 0; i < writes.size(); ++i) {
    writes.at(i).sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET;
    writes.at(i).dstSet = set;
    writes.at(i).dstBinding = i;
    writes.at(i).descriptorCount = 1;
    writes.at(i).descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
  }
  writes[0].pBufferInfo = &from;
  if (source.image != nullptr) {
    writes[0].descriptorType = VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER;
    writes[0].pImageInfo = &image;
  }
  writes[1].pBufferInfo = &to;
  device_->fn().UpdateDescriptorSets(device_->handle(), writes.size(), writes.data(), 0, nullptr);
  if (!layers.drawn.empty()) bind_layers(layers, target, set);
}

/// What is foreign of a picture and its layers, each once.
struct ConversionPass::Foreign {
  Foreign(const Source& source, std::span<const Layer> layers) {
    add(source.buffer);
    add(source.image);
    for (const Layer& layer : layers) {
      add(layer.buffer);
      add(layer.image);
    }
  }
  [[nodiscard]] bool none() const { return buffer_count == 0 && image_count == 0; }
  void hand(VkAccessFlags before, VkAccessFlags after, std::uint32_t from, std::uint32_t to) {
    for (std::uint32_t i = 0; i < buffer_count; ++i) {
      buffer_barriers.at(i) = ownership(*buffers.at(i), before, after, from, to);
    }
    for (std::uint32_t i = 0; i < image_count; ++i) {
      image_barriers.at(i) = ownership(*images.at(i), before, after, from, to);
    }
  }

  static constexpr std::size_t kMost = LayerTable::kSlots + 1;
  std::array<const VulkanBuffer*, kMost> buffers{};
  std::array<const VulkanImage*, kMost> images{};
  std::array<VkBufferMemoryBarrier, kMost> buffer_barriers{};
  std::array<VkImageMemoryBarrier, kMost> image_barriers{};
  std::uint32_t buffer_count = 0, image_count = 0;

 private:
  void add(const VulkanBuffer* buffer) {
    if (buffer == nullptr || !buffer->foreign()) return;
    if (std::ranges::find(buffers, buffer) == buffers.end()) buffers.at(buffer_count++) = buffer;
  }
  void add(const VulkanImage* image) {
    if (image == nullptr || !image->foreign()) return;
    if (std::ranges::find(images, image) == images.end()) images.at(image_count++) = image;
  }
};

void ConversionPass::barrier_before(VkCommandBuffer command, const Source& source,
                                    std::span<const Layer> layers) const {
  Foreign foreign(source, layers);
  if (foreign.none()) return;
  foreign.hand(0, kReads, device_->foreign_family(), device_->queue_family());
  device_->fn().CmdPipelineBarrier(command, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, kWork, 0, 0, nullptr,
                                   foreign.buffer_count, foreign.buffer_barriers.data(), foreign.image_count,
                                   foreign.image_barriers.data());
}

void ConversionPass::barrier_after(VkCommandBuffer command, const Source& source, std::span<const Layer> layers) const {
  VkMemoryBarrier written{};
  written.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
  written.srcAccessMask = kWrites;
  written.dstAccessMask = VK_ACCESS_HOST_READ_BIT | VK_ACCESS_MEMORY_READ_BIT;
  Foreign foreign(source, layers);
  foreign.hand(kReads, 0, device_->queue_family(), device_->foreign_family());
  device_->fn().CmdPipelineBarrier(command, kWork, VK_PIPELINE_STAGE_HOST_BIT | VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, 0,
                                   1, &written, foreign.buffer_count, foreign.buffer_barriers.data(),
                                   foreign.image_count, foreign.image_barriers.data());
}

Result<void> ConversionPass::run(const Source& source, const PicturePlan& plan, const VulkanBuffer& target,
                                 const SurfaceLayout& layout, const ColourDescription& colour, Nanoseconds timeout,
                                 CursorPass* cursor, PassTail* tail, const Layers& layers) {
  if (auto fine = check(source, plan, target, layout, layers); !fine) return fine;
  const bool image = source.image != nullptr;
  const ProgramKind kind{.image = image, .layers = !layers.drawn.empty()};
  PassVariant variant =
      pass_variant(plan, source.plane, {.format = layout.format, .size = layout.size, .colour = colour}, image);
  variant.layers = kind.layers;
  variant.main = image || source.buffer != nullptr;
  if (!variant.main) variant.turned = variant.scaled = false;
  if (auto settled = runner_->settle(timeout); !settled) return settled;
  if (kind.layers) {
    if (auto made = make_layer_objects(kind); !made) return made;
  }
  make_room();
  const auto pipe = pipeline(variant);
  if (!pipe) return std::unexpected(pipe.error());
  Recording::Key key{.source = image          ? source.image->id()
                               : variant.main ? source.buffer->id()
                                              : 0,
                     .target = target.id(),
                     .pipeline = *pipe,
                     .geometry = pass_geometry(plan, source.plane, layout),
                     .groups = groups(layout.size, image)};
  if (kind.layers) {
    variant.compose = true;
    for (std::size_t i = 0; i < layers.drawn.size(); ++i) variant.traits.at(i) = layers.drawn[i].geometry.traits();
    const auto compose = pipeline(variant);
    if (!compose) return std::unexpected(compose.error());
    key.compose = *compose;
    key.compose_groups = write_table(layers, layout.size);
    key.beneath = layers.beneath != nullptr ? layers.beneath->id() : 0;
    for (std::size_t i = 0; i < layers.drawn.size(); ++i) {
      const Layer& layer = layers.drawn[i];
      key.layers.at(i) = layer.buffer != nullptr ? layer.buffer->id() : layer.image->id();
    }
  }
  Program& used = program(kind);
  if (cursor == nullptr && tail == nullptr) {
    const auto command = recorded(used, key, source, target, layers);
    if (!command) return std::unexpected(command.error());
    return runner_->submit(*command, {}, timeout);
  }
  const auto begun = runner_->begin(timeout);
  if (!begun) return std::unexpected(begun.error());
  bind(source, target, layers, used.set);
  barrier_before(*begun, source, layers.drawn);
  dispatch(*begun, key, used, used.set);
  if (cursor != nullptr) cursor->record(*begun);
  if (tail != nullptr) tail->record(*begun);
  barrier_after(*begun, source, layers.drawn);
  auto done = runner_->finish(tail != nullptr ? tail->sync() : GpuSync{}, timeout);
  if (tail != nullptr && (done || runner_->pending())) tail->submitted();
  return done;
}

void ConversionPass::dispatch(VkCommandBuffer command, const Recording::Key& key, const Program& program,
                              VkDescriptorSet set) const {
  const VulkanDeviceFunctions& fn = device_->fn();
  fn.CmdBindDescriptorSets(command, VK_PIPELINE_BIND_POINT_COMPUTE, program.layout.get(), 0, 1, &set, 0, nullptr);
  fn.CmdPushConstants(command, program.layout.get(), VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof key.geometry,
                      &key.geometry);
  // Each makes blocks of its own, so that neither waits for the other. What takes longer goes first.
  if (key.compose_groups[0] != 0) {
    fn.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_COMPUTE, key.compose);
    fn.CmdDispatch(command, key.compose_groups[0], key.compose_groups[1], 1);
  }
  fn.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_COMPUTE, key.pipeline);
  fn.CmdDispatch(command, key.groups[0], key.groups[1], 1);
}

std::array<std::uint32_t, 2> ConversionPass::groups(Size surface, bool image) const {
  const std::uint32_t across = kPassBlockWidth * static_cast<std::uint32_t>(workgroup(image)[0]);
  const std::uint32_t down = kPassBlockHeight * static_cast<std::uint32_t>(workgroup(image)[1]);
  return {(surface.width + across - 1) / across, (surface.height + down - 1) / down};
}

Result<VkCommandBuffer> ConversionPass::recorded(Program& program, const Recording::Key& key, const Source& source,
                                                 const VulkanBuffer& target, const Layers& layers) {
  const auto known = std::ranges::find(program.recordings, key, &Recording::key);
  if (known != program.recordings.end()) return known->command;
  if (program.recordings.size() < kRecordings) {
    auto command = runner_->allocate();
    if (!command) return std::unexpected(std::move(command.error()));
    auto set = make_set(program);
    if (!set) return std::unexpected(std::move(set.error()));
    program.oldest = program.recordings.size();
    program.recordings.push_back({.key = {}, .command = *command, .set = *set});
  }
  Recording& recording = program.recordings.at(program.oldest);
  program.oldest = (program.oldest + 1) % kRecordings;
  recording.key = {};
  bind(source, target, layers, recording.set);
  if (auto begun = runner_->keep(recording.command); !begun) return std::unexpected(std::move(begun.error()));
  barrier_before(recording.command, source, layers.drawn);
  dispatch(recording.command, key, program, recording.set);
  barrier_after(recording.command, source, layers.drawn);
  if (auto ended = runner_->end(recording.command); !ended) return std::unexpected(std::move(ended.error()));
  recording.key = key;
  return recording.command;
}

Result<void> ConversionPass::copy(const VulkanBuffer& source, const VulkanBuffer& target, std::size_t bytes,
                                  Nanoseconds timeout) {
  if (bytes > source.bytes() || bytes > target.bytes()) {
    return fail(ErrorKind::Invalid, "copy on the GPU", "more bytes than there are");
  }
  const auto begun = runner_->begin(timeout);
  if (!begun) return std::unexpected(begun.error());
  VkCommandBuffer command = *begun;
  const VkBufferCopy region{0, 0, bytes};
  barrier_before(command, {.buffer = &source});
  device_->fn().CmdCopyBuffer(command, source.handle(), target.handle(), 1, &region);
  barrier_after(command, {.buffer = &source});
  return runner_->finish({}, timeout);
}

Result<void> ConversionPass::upload(const VulkanBuffer& source, VulkanImage& target, Nanoseconds timeout) {
  if (target.size().area() * 4 > source.bytes()) {
    return fail(ErrorKind::Invalid, "fill a GPU image", "the buffer is shorter than the image");
  }
  const auto begun = runner_->begin(timeout);
  if (!begun) return std::unexpected(begun.error());
  VkCommandBuffer command = *begun;
  VkImageMemoryBarrier barrier{};
  barrier.sType = VK_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER;
  barrier.dstAccessMask = VK_ACCESS_TRANSFER_WRITE_BIT;
  barrier.oldLayout = VK_IMAGE_LAYOUT_UNDEFINED;
  barrier.newLayout = VK_IMAGE_LAYOUT_GENERAL;
  barrier.srcQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
  barrier.dstQueueFamilyIndex = VK_QUEUE_FAMILY_IGNORED;
  barrier.image = target.handle();
  barrier.subresourceRange = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1};
  const VulkanDeviceFunctions& fn = device_->fn();
  fn.CmdPipelineBarrier(command, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, VK_PIPELINE_STAGE_TRANSFER_BIT, 0, 0, nullptr, 0,
                        nullptr, 1, &barrier);
  VkBufferImageCopy region{};
  region.imageSubresource = {VK_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1};
  region.imageExtent = {target.size().width, target.size().height, 1};
  fn.CmdCopyBufferToImage(command, source.handle(), target.handle(), VK_IMAGE_LAYOUT_GENERAL, 1, &region);
  barrier_after(command, {});
  return runner_->finish({}, timeout);
}

}  // namespace zc
