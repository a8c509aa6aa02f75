#include "zerocopy/vulkan/cursor_pass.h"

#include "zerocopy/cpu/yuv_coefficients.h"
#include "zerocopy/vulkan/pass_geometry.h"
#include "zerocopy_shaders/cursor.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

namespace zc {
namespace {

constexpr std::uint32_t kWorkgroup = 8;  // shaders/cursor.comp, both ways
constexpr std::size_t kKeptWords = 24;   // likewise
constexpr std::size_t kConstants = 9;
constexpr std::uint32_t kBindings = 3;
constexpr VkPipelineStageFlags kStages = VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_TRANSFER_BIT;

std::int32_t words(std::size_t bytes) { return static_cast<std::int32_t>(bytes / 4); }

std::uint32_t groups(std::int32_t blocks) { return (static_cast<std::uint32_t>(blocks) + kWorkgroup - 1) / kWorkgroup; }

std::array<std::int32_t, kConstants> constants(const SurfaceLayout& surface, const ColourDescription& colour,
                                               bool restore) {
  const YuvLayout layout = yuv_layout(surface.format);
  const unsigned bits = info(surface.format).bits;
  const YuvMatrix matrix = yuv_matrix(colour, bits);
  return {restore ? 1 : 0, layout.subsampled ? 1 : 0, layout.interleaved ? 1 : 0, layout.wide ? 1 : 0,
          static_cast<std::int32_t>(layout.value_shift), (1 << bits) - 1, static_cast<std::int32_t>(matrix.luma_offset),
          static_cast<std::int32_t>(matrix.chroma_offset),
          // CursorPainter keeps 15 - bits behind the point.
          static_cast<std::int32_t>(bits)};
}

/// Before other APIs read what was written.
void end_barrier(const VulkanDeviceFunctions& fn, VkCommandBuffer command) {
  VkMemoryBarrier written{};
  written.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
  written.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
  written.dstAccessMask = VK_ACCESS_MEMORY_READ_BIT;
  fn.CmdPipelineBarrier(command, kStages, VK_PIPELINE_STAGE_ALL_COMMANDS_BIT, 0, 1, &written, 0, nullptr, 0, nullptr);
}

/// Grows a buffer that nothing uses now.
template <class Make>
Result<void> grow(VulkanBuffer& buffer, std::size_t bytes, Make make) {
  if (buffer && buffer.bytes() >= bytes) return {};
  auto larger = make(bytes);
  if (!larger) return std::unexpected(std::move(larger.error()));
  buffer = std::move(*larger);
  return {};
}

}  // namespace

Result<std::unique_ptr<CursorPass>> CursorPass::create(std::shared_ptr<VulkanDevice> device,
                                                       const SurfaceLayout& layout, const ColourDescription& colour) {
  std::unique_ptr<CursorPass> self(new CursorPass(std::move(device), layout));
  if (auto made = self->make_objects(colour); !made) return std::unexpected(std::move(made.error()));
  return self;
}

CursorPass::~CursorPass() {
  if (runner_ != nullptr) static_cast<void>(runner_->close());
  // Its own work, or that of a pass that recorded it.
  if (!device_->abandoned()) return;
  set_layout_.leak();
  pipeline_layout_.leak();
  module_.leak();
  draw_.leak();
  restore_.leak();
  descriptors_.leak();
}

Result<void> CursorPass::make_objects(const ColourDescription& colour) {
  const VulkanDeviceFunctions& fn = device_->fn();
  VkDevice device = device_->handle();
  std::array<VkDescriptorSetLayoutBinding, kBindings> bindings{};
  for (std::uint32_t i = 0; i < kBindings; ++i) {
    bindings.at(i) = {i, VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, 1, VK_SHADER_STAGE_COMPUTE_BIT, nullptr};
  }
  VkDescriptorSetLayoutCreateInfo set_info{};
  set_info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO;
  set_info.bindingCount = bindings.size();
  set_info.pBindings = bindings.data();
  VkDescriptorSetLayout set_layout = VK_NULL_HANDLE;
  VkResult r = fn.CreateDescriptorSetLayout(device, &set_info, nullptr, &set_layout);
  if (r != VK_SUCCESS) return fail_vk(r, "make the cursor's pass");
  set_layout_ = {device, set_layout, fn.DestroyDescriptorSetLayout};

  const VkDescriptorPoolSize pool_size{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                       kBindings * static_cast<std::uint32_t>(sets_.size())};
  VkDescriptorPoolCreateInfo pool_info{};
  pool_info.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO;
  pool_info.maxSets = static_cast<std::uint32_t>(sets_.size());
  pool_info.poolSizeCount = 1;
  pool_info.pPoolSizes = &pool_size;
  VkDescriptorPool pool = VK_NULL_HANDLE;
  r = fn.CreateDescriptorPool(device, &pool_info, nullptr, &pool);
  if (r != VK_SUCCESS) return fail_vk(r, "make the cursor's pass");
  descriptors_ = {device, pool, fn.DestroyDescriptorPool};
  const std::array<VkDescriptorSetLayout, 2> layouts{set_layout, set_layout};
  VkDescriptorSetAllocateInfo allocate{};
  allocate.sType = VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO;
  allocate.descriptorPool = pool;
  allocate.descriptorSetCount = static_cast<std::uint32_t>(layouts.size());
  allocate.pSetLayouts = layouts.data();
  r = fn.AllocateDescriptorSets(device, &allocate, sets_.data());
  if (r != VK_SUCCESS) return fail_vk(r, "make the cursor's pass");

  const VkPushConstantRange range{VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof(Geometry)};
  VkPipelineLayoutCreateInfo layout_info{};
  layout_info.sType = VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO;
  layout_info.setLayoutCount = 1;
  layout_info.pSetLayouts = &set_layout;
  layout_info.pushConstantRangeCount = 1;
  layout_info.pPushConstantRanges = &range;
  VkPipelineLayout layout = VK_NULL_HANDLE;
  r = fn.CreatePipelineLayout(device, &layout_info, nullptr, &layout);
  if (r != VK_SUCCESS) return fail_vk(r, "make the cursor's pass");
  pipeline_layout_ = {device, layout, fn.DestroyPipelineLayout};

  const std::span<const std::uint32_t> code(kCursor);
  VkShaderModuleCreateInfo module_info{};
  module_info.sType = VK_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO;
  module_info.codeSize = code.size_bytes();
  module_info.pCode = code.data();
  VkShaderModule module = VK_NULL_HANDLE;
  r = fn.CreateShaderModule(device, &module_info, nullptr, &module);
  if (r != VK_SUCCESS) return fail_vk(r, "make the cursor's pass");
  module_ = {device, module, fn.DestroyShaderModule};

  auto runner = CommandRunner::create(device_);
  if (!runner) return std::unexpected(std::move(runner.error()));
  runner_ = std::move(*runner);
  return make_pipelines(colour);
}

Result<void> CursorPass::make_pipelines(const ColourDescription& colour) {
  std::array<VkSpecializationMapEntry, kConstants> entries{};
  for (std::uint32_t i = 0; i < entries.size(); ++i) entries.at(i) = {i, i * 4, 4};
  for (const bool restore : {false, true}) {
    const auto values = constants(layout_, colour, restore);
    const VkSpecializationInfo specialization{entries.size(), entries.data(), sizeof(values), values.data()};
    VkComputePipelineCreateInfo info{};
    info.sType = VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO;
    info.layout = pipeline_layout_.get();
    info.stage.sType = VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO;
    info.stage.stage = VK_SHADER_STAGE_COMPUTE_BIT;
    info.stage.module = module_.get();
    info.stage.pName = "main";
    info.stage.pSpecializationInfo = &specialization;
    VkPipeline handle = VK_NULL_HANDLE;
    const VkResult r =
        device_->fn().CreateComputePipelines(device_->handle(), VK_NULL_HANDLE, 1, &info, nullptr, &handle);
    if (r != VK_SUCCESS) return fail_vk(r, "compile the cursor's pass");
    device_->counters().pipelines.fetch_add(1, std::memory_order_relaxed);
    VkOwned<VkPipeline>& place = restore ? restore_ : draw_;
    place = {device_->handle(), handle, device_->fn().DestroyPipeline};
  }
  return {};
}

Result<void> CursorPass::upload(const CursorInks& inks) {
  const auto made = grow(inks_, inks.inks.size_bytes(),
                         [this](std::size_t bytes) { return VulkanBuffer::create_upload(device_, bytes); });
  if (made) std::memcpy(inks_.mapped(), inks.inks.data(), inks.inks.size_bytes());
  return made;
}

Result<void> CursorPass::prepare(const CursorPainter& painter, const CursorPlacement& placement,
                                 const PicturePlan& plan, const VulkanBuffer& target) {
  next_.reset();
  const Rect reach = painter.reach(placement, plan);
  if (reach.empty()) return {};
  const CursorInks inks = painter.inks();
  if (shape_ != placement.shape) {
    shape_ = 0;
    if (auto uploaded = upload(inks); !uploaded) return uploaded;
    shape_ = placement.shape;
  }
  constexpr auto kWide = static_cast<std::int32_t>(kPassBlockWidth);
  constexpr auto kHigh = static_cast<std::int32_t>(kPassBlockHeight);
  Drawn drawn;
  drawn.side = newest_ ? 1 - newest_->side : 0;
  Geometry& g = drawn.geometry;
  const std::int32_t right = reach.x + static_cast<std::int32_t>(reach.width) - 1;
  const std::int32_t bottom = reach.y + static_cast<std::int32_t>(reach.height) - 1;
  g.first = {reach.x / kWide, reach.y / kHigh};
  g.blocks = {right / kWide - g.first[0] + 1, bottom / kHigh - g.first[1] + 1};
  const auto pair = [](Size size) {
    return std::array{static_cast<std::int32_t>(size.width), static_cast<std::int32_t>(size.height)};
  };
  g.size = pair(layout_.size);
  g.cursor_at = {placement.rect.x, placement.rect.y};
  g.cursor_size = pair(inks.size);
  g.clip_at = {plan.box.x, plan.box.y};
  g.clip_size = pair(plan.box.size());
  g.luma_pitch = words(layout_.planes[0].stride_bytes);
  g.chroma_pitch = words(layout_.planes[1].stride_bytes);
  g.u_offset = words(layout_.planes[1].offset_bytes);
  g.v_offset = yuv_layout(layout_.format).interleaved ? g.u_offset : words(layout_.planes[2].offset_bytes);
  const std::size_t kept =
      static_cast<std::size_t>(g.blocks[0]) * static_cast<std::size_t>(g.blocks[1]) * kKeptWords * 4;
  if (auto made = grow(kept_.at(drawn.side), kept,
                       [this](std::size_t bytes) { return VulkanBuffer::create_device(device_, bytes); });
      !made) {
    return made;
  }
  bind(drawn.side, target);
  next_ = drawn;
  return {};
}

void CursorPass::bind(std::size_t side, const VulkanBuffer& target) const {
  const std::array<VkDescriptorBufferInfo, kBindings> buffers{{{inks_.handle(), 0, VK_WHOLE_SIZE},
                                                               {target.handle(), 0, VK_WHOLE_SIZE},
                                                               {kept_.at(side).handle(), 0, VK_WHOLE_SIZE}}};
  std::array<VkWriteDescriptorSet, kBindings> writes{};
  for (std::uint32_t i = 0; i < kBindings; ++i) {
    VkWriteDescriptorSet& write = writes.at(i);
    write.sType = VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET;
    write.dstSet = sets_.at(side);
    write.dstBinding = i;
    write.descriptorCount = 1;
    write.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    write.pBufferInfo = &buffers.at(i);
  }
  device_->fn().UpdateDescriptorSets(device_->handle(), writes.size(), writes.data(), 0, nullptr);
}

void CursorPass::barrier(VkCommandBuffer command) const {
  VkMemoryBarrier written{};
  written.sType = VK_STRUCTURE_TYPE_MEMORY_BARRIER;
  written.srcAccessMask = VK_ACCESS_SHADER_WRITE_BIT | VK_ACCESS_TRANSFER_WRITE_BIT;
  written.dstAccessMask = VK_ACCESS_SHADER_READ_BIT | VK_ACCESS_SHADER_WRITE_BIT;
  device_->fn().CmdPipelineBarrier(command, kStages, VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT, 0, 1, &written, 0, nullptr,
                                   0, nullptr);
}

void CursorPass::dispatch(VkCommandBuffer command, VkPipeline pipeline, const Drawn& drawn) const {
  const VulkanDeviceFunctions& fn = device_->fn();
  barrier(command);
  fn.CmdBindPipeline(command, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
  fn.CmdBindDescriptorSets(command, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline_layout_.get(), 0, 1, &sets_.at(drawn.side),
                           0, nullptr);
  fn.CmdPushConstants(command, pipeline_layout_.get(), VK_SHADER_STAGE_COMPUTE_BIT, 0, sizeof drawn.geometry,
                      &drawn.geometry);
  fn.CmdDispatch(command, groups(drawn.geometry.blocks[0]), groups(drawn.geometry.blocks[1]), 1);
}

void CursorPass::record(VkCommandBuffer command) const {
  if (next_) dispatch(command, draw_.get(), *next_);
}

Result<void> CursorPass::draw(Nanoseconds timeout) {
  if (!next_) return {};
  const auto command = runner_->begin(timeout);
  if (!command) return std::unexpected(command.error());
  record(*command);
  end_barrier(device_->fn(), *command);
  return runner_->finish({}, timeout);
}

Result<void> CursorPass::redraw(const VulkanBuffer& from, const VulkanBuffer& to, Nanoseconds timeout) {
  const auto command = runner_->begin(timeout);
  if (!command) return std::unexpected(command.error());
  const VkBufferCopy region{0, 0, layout_.bytes};
  device_->fn().CmdCopyBuffer(*command, from.handle(), to.handle(), 1, &region);
  if (newest_) {
    bind(newest_->side, to);
    dispatch(*command, restore_.get(), *newest_);
  }
  record(*command);
  end_barrier(device_->fn(), *command);
  return runner_->finish({}, timeout);
}

void CursorPass::commit() { newest_ = std::exchange(next_, std::nullopt); }

}  // namespace zc
