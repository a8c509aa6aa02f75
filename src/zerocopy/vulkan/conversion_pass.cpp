#include "zerocopy/vulkan/conversion_pass.h"

#include "zerocopy/cpu/yuv_coefficients.h"
#include "zerocopy/cpu/yuv_view.h"
#include "zerocopy/vulkan/cursor_pass.h"
#include "zerocopy_shaders/rgb_to_yuv_buffer.h"
#include "zerocopy_shaders/rgb_to_yuv_buffer_scaled.h"
#include "zerocopy_shaders/rgb_to_yuv_image.h"
#include "zerocopy_shaders/rgb_to_yuv_image_scaled.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

namespace zc {
namespace {

/// More variants than any stream goes through; a hostile one that changes its format for ever does not grow memory.
constexpr std::size_t kMaxPipelines = 16;

std::uint32_t groups(std::uint32_t edge, std::uint32_t block, std::int32_t workgroup) {
  const std::uint32_t step = block * static_cast<std::uint32_t>(workgroup);
  return (edge + step - 1) / step;
}

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

std::span<const std::uint32_t> pass_code(bool image, bool scaled) {
  if (image) return scaled ? std::span<const std::uint32_t>(kRgbToYuvImageScaled) : kRgbToYuvImage;
  return scaled ? std::span<const std::uint32_t>(kRgbToYuvBufferScaled) : kRgbToYuvBuffer;
}

constexpr VkPipelineStageFlags kWork = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;
constexpr VkAccessFlags kReads = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_TRANSFER_READ_BIT;
constexpr VkAccessFlags kWrites = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;

}  // namespace

Result<std::unique_ptr<ConversionPass>> ConversionPass::create(std::shared_ptr<VulkanDevice> device,
                                                               const Options& options) {
  std::unique_ptr<ConversionPass> self(new ConversionPass(std::move(device), options));
  if (auto made = self->make_objects(); !made) return std::unexpected(std::move(made.error()));
  for (const bool image : {false, true}) {
    if (auto made = self->make_program(image); !made) return std::unexpected(std::move(made.error()));
  }
  return self;
}

ConversionPass::~ConversionPass() {
  if (runner_ == nullptr || runner_->close()) return;
  for (Program& p : programs_) {
    p.set_layout.leak();
    p.layout.leak();
    for (auto& module : p.modules) module.leak();
  }
  for (Pipeline& p : pipelines_) p.handle.leak();
  sampler_.leak();
  descriptors_.leak();
}

Result<void> ConversionPass::make_objects() {
  const VulkanDeviceFunctions& fn = device_->fn();
  VkDevice device = device_->handle();

  VkSamplerCreateInfo sampler_info{};  // nearest, which is all that texelFetch needs
  sampler_info.sType = VK_STRUCTURE_TYPE_SAMPLER_CREATE_INFO;
  VkSampler sampler = VK_NULL_HANDLE;
  VkResult r = fn.CreateSampler(device, &sampler_info, nullptr, &sampler);
  if (r != VK_SUCCESS) return fail_vk(r, "make the conversion pass");
  sampler_ = {device, sampler, fn.DestroySampler};

  const std::array<VkDescriptorPoolSize, 2> sizes{
      {{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 3}, {VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, 1}}};
  VkDescriptorPoolCreateInfo pool_info{};
  pool_info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO;
  pool_info.maxSets = 2;
  pool_info.poolSizeCount = sizes.size();
  pool_info.pPoolSizes = sizes.data();
  VkDescriptorPool pool = VK_NULL_HANDLE;
  r = fn.CreateDescriptorPool(device, &pool_info, nullptr, &pool);
  if (r != VK_SUCCESS) return fail_vk(r, "make the conversion pass");
  descriptors_ = {device, pool, fn.DestroyDescriptorPool};

  auto runner = CommandRunner::create(device_, options_.spin);
  if (!runner) return std::unexpected(std::move(runner.error()));
  runner_ = std::move(*runner);
  pipelines_.reserve(kMaxPipelines);
  return {};
}

Result<void> ConversionPass::make_program(bool image) {
  const VulkanDeviceFunctions& fn = device_->fn();
  VkDevice device = device_->handle();
  Program& program = programs_.at(image ? 1 : 0);

  const VkDescriptorType source = image ? VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
  const std::array<VkDescriptorSetLayoutBinding, 2> bindings{
      {{0, source, 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr},
       {1, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr}}};
  VkDescriptorSetLayoutCreateInfo set_info{};
  set_info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO;
  set_info.bindingCount = bindings.size();
  set_info.pBindings = bindings.data();
  VkDescriptorSetLayout set_layout = VK_NULL_HANDLE;
  VkResult r = fn.CreateDescriptorSetLayout(device, &set_info, nullptr, &set_layout);
  if (r != VK_SUCCESS) return fail_vk(r, "make the conversion pass");
  program.set_layout = {device, set_layout, fn.DestroyDescriptorSetLayout};

  VkDescriptorSetAllocateInfo allocate{};
  allocate.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO;
  allocate.descriptorPool = descriptors_.get();
  allocate.descriptorSetCount = 1;
  allocate.pSetLayouts = &set_layout;
  r = fn.AllocateDescriptorSets(device, &allocate, &program.set);
  if (r != VK_SUCCESS) return fail_vk(r, "make the conversion pass");

  const VkPushConstantRange constants{VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(PassGeometry)};
  VkPipelineLayoutCreateInfo layout_info{};
  layout_info.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO;
  layout_info.setLayoutCount = 1;
  layout_info.pSetLayouts = &set_layout;
  layout_info.pushConstantRangeCount = 1;
  layout_info.pPushConstantRanges = &constants;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  r = fn.CreatePipelineLayout(device, &layout_info, nullptr, &layout);
  if (r != VK_SUCCESS) return fail_vk(r, "make the conversion pass");
  program.layout = {device, layout, fn.DestroyPipelineLayout};

  for (const bool scaled : {false, true}) {
    const std::span<const std::uint32_t> code = pass_code(image, scaled);
    VkShaderModuleCreateInfo module_info{};
    module_info.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO;
    module_info.codeSize = code.size_bytes();
    module_info.pCode = code.data();
    VkShaderModule module = VK_NULL_HANDLE;
    r = fn.CreateShaderModule(device, &module_info, nullptr, &module);
    if (r != VK_SUCCESS) return fail_vk(r, "make the conversion pass");
    program.modules.at(scaled ? 1 : 0) = {device, module, fn.DestroyShaderModule};
  }
  return {};
}

Result<VkPipeline> ConversionPass::pipeline(const PassVariant& variant) {
  if (last_ != VK_NULL_HANDLE && variant == last_variant_) return last_;
  last_variant_ = variant;
  last_ = VK_NULL_HANDLE;
  // By the constants: formats that differ in their alpha alone share a pipeline.
  const auto constants = pass_constants(variant, workgroup(variant.image));
  const auto known = std::ranges::find_if(pipelines_, [&](const Pipeline& p) {
    return p.image == variant.image && p.scaled == variant.scaled && p.constants == constants;
  });
  if (known != pipelines_.end()) return last_ = known->handle.get();
  std::array<VkSpecializationMapEntry, kPassConstants> entries{};
  for (std::uint32_t i = 0; i < entries.size(); ++i) entries.at(i) = {i, i * 4, 4};
  const VkSpecializationInfo specialization{entries.size(), entries.data(), sizeof(constants), constants.data()};
  const Program& program = programs_.at(variant.image ? 1 : 0);
  VkComputePipelineCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
  info.layout = program.layout.get();
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = program.modules.at(variant.scaled ? 1 : 0).get();
  info.stage.pName = "main";
  info.stage.pSpecializationInfo = &specialization;
  VkPipeline handle = VK_NULL_HANDLE;
  const VkResult r =
      device_->fn().CreateComputePipelines(device_->handle(), VK_NULL_HANDLE, 1, &info, nullptr, &handle);
  if (r != VK_SUCCESS) return fail_vk(r, "compile the conversion pass");
  device_->counters().pipelines.fetch_add(1, std::memory_order_relaxed);
  if (pipelines_.size() == kMaxPipelines) pipelines_.clear();  // nothing is running here
  pipelines_.push_back(
      {variant.image, variant.scaled, constants, {device_->handle(), handle, device_->fn().DestroyPipeline}});
  return last_ = handle;
}

Result<void> ConversionPass::check(const Source& source, const PicturePlan& plan, const VulkanBuffer& target,
                                   const SurfaceLayout& layout) const {
  constexpr std::string_view kWhat = "convert on the GPU";
  if (!rgb_fields(plan.format).valid) {
    return fail(ErrorKind::Unsupported, std::string(kWhat), fmt::format("{} pictures", name(plan.format)));
  }
  if (!yuv_layout(layout.format).valid) {
    return fail(ErrorKind::Unsupported, std::string(kWhat), fmt::format("{} surfaces", name(layout.format)));
  }
  if (!pass_takes(plan)) return fail(ErrorKind::Unsupported, std::string(kWhat), "the picture shrinks too much");
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
  if ((source.buffer == nullptr) == (source.image == nullptr)) {
    return fail(ErrorKind::Invalid, std::string(kWhat), "the source is neither a buffer nor an image");
  }
  return {};
}

void ConversionPass::bind(const Source& source, const VulkanBuffer& target, const Program& program) const {
  VkDescriptorBufferInfo from{};
  VkDescriptorImageInfo image{};
  if (source.buffer != nullptr) {
    from = {source.buffer->handle(), 0, VK_WHOLE_SIZE};
  } else {
    image = {sampler_.get(), source.image->view(), VK_IMAGE_LAYOUT_GENERAL};
  }
  const VkDescriptorBufferInfo to{target.handle(), 0, VK_WHOLE_SIZE};
  std::array<VkWriteDescriptorSet, 2> writes{};
  for (std::uint32_t i = 0; i < writes.size(); ++i) {
    writes.at(i).sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET;
    writes.at(i).dstSet = program.set;
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
}

void ConversionPass::barrier_before(VkCommandBuffer command, const Source& source) const {
  const bool buffer = source.buffer != nullptr && source.buffer->foreign();
  const bool image = source.image != nullptr && source.image->foreign();
  if (!buffer && !image) return;
  const std::uint32_t from = device_->foreign_family();
  const std::uint32_t to = device_->queue_family();
  VkBufferMemoryBarrier of_buffer{};
  VkImageMemoryBarrier of_image{};
  if (buffer) of_buffer = ownership(*source.buffer, 0, kReads, from, to);
  if (image) of_image = ownership(*source.image, 0, kReads, from, to);
  device_->fn().CmdPipelineBarrier(command, VK_PIPELINE_STAGE_TOP_OF_PIPE_BIT, kWork, 0, 0, nullptr, buffer ? 1 : 0,
                                   &of_buffer, image ? 1 : 0, &of_image);
}

void ConversionPass::barrier_after(VkCommandBuffer command, const Source& source) const {
  VkMemoryBarrier written{};
  written.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
  written.srcAccessMask = kWrites;
  written.dstAccessMask = VK_ACCESS_HOST_READ_BIT | VK_ACCESS_MEMORY_READ_BIT;
  const bool buffer = source.buffer != nullptr && source.buffer->foreign();
  const bool image = source.image != nullptr && source.image->foreign();
  const std::uint32_t from = device_->queue_family();
  const std::uint32_t to = device_->foreign_family();
  VkBufferMemoryBarrier of_buffer{};
  VkImageMemoryBarrier of_image{};
  if (buffer) of_buffer = ownership(*source.buffer, kReads, 0, from, to);
  if (image) of_image = ownership(*source.image, kReads, 0, from, to);
  device_->fn().CmdPipelineBarrier(command, kWork, VK_PIPELINE_STAGE_HOST_BIT | VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, 0,
                                   1, &written, buffer ? 1 : 0, &of_buffer, image ? 1 : 0, &of_image);
}

Result<void> ConversionPass::run(const Source& source, const PicturePlan& plan, const VulkanBuffer& target,
                                 const SurfaceLayout& layout, const ColourDescription& colour, Nanoseconds timeout,
                                 const GpuWait& wait, CursorPass* cursor) {
  if (auto fine = check(source, plan, target, layout); !fine) return fine;
  const bool image = source.image != nullptr;
  const PassVariant variant =
      pass_variant(plan, source.plane, {.format = layout.format, .size = layout.size, .colour = colour}, image);
  const auto begun = runner_->begin(timeout);
  if (!begun) return std::unexpected(begun.error());
  VkCommandBuffer command = *begun;
  const auto pipe = pipeline(variant);
  if (!pipe) return std::unexpected(pipe.error());
  const Program& program = programs_.at(image ? 1 : 0);
  bind(source, target, program);
  const VulkanDeviceFunctions& fn = device_->fn();
  barrier_before(command, source);
  fn.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_COMPUTE, *pipe);
  fn.CmdBindDescriptorSets(command, VK_PIPELINE_BIND_POINT_COMPUTE, program.layout.get(), 0, 1, &program.set, 0,
                           nullptr);
  const PassGeometry geometry = pass_geometry(plan, source.plane, layout);
  fn.CmdPushConstants(command, program.layout.get(), VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof geometry, &geometry);
  fn.CmdDispatch(command, groups(layout.size.width, kPassBlockWidth, workgroup(image)[0]),
                 groups(layout.size.height, kPassBlockHeight, workgroup(image)[1]), 1);
  if (cursor != nullptr) cursor->record(command);
  barrier_after(command, source);
  return runner_->finish(wait, timeout);
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
