#include "gpu/vulkan/device.h"

#include "media/av_error.h"
#include "media/av_log.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <utility>

extern "C" {
#include <libavutil/buffer.h>
#include <libavutil/dict.h>
#include <libavutil/error.h>
#include <libavutil/hwcontext.h>
#include <libavutil/hwcontext_vulkan.h>
#include <libavutil/version.h>
}

/// AVVulkanDeviceContext.lock_queue came with 58.11.100, its list of queue families with 59.34.100 (doc/APIchanges).
#define ZC_AV_LOCKS_QUEUES (LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(58, 11, 100))
#define ZC_AV_LISTS_QUEUES (LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(59, 34, 100))

namespace zc::vulkan {
namespace {

/// FFmpeg enables these besides its own where the driver has them: to take a producer's memory over.
constexpr const char* kExtensions = VK_EXT_QUEUE_FAMILY_FOREIGN_EXTENSION_NAME;

const AVVulkanDeviceContext& context_of(const AVBufferRef& device) {
  return *static_cast<const AVVulkanDeviceContext*>(reinterpret_cast<const AVHWDeviceContext*>(device.data)->hwctx);
}

struct Queue {
  std::uint32_t family = 0;
  std::uint32_t count = 0;
};

/// FFmpeg's queues that compute.
Queue compute_queues(const AVVulkanDeviceContext& context) {
#if ZC_AV_LISTS_QUEUES
  for (const AVVulkanDeviceQueueFamily& family : std::span(context.qf).first(static_cast<std::size_t>(context.nb_qf))) {
    if ((family.flags & VK_QUEUE_COMPUTE_BIT) != 0) {
      return {static_cast<std::uint32_t>(family.idx), static_cast<std::uint32_t>(family.num)};
    }
  }
  return {};
#else
  return {static_cast<std::uint32_t>(context.queue_family_comp_index),
          static_cast<std::uint32_t>(context.nb_comp_queues)};
#endif
}

bool has_encode_queue(const AVVulkanDeviceContext& context) {
#if ZC_AV_LISTS_QUEUES
  const auto families = std::span(context.qf).first(static_cast<std::size_t>(context.nb_qf));
  return std::ranges::any_of(families, [](const AVVulkanDeviceQueueFamily& family) {
    return (static_cast<unsigned>(family.flags) & static_cast<unsigned>(VK_QUEUE_VIDEO_ENCODE_BIT_KHR)) != 0;
  });
#else
  static_cast<void>(context);
  return false;  // FFmpeg has no encoder for it
#endif
}

std::unexpected<Error> refused(int code, std::string operation, const AvLogCapture& log) {
  return fail_ffmpeg(ErrorKind::Unsupported, code, std::move(operation), log.text());
}

}  // namespace

Device::Device(AvBufferPtr device) : device_(std::move(device)) {}
Device::~Device() = default;

Result<std::shared_ptr<const Device>> Device::open(std::size_t gpu) {
  const std::string operation = fmt::format("open Vulkan device {} with FFmpeg", gpu);
  AVDictionary* options = nullptr;
  if (av_dict_set(&options, "device_extensions", kExtensions, 0) < 0) return fail_errno(ENOMEM, operation);
  const AvLogCapture log;
  AVBufferRef* made = nullptr;
  const int code = av_hwdevice_ctx_create(&made, AV_HWDEVICE_TYPE_VULKAN, std::to_string(gpu).c_str(), options, 0);
  av_dict_free(&options);
  if (code < 0) return refused(code, operation, log);
  std::shared_ptr<Device> device(new Device(AvBufferPtr(made)));
  if (auto looked = device->look(); !looked) return std::unexpected(std::move(looked.error()));
  return device;
}

Result<void> Device::look() {
  const AVVulkanDeviceContext& context = context_of(*device_);
  handles_.get_instance_proc = context.get_proc_addr;
  handles_.instance = context.inst;
  handles_.gpu = context.phys_dev;
  handles_.device = context.act_dev;
  for (int i = 0; i < context.nb_enabled_dev_extensions; ++i) {
    handles_.extensions.emplace_back(context.enabled_dev_extensions[i]);
  }
  const Queue compute = compute_queues(context);
  const auto properties_of = reinterpret_cast<PFN_vkGetPhysicalDeviceProperties2>(
      context.get_proc_addr(context.inst, "vkGetPhysicalDeviceProperties2"));
  if (compute.count == 0 || properties_of == nullptr) {
    return fail(ErrorKind::Unsupported, "open Vulkan with FFmpeg", "its device does not compute");
  }
  handles_.compute_family = compute.family;
  // FFmpeg goes through its queues from the first one on.
  handles_.compute_queue = compute.count - 1;
  encodes_ = has_encode_queue(context);

  VkPhysicalDeviceIDProperties id{};
  id.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES;
  VkPhysicalDeviceProperties2 properties{};
  properties.sType = VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2;
  properties.pNext = &id;
  properties_of(context.phys_dev, &properties);
  identity_ = fmt::format("{} {:02x} driver {:#x}", properties.properties.deviceName, fmt::join(id.deviceUUID, ""),
                          properties.properties.driverVersion);
  return {};
}

Result<AvBufferPtr> Device::av_device() const {
  AvBufferPtr reference(av_buffer_ref(device_.get()));
  if (!reference) return fail_errno(ENOMEM, "hand the Vulkan device to FFmpeg");
  return reference;
}

#if ZC_AV_LOCKS_QUEUES
// Later versions call it deprecated where the driver locks its queues itself (VK_KHR_internally_synchronized_queues).
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
void Device::lock_queue() const {
  auto& context = *reinterpret_cast<AVHWDeviceContext*>(device_->data);
  context_of(*device_).lock_queue(&context, handles_.compute_family, handles_.compute_queue);
}
void Device::unlock_queue() const {
  auto& context = *reinterpret_cast<AVHWDeviceContext*>(device_->data);
  context_of(*device_).unlock_queue(&context, handles_.compute_family, handles_.compute_queue);
}
#pragma GCC diagnostic pop
#else
void Device::lock_queue() const {}
void Device::unlock_queue() const {}
#endif

}  // namespace zc::vulkan
