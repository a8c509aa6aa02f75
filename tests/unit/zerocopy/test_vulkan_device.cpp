#include "unit/zerocopy/vulkan_support.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/generators/catch_generators.hpp>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

using namespace zc;
using namespace zc::test;

namespace {

VulkanGpu gpu(std::string name, VkPhysicalDeviceType type, std::uint8_t uuid,
              std::vector<std::string> extensions = {}) {
  VulkanGpu g;
  g.name = std::move(name);
  g.type = type;
  g.api_version = VK_API_VERSION_1_3;
  g.uuid[0] = uuid;
  g.extensions = std::move(extensions);
  return g;
}

constexpr auto kDiscrete = VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU;
constexpr auto kSoftware = VK_PHYSICAL_DEVICE_TYPE_CPU;

/// What was written to stderr while this lived.
class CapturedStderr {
 public:
  CapturedStderr() {
    std::fflush(stderr);
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    reader_ = UniqueFd(ends[0]);
    saved_ = UniqueFd(::dup(STDERR_FILENO));
    ::dup2(ends[1], STDERR_FILENO);
    ::close(ends[1]);
  }
  CapturedStderr(const CapturedStderr&) = delete;
  CapturedStderr& operator=(const CapturedStderr&) = delete;
  ~CapturedStderr() { restore(); }
  std::string text() {
    restore();
    std::string all;
    std::array<char, 4096> part{};
    ssize_t got = 0;
    while ((got = ::read(reader_.get(), part.data(), part.size())) > 0)
      all.append(part.data(), static_cast<std::size_t>(got));
    return all;
  }

 private:
  void restore() {
    if (!saved_) return;
    std::fflush(stderr);
    ::dup2(saved_.get(), STDERR_FILENO);
    saved_.reset();
  }
  UniqueFd reader_, saved_;
};

/// A driver that knows queues of realtime priority, and grants them or not.
struct Priorities {
  static inline bool granted = false;
  static inline unsigned asked = 0;
  static inline PFN_vkGetInstanceProcAddr next = nullptr;
  static inline VkInstance instance = VK_NULL_HANDLE;

  static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice gpu, const VkDeviceCreateInfo* info,
                                                      const VkAllocationCallbacks* alloc, VkDevice* device) {
    VkDeviceQueueCreateInfo queue = *info->pQueueCreateInfos;
    if (const auto* chained = static_cast<const VkBaseInStructure*>(queue.pNext)) {
      const auto* priority = reinterpret_cast<const VkDeviceQueueGlobalPriorityCreateInfoKHR*>(chained);
      if (priority->sType != VK_STRUCTURE_TYPE_DEVICE_QUEUE_GLOBAL_PRIORITY_CREATE_INFO_KHR ||
          priority->globalPriority != VK_QUEUE_GLOBAL_PRIORITY_REALTIME_KHR) {
        return VK_ERROR_INITIALIZATION_FAILED;
      }
      ++asked;
      if (!granted) return VK_ERROR_NOT_PERMITTED_KHR;
    }
    queue.pNext = nullptr;
    VkDeviceCreateInfo real = *info;
    real.pQueueCreateInfos = &queue;
    std::vector<const char*> names(info->ppEnabledExtensionNames,
                                   info->ppEnabledExtensionNames + info->enabledExtensionCount);
    std::erase_if(names,
                  [](const char* name) { return std::string_view(name) == VK_KHR_GLOBAL_PRIORITY_EXTENSION_NAME; });
    real.enabledExtensionCount = static_cast<std::uint32_t>(names.size());
    real.ppEnabledExtensionNames = names.data();
    return reinterpret_cast<PFN_vkCreateDevice>(next(instance, "vkCreateDevice"))(gpu, &real, alloc, device);
  }
  static VKAPI_ATTR PFN_vkVoidFunction VKAPI_CALL get_proc(VkInstance of, const char* name) {
    if (std::string_view(name) == "vkCreateDevice") return reinterpret_cast<PFN_vkVoidFunction>(create_device);
    return next(of, name);
  }
};

}  // namespace

