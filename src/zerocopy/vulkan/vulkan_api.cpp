#include "zerocopy/vulkan/vulkan_api.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <array>

namespace zc {
namespace {

/// One function of a table; false when the loader does not have it.
template <class Function, class Lookup>
bool find(Function& function, const Lookup& look_up, const char* name) {
  function = reinterpret_cast<Function>(look_up(name));
  return function != nullptr;
}

std::unexpected<Error> missing(const char* name) {
  return fail(ErrorKind::Internal, "load Vulkan", fmt::format("the driver has no {}", name));
}

struct ResultRow {
  VkResult result;
  const char* name;
  ErrorKind kind;
};
#define ZC_ROW(result, kind) \
  ResultRow { result, #result, ErrorKind::kind }
constexpr std::array kResults = {
    ZC_ROW(VK_NOT_READY, Busy),
    ZC_ROW(VK_TIMEOUT, Timeout),
    ZC_ROW(VK_ERROR_DEVICE_LOST, Lost),
    ZC_ROW(VK_ERROR_OUT_OF_HOST_MEMORY, Internal),
    ZC_ROW(VK_ERROR_OUT_OF_DEVICE_MEMORY, Internal),
    ZC_ROW(VK_ERROR_TOO_MANY_OBJECTS, Internal),
    ZC_ROW(VK_ERROR_INITIALIZATION_FAILED, Unsupported),
    ZC_ROW(VK_ERROR_MEMORY_MAP_FAILED, Unsupported),
    ZC_ROW(VK_ERROR_LAYER_NOT_PRESENT, Unsupported),
    ZC_ROW(VK_ERROR_EXTENSION_NOT_PRESENT, Unsupported),
    ZC_ROW(VK_ERROR_FEATURE_NOT_PRESENT, Unsupported),
    ZC_ROW(VK_ERROR_INCOMPATIBLE_DRIVER, Unsupported),
    ZC_ROW(VK_ERROR_FORMAT_NOT_SUPPORTED, Unsupported),
    ZC_ROW(VK_ERROR_INVALID_EXTERNAL_HANDLE, Unsupported),
    ZC_ROW(VK_ERROR_INVALID_DRM_FORMAT_MODIFIER_PLANE_LAYOUT_EXT, Unsupported),
    ZC_ROW(VK_ERROR_UNKNOWN, Internal),
};
#undef ZC_ROW

}  // namespace

Result<VulkanGlobalFunctions> load_vulkan(const char* library) {
  void* handle = ::dlopen(library, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) return fail(ErrorKind::Unsupported, "load Vulkan", ::dlerror());
  VulkanGlobalFunctions f;
  f.GetInstanceProcAddr = reinterpret_cast<PFN_vkGetInstanceProcAddr>(::dlsym(handle, "vkGetInstanceProcAddr"));
  ::dlclose(handle);  // RTLD_NODELETE keeps it in memory
  if (f.GetInstanceProcAddr == nullptr) {
    return fail(ErrorKind::Unsupported, "load Vulkan", fmt::format("{} has no vkGetInstanceProcAddr", library));
  }
  const auto look_up = [&](const char* name) { return f.GetInstanceProcAddr(VK_NULL_HANDLE, name); };
#define ZC_FIND(name) \
  if (!find(f.name, look_up, "vk" #name)) return missing("vk" #name);
  ZC_VK_GLOBAL_FUNCTIONS(ZC_FIND)
#undef ZC_FIND
  return f;
}

Result<VulkanInstanceFunctions> load_instance_functions(const VulkanGlobalFunctions& global, VkInstance instance) {
  VulkanInstanceFunctions f;
  const auto look_up = [&](const char* name) { return global.GetInstanceProcAddr(instance, name); };
#define ZC_FIND(name) \
  if (!find(f.name, look_up, "vk" #name)) return missing("vk" #name);
  ZC_VK_INSTANCE_FUNCTIONS(ZC_FIND)
#undef ZC_FIND
  return f;
}

Result<VulkanDeviceFunctions> load_device_functions(const VulkanInstanceFunctions& instance, VkDevice device) {
  VulkanDeviceFunctions f;
  const auto look_up = [&](const char* name) { return instance.GetDeviceProcAddr(device, name); };
#define ZC_FIND(name) \
  if (!find(f.name, look_up, "vk" #name)) return missing("vk" #name);
  ZC_VK_DEVICE_FUNCTIONS(ZC_FIND)
#undef ZC_FIND
#define ZC_FIND(name) find(f.name, look_up, "vk" #name);
  ZC_VK_OPTIONAL_DEVICE_FUNCTIONS(ZC_FIND)
#undef ZC_FIND
  return f;
}

std::string vk_result_name(VkResult result) {
  for (const ResultRow& row : kResults) {
    if (row.result == result) return row.name;
  }
  return fmt::format("VkResult {}", static_cast<int>(result));
}

std::unexpected<Error> fail_vk(VkResult result, std::string operation) {
  ErrorKind kind = ErrorKind::Internal;
  for (const ResultRow& row : kResults) {
    if (row.result == result) kind = row.kind;
  }
  return std::unexpected(
      Error{kind, ErrorDomain::Gpu, static_cast<int>(result), std::move(operation), vk_result_name(result)});
}

}  // namespace zc
