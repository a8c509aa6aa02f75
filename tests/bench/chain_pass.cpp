#include "bench/chain_pass.h"

#include "zerocopy_shaders/chain.h"

#include <utility>

namespace zc::bench {
namespace {

constexpr const char* kWhat = "draw a chain of passes";

}  // namespace

Result<std::unique_ptr<ChainPass>> ChainPass::create(std::shared_ptr<VulkanDevice> device,
                                                     std::vector<ChainSource> sources, const VulkanBuffer& canvas,
                                                     Size size) {
  std::unique_ptr<ChainPass> self(new ChainPass(std::move(device)));
  if (auto made = self->make_objects(sources.size()); !made) return std::unexpected(std::move(made.error()));
  for (const ChainSource& source : sources) {
    if (auto added = self->add(source, canvas, size); !added) return std::unexpected(std::move(added.error()));
  }
  return self;
}

Result<void> ChainPass::make_objects(std::size_t sources) {
  const VulkanDeviceFunctions& fn = device_->fn();
  VkDevice device = device_->handle();
  const std::array<VkDescriptorSetLayoutBinding, 2> bindings{
      {{0, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr},
       {1, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr}}};
  VkDescriptorSetLayoutCreateInfo set_info{};
  set_info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO;
  set_info.bindingCount = bindings.size();
  set_info.pBindings = bindings.data();
  VkDescriptorSetLayout set_layout = VK_NULL_HANDLE;
  VkResult r = fn.CreateDescriptorSetLayout(device, &set_info, nullptr, &set_layout);
  if (r != VK_SUCCESS) return fail_vk(r, kWhat);
  set_layout_ = {device, set_layout, fn.DestroyDescriptorSetLayout};

  const VkPushConstantRange constants{VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(Draw)};
  VkPipelineLayoutCreateInfo layout_info{};
  layout_info.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO;
  layout_info.setLayoutCount = 1;
  layout_info.pSetLayouts = &set_layout;
  layout_info.pushConstantRangeCount = 1;
  layout_info.pPushConstantRanges = &constants;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  r = fn.CreatePipelineLayout(device, &layout_info, nullptr, &layout);
  if (r != VK_SUCCESS) return fail_vk(r, kWhat);
  layout_ = {device, layout, fn.DestroyPipelineLayout};

  VkShaderModuleCreateInfo module_info{};
  module_info.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO;
  module_info.codeSize = sizeof kChain;
  module_info.pCode = kChain;
  VkShaderModule module = VK_NULL_HANDLE;
  r = fn.CreateShaderModule(device, &module_info, nullptr, &module);
  if (r != VK_SUCCESS) return fail_vk(r, kWhat);
  module_ = {device, module, fn.DestroyShaderModule};

  const VkDescriptorPoolSize pool_size{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, static_cast<std::uint32_t>(2 * sources)};
  VkDescriptorPoolCreateInfo pool_info{};
  pool_info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO;
  pool_info.maxSets = static_cast<std::uint32_t>(sources);
  pool_info.poolSizeCount = 1;
  pool_info.pPoolSizes = &pool_size;
  VkDescriptorPool pool = VK_NULL_HANDLE;
  r = fn.CreateDescriptorPool(device, &pool_info, nullptr, &pool);
  if (r != VK_SUCCESS) return fail_vk(r, kWhat);
  descriptors_ = {device, pool, fn.DestroyDescriptorPool};

  auto runner = CommandRunner::create(device_);
  if (!runner) return std::unexpected(std::move(runner.error()));
  runner_ = std::move(*runner);
  return {};
}

Result<void> ChainPass::add(const ChainSource& source, const VulkanBuffer& canvas, Size size) {
  const VulkanDeviceFunctions& fn = device_->fn();
  const PixelFormat format = source.layout.format;
  const bool alpha = info(format).alpha;
  const bool opaque = !alpha && source.place.opacity == 255 && source.place.radius == 0;
  const std::array<std::int32_t, 3> constants{format == PixelFormat::NV12 ? 1 : 0, alpha ? 1 : 0, opaque ? 1 : 0};
  std::array<VkSpecializationMapEntry, 3> entries{};
  for (std::uint32_t i = 0; i < entries.size(); ++i) entries.at(i) = {i, i * 4, 4};
  const VkSpecializationInfo specialization{entries.size(), entries.data(), sizeof constants, constants.data()};
  VkComputePipelineCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
  info.layout = layout_.get();
  info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
  info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
  info.stage.module = module_.get();
  info.stage.pName = "main";
  info.stage.pSpecializationInfo = &specialization;
  VkPipeline pipeline = VK_NULL_HANDLE;
  VkResult r = fn.CreateComputePipelines(device_->handle(), VK_NULL_HANDLE, 1, &info, nullptr, &pipeline);
  if (r != VK_SUCCESS) return fail_vk(r, kWhat);
  Pass pass;
  pass.pipeline = {device_->handle(), pipeline, fn.DestroyPipeline};

  VkDescriptorSetLayout set_layout = set_layout_.get();
  VkDescriptorSetAllocateInfo set_info{};
  set_info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO;
  set_info.descriptorPool = descriptors_.get();
  set_info.descriptorSetCount = 1;
  set_info.pSetLayouts = &set_layout;
  r = fn.AllocateDescriptorSets(device_->handle(), &set_info, &pass.set);
  if (r != VK_SUCCESS) return fail_vk(r, kWhat);
  const std::array<VkDescriptorBufferInfo, 2> buffers{
      {{source.buffer->handle(), 0, VK_WHOLE_SIZE}, {canvas.handle(), 0, VK_WHOLE_SIZE}}};
  std::array<VkWriteDescriptorSet, 2> writes{};
  for (std::uint32_t i = 0; i < writes.size(); ++i) {
    writes.at(i).sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET;
    writes.at(i).dstSet = pass.set;
    writes.at(i).dstBinding = i;
    writes.at(i).descriptorCount = 1;
    writes.at(i).descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    writes.at(i).pBufferInfo = &buffers.at(i);
  }
  fn.UpdateDescriptorSets(device_->handle(), writes.size(), writes.data(), 0, nullptr);

  const auto pair = [](Size of) {
    return std::array{static_cast<std::int32_t>(of.width), static_cast<std::int32_t>(of.height)};
  };
  pass.draw = {.at = {source.place.box.x, source.place.box.y},
               .box = pair(source.place.box.size()),
               .size = pair(source.layout.size),
               .stride = static_cast<std::int32_t>(source.layout.planes[0].stride_bytes / 4),
               .chroma = static_cast<std::int32_t>(source.layout.planes[1].offset_bytes / 4),
               .pitch = static_cast<std::int32_t>(size.width),
               .opacity = static_cast<float>(source.place.opacity) / 255.0F,
               .radius = static_cast<float>(source.place.radius)};
  passes_.push_back(std::move(pass));
  return {};
}

void ChainPass::dispatch(VkCommandBuffer command, const Pass& pass) const {
  const VulkanDeviceFunctions& fn = device_->fn();
  VkMemoryBarrier before{};
  before.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
  before.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT;
  before.dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT;
  fn.CmdPipelineBarrier(command, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1,
                        &before, 0, nullptr, 0, nullptr);
  fn.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_COMPUTE, pass.pipeline.get());
  fn.CmdBindDescriptorSets(command, VK_PIPELINE_BIND_POINT_COMPUTE, layout_.get(), 0, 1, &pass.set, 0, nullptr);
  fn.CmdPushConstants(command, layout_.get(), VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof pass.draw, &pass.draw);
  fn.CmdDispatch(command, static_cast<std::uint32_t>(pass.draw.box[0] + 31) / 32,
                 static_cast<std::uint32_t>(pass.draw.box[1] + 3) / 4, 1);
}

void ChainPass::record(VkCommandBuffer command) const {
  for (const Pass& pass : passes_) dispatch(command, pass);
}

Result<void> ChainPass::run_apart(Nanoseconds timeout) {
  for (const Pass& pass : passes_) {
    const auto command = runner_->begin(timeout);
    if (!command) return std::unexpected(command.error());
    dispatch(*command, pass);
    if (auto done = runner_->finish({}, timeout); !done) return done;
  }
  return {};
}

}  // namespace zc::bench