TEST_CASE("a queue of realtime priority is asked for, and done without where it is not granted") {
  const auto global = load_vulkan();
  REQUIRE(global);
  VkInstanceCreateInfo create{};
  create.sType = VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO;
  VkApplicationInfo application{};
  application.sType = VK_STRUCTURE_TYPE_APPLICATION_INFO;
  application.apiVersion = VK_API_VERSION_1_2;
  create.pApplicationInfo = &application;
  REQUIRE(global->CreateInstance(&create, nullptr, &Priorities::instance) == VK_SUCCESS);
  Priorities::next = global->GetInstanceProcAddr;
  {
    const auto instance = VulkanInstance::adopt(Priorities::get_proc, Priorities::instance);
    REQUIRE(instance);
    auto gpus = (*instance)->gpus();
    REQUIRE(gpus);
    VulkanGpu gpu = gpus->at(*choose_gpu(*gpus, {}));
    std::erase(gpu.extensions, VK_KHR_GLOBAL_PRIORITY_EXTENSION_NAME);
    const bool known = GENERATE(false, true);
    if (known) gpu.extensions.emplace_back(VK_KHR_GLOBAL_PRIORITY_EXTENSION_NAME);
    Priorities::granted = GENERATE(false, true);
    Priorities::asked = 0;
    const auto device = VulkanDevice::create(*instance, gpu);
    REQUIRE(device);
    CHECK((*device)->realtime() == (known && Priorities::granted));
    CHECK(Priorities::asked == (known ? 1U : 0U));
  }
  reinterpret_cast<PFN_vkDestroyInstance>(Priorities::next(Priorities::instance, "vkDestroyInstance"))(
      Priorities::instance, nullptr);
}

TEST_CASE("a machine without Vulkan is told from one with it, without a word on stderr") {
  CapturedStderr quiet;
  const auto none = VulkanInstance::create("libvulkan-that-is-not-there.so.1");
  const auto other = VulkanInstance::create("libc.so.6");
  const auto device = VulkanDevice::open({});
  CHECK(quiet.text().empty());
  REQUIRE_FALSE(none);
  CHECK(none.error().kind == ErrorKind::Unsupported);
  CHECK(none.error().detail.find("libvulkan-that-is-not-there") != std::string::npos);
  REQUIRE_FALSE(other);
  CHECK(other.error().detail.find("vkGetInstanceProcAddr") != std::string::npos);
}

TEST_CASE("the device is chosen by what it is asked for, and refused by name") {
  const std::vector<std::string> dmabuf{"VK_KHR_external_memory_fd", "VK_EXT_external_memory_dma_buf"};
  std::vector<VulkanGpu> gpus{gpu("llvmpipe", kSoftware, 1, dmabuf), gpu("old", kDiscrete, 2, dmabuf),
                              gpu("bare", kDiscrete, 3), gpu("good", kDiscrete, 4, dmabuf)};
  gpus[1].api_version = VK_API_VERSION_1_1;
  gpus[3].render_node = DrmNode{226, 129};
  gpus[2].pci = "0000:01:00.0";

  CHECK(choose_gpu(gpus, {}) == 2U);
  CHECK(choose_gpu(gpus, {.use = VulkanUse::LinearDmabuf}) == 3U);
  CHECK(choose_gpu(gpus, {.gpu = GpuAddress{.number = DrmNode{226, 129}}}) == 3U);
  // A driver that does not tell its render node tells where on the bus it is; the node decides where both do.
  CHECK(choose_gpu(gpus, {.gpu = GpuAddress{.number = DrmNode{226, 130}, .pci = "0000:01:00.0"}}) == 2U);
  gpus[2].render_node = DrmNode{226, 131};
  CHECK_FALSE(choose_gpu(gpus, {.gpu = GpuAddress{.number = DrmNode{226, 130}, .pci = "0000:01:00.0"}}));
  gpus[2].render_node.reset();
  CHECK_FALSE(choose_gpu(gpus, {.uuid = GpuUuid{3}, .gpu = GpuAddress{.number = DrmNode{226, 129}}}));
  CHECK(choose_gpu(gpus, {.uuid = GpuUuid{1}}) == 0U);
  CHECK(choose_gpu(std::span(gpus).first(2), {}) == 0U);

  const auto software = choose_gpu(std::span(gpus).first(1), {.software = false});
  REQUIRE_FALSE(software);
  CHECK(software.error().kind == ErrorKind::Unsupported);
  CHECK(software.error().detail == "llvmpipe: it is a software renderer");
  const auto tiled = choose_gpu(gpus, {.use = VulkanUse::TiledDmabuf});
  REQUIRE_FALSE(tiled);
  CHECK(tiled.error().detail.find("old: its Vulkan is older than 1.2") != std::string::npos);
  CHECK(tiled.error().detail.find("good: it has no VK_EXT_image_drm_format_modifier") != std::string::npos);
  const auto elsewhere = choose_gpu(gpus, {.gpu = GpuAddress{.number = DrmNode{226, 128}}});
  REQUIRE_FALSE(elsewhere);
  CHECK(elsewhere.error().kind == ErrorKind::NotFound);
  CHECK(choose_gpu({}, {}).error().kind == ErrorKind::Unsupported);
}

