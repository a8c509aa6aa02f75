// What the conversion pass makes once: programs, pipelines, descriptors.
#include "zerocopy/vulkan/conversion_pass.h"
#include "zerocopy_shaders/compose_buffer.h"
#include "zerocopy_shaders/compose_buffer_scaled.h"
#include "zerocopy_shaders/compose_image.h"
#include "zerocopy_shaders/compose_image_scaled.h"
#include "zerocopy_shaders/rgb_to_yuv_buffer.h"
#include "zerocopy_shaders/rgb_to_yuv_buffer_scaled.h"
#include "zerocopy_shaders/rgb_to_yuv_image.h"
#include "zerocopy_shaders/rgb_to_yuv_image_scaled.h"
#include "zerocopy_shaders/rgb_to_yuv_layers_buffer.h"
#include "zerocopy_shaders/rgb_to_yuv_layers_buffer_scaled.h"
#include "zerocopy_shaders/rgb_to_yuv_layers_image.h"
#include "zerocopy_shaders/rgb_to_yuv_layers_image_scaled.h"

#include <algorithm>
#include <array>
#include <span>

namespace zc {
namespace {

/// More variants than any stream goes through; a hostile one that changes its format for ever does not grow memory.
constexpr std::size_t kMaxPipelines = 32;

using Code = std::span<const std::uint32_t>;
/// [image][scaled]
constexpr std::array<Code, 4> kAlone{kRgbToYuvBuffer, kRgbToYuvBufferScaled, kRgbToYuvImage, kRgbToYuvImageScaled};
constexpr std::array<Code, 4> kBesideLayers{kRgbToYuvLayersBuffer, kRgbToYuvLayersBufferScaled, kRgbToYuvLayersImage,
                                            kRgbToYuvLayersImageScaled};
constexpr std::array<Code, 4> kCompose{kComposeBuffer, kComposeBufferScaled, kComposeImage, kComposeImageScaled};

}  // namespace

Result<std::unique_ptr<ConversionPass>> ConversionPass::create(std::shared_ptr<VulkanDevice> device,
                                                               const Options& options) {
  std::unique_ptr<ConversionPass> self(new ConversionPass(std::move(device), options));
  if (auto made = self->make_objects(); !made) return std::unexpected(std::move(made.error()));
  for (const bool image : {false, true}) {
    if (auto made = self->make_program({.image = image}); !made) return std::unexpected(std::move(made.error()));
  }
  return self;
}

ConversionPass::~ConversionPass() {
  if (runner_ == nullptr || runner_->close()) return;
  for (Program& p : programs_) {
    p.set_layout.leak();
    p.layout.leak();
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

  // For each program those that are kept, and one: two programs without layers, two with them.
  constexpr std::uint32_t kSets = 2 * (kRecordings + 1);
  const std::array<VkDescriptorPoolSize, 3> sizes{
      {{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, kSets * (2 + 3 + kLayerBuffers)},
       {VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, kSets * (1 + 1 + kLayerImages)},
       {VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, kSets}}};
  VkDescriptorPoolCreateInfo pool_info{};
  pool_info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO;
  pool_info.maxSets = 2 * kSets;
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

Result<void> ConversionPass::make_program(ProgramKind kind) {
  const VulkanDeviceFunctions& fn = device_->fn();
  VkDevice device = device_->handle();
  Program& program = this->program(kind);

  const VkDescriptorType source =
      kind.image ? VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER : VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
  const std::array<VkDescriptorSetLayoutBinding, 6> bindings{
      {{0, source, 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr},
       {1, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr},
       {2, VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr},
       {3, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, kLayerBuffers, VK_SHADER_STAGE_COMPUTE_BIT, nullptr},
       {4, VK_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, kLayerImages, VK_SHADER_STAGE_COMPUTE_BIT, nullptr},
       {kBeneath, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr}}};
  VkDescriptorSetLayoutCreateInfo set_info{};
  set_info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO;
  set_info.bindingCount = kind.layers ? bindings.size() : 2;
  set_info.pBindings = bindings.data();
  VkDescriptorSetLayout set_layout = VK_NULL_HANDLE;
  VkResult r = fn.CreateDescriptorSetLayout(device, &set_info, nullptr, &set_layout);
  if (r != VK_SUCCESS) return fail_vk(r, "make the conversion pass");
  program.set_layout = {device, set_layout, fn.DestroyDescriptorSetLayout};

  if (program.set == VK_NULL_HANDLE) {  // it stays when what follows failed before
    auto set = make_set(program);
    if (!set) return std::unexpected(std::move(set.error()));
    program.set = *set;
  }
  program.recordings.reserve(kRecordings);

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
  return {};
}

Result<VkDescriptorSet> ConversionPass::make_set(const Program& program) const {
  VkDescriptorSetLayout layout = program.set_layout.get();
  VkDescriptorSetAllocateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO;
  info.descriptorPool = descriptors_.get();
  info.descriptorSetCount = 1;
  info.pSetLayouts = &layout;
  VkDescriptorSet set = VK_NULL_HANDLE;
  const VkResult r = device_->fn().AllocateDescriptorSets(device_->handle(), &info, &set);
  if (r != VK_SUCCESS) return fail_vk(r, "make the conversion pass");
  return set;
}

Result<VkOwned<VkPipeline>> ConversionPass::compile(Code code, VkPipelineLayout layout,
                                                    const std::array<std::int32_t, kPassConstants>& constants) {
  const VulkanDeviceFunctions& fn = device_->fn();
  VkShaderModuleCreateInfo module_info{};
  module_info.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO;
  module_info.codeSize = code.size_bytes();
  module_info.pCode = code.data();
  VkShaderModule module = VK_NULL_HANDLE;
  VkResult r = fn.CreateShaderModule(device_->handle(), &module_info, nullptr, &module);
  if (r != VK_SUCCESS) return fail_vk(r, "compile the conversion pass");
  const VkOwned<VkShaderModule> owned{device_->handle(), module, fn.DestroyShaderModule};
  std::array<VkSpecializationMapEntry, kPassConstants> entries{};
  for (std::uint32_t i = 0; i < entries.size(); ++i) entries.at(i) = {i, i * 4, 4};
  const VkSpecializationInfo specialization{entries.size(), entries.data(), sizeof(constants), constants.data()};
  VkComputePipelineCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
  info.layout = layout;
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module;
  info.stage.pName = "main";
  info.stage.pSpecializationInfo = &specialization;
  VkPipeline handle = VK_NULL_HANDLE;
  r = fn.CreateComputePipelines(device_->handle(), VK_NULL_HANDLE, 1, &info, nullptr, &handle);
  if (r != VK_SUCCESS) return fail_vk(r, "compile the conversion pass");
  device_->counters().pipelines.fetch_add(1, std::memory_order_relaxed);
  return VkOwned<VkPipeline>{device_->handle(), handle, fn.DestroyPipeline};
}

void ConversionPass::make_room() {
  if (pipelines_.size() + 2 <= kMaxPipelines) return;
  pipelines_.clear();
  last_ = {};
  for (Program& p : programs_) {
    for (Recording& kept : p.recordings) kept.key = {};
  }
}

Result<VkPipeline> ConversionPass::pipeline(const PassVariant& variant) {
  Last& last = last_.at(variant.compose ? 1 : 0);
  if (last.handle != VK_NULL_HANDLE && variant == last.variant) return last.handle;
  last = {.variant = variant};
  // By the constants: formats that differ in their alpha alone share a pipeline.
  const ProgramKind kind{.image = variant.image, .layers = variant.layers, .compose = variant.compose};
  const auto constants = pass_constants(variant, variant.compose ? kComposeWorkgroup : workgroup(kind.image));
  const auto known = std::ranges::find_if(pipelines_, [&](const Pipeline& p) {
    return p.kind == kind && p.scaled == variant.scaled && p.constants == constants;
  });
  if (known != pipelines_.end()) return last.handle = known->handle.get();
  const auto& code = kind.compose ? kCompose : kind.layers ? kBesideLayers : kAlone;
  auto handle =
      compile(code.at((kind.image ? 2U : 0U) + (variant.scaled ? 1U : 0U)), program(kind).layout.get(), constants);
  if (!handle) return std::unexpected(std::move(handle.error()));
  pipelines_.push_back({kind, variant.scaled, constants, std::move(*handle)});
  return last.handle = pipelines_.back().handle.get();
}

}  // namespace zc