TEST_CASE("results of the driver become errors one can act on") {
  CHECK(fail_vk(VK_ERROR_DEVICE_LOST, "x").error().kind == ErrorKind::Lost);
  CHECK(fail_vk(VK_TIMEOUT, "x").error().kind == ErrorKind::Timeout);
  CHECK(fail_vk(VK_ERROR_INVALID_EXTERNAL_HANDLE, "x").error().kind == ErrorKind::Unsupported);
  CHECK(fail_vk(static_cast<VkResult>(-4242), "x").error().message() == "x: VkResult -4242");
}

TEST_CASE("memory one device exports another opens") {
  const auto device = vulkan_device(VulkanUse::Export);
  const auto other = VulkanDevice::open({.uuid = device->gpu().uuid});
  REQUIRE(other);
  auto exported = VulkanBuffer::create_exportable(device, 1 << 20);
  REQUIRE(exported);
  auto fd = exported->export_fd();
  REQUIRE(fd);
  auto imported = VulkanBuffer::import_opaque(*other, std::move(*fd), 1 << 20);
  REQUIRE(imported);
  CHECK(imported->foreign());

  const auto pass = ConversionPass::create(device);
  const auto other_pass = ConversionPass::create(*other);
  REQUIRE(pass);
  REQUIRE(other_pass);
  std::vector<std::byte> noise(1 << 20);
  randomise(noise, 7);
  REQUIRE((*pass)->copy(host_buffer(device, noise), *exported, noise.size(), kSoon));
  auto seen = VulkanBuffer::create_host(*other, noise.size());
  REQUIRE(seen);
  REQUIRE((*other_pass)->copy(*imported, *seen, noise.size(), kSoon));
  REQUIRE(seen->invalidate());
  CHECK(std::memcmp(seen->mapped(), noise.data(), noise.size()) == 0);
}

TEST_CASE("what is no memory is refused, and its descriptor closed") {
  const auto device = vulkan_device(VulkanUse::LinearDmabuf);
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  const UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  const std::size_t before = open_fds();
  const auto imported = VulkanBuffer::import_dmabuf(device, reader.get(), 4096);
  CHECK_FALSE(imported);
  const UniqueFd short_memory(::memfd_create("short", MFD_CLOEXEC));
  REQUIRE(::ftruncate(short_memory.get(), 4096) == 0);
  const auto too_long = VulkanBuffer::import_dmabuf(device, short_memory.get(), 8192);
  REQUIRE_FALSE(too_long);
  CHECK(too_long.error().kind == ErrorKind::Invalid);
  CHECK(open_fds() == before + 1);
}
