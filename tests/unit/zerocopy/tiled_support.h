// A software device with DRM modifiers (tests/vklayer) and dmabufs in its made-up tiling.
#pragma once

#include "unit/zerocopy/vulkan_support.h"
#include "vklayer/test_modifiers.h"
#include "zerocopy/vulkan/dmabuf_sources.h"

#include <algorithm>
#include <cstdlib>
#include <string>

namespace zc::test {

/// One device for the whole program; skips the test where there is no lavapipe.
inline std::shared_ptr<VulkanDevice> tiled_device() {
  static const auto device = [] {
    // In front of what the caller may have put there: the validation layer, say.
    const auto prepend = [](const char* variable, const std::string& value, const char* usual) {
      const char* old = std::getenv(variable);
      const std::string rest = old != nullptr ? old : usual;
      ::setenv(variable, (rest.empty() ? value : rest + ":" + value).c_str(), 1);
    };
    prepend("VK_LAYER_PATH", ZEROCAST_VKLAYER_DIR, "/usr/share/vulkan/explicit_layer.d");
    prepend("VK_INSTANCE_LAYERS", "VK_LAYER_ZEROCAST_modifiers", "");
    const auto open = []() -> Result<std::shared_ptr<VulkanDevice>> {
      auto instance = VulkanInstance::create();
      if (!instance) return std::unexpected(instance.error());
      const auto gpus = (*instance)->gpus();
      if (!gpus) return std::unexpected(gpus.error());
      for (const VulkanGpu& gpu : *gpus) {
        const bool fits = gpu.type == VK_PHYSICAL_DEVICE_TYPE_CPU && gpu.missing_for(VulkanUse::TiledDmabuf).empty();
        if (fits) return VulkanDevice::create(std::move(*instance), gpu);
      }
      return fail(ErrorKind::Unsupported, "open a software device", "none has DRM modifiers");
    };
    return open();
  }();
  if (!device) SKIP(device.error().message());
  return *device;
}

/// Memory in the place of a dmabuf, with these bytes at its front and whole pages.
inline UniqueFd memory_file(std::span<const std::byte> bytes) {
  UniqueFd fd(::memfd_create("picture", MFD_CLOEXEC));
  REQUIRE(fd);
  const std::size_t page = 4096;
  REQUIRE(::ftruncate(fd.get(), static_cast<off_t>((bytes.size() + page - 1) / page * page)) == 0);
  REQUIRE(::pwrite(fd.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  return fd;
}

/// A picture in kTiledModifier's layout.
struct TiledBytes {
  TiledBytes(const RgbPicture& picture, std::uint32_t offset)
      : layout(tiled_layout(picture.size().width, picture.size().height, offset)), bytes(layout.bytes) {
    randomise(bytes, offset + 11);  // the keys among them
    write_tiled(picture.data(), picture.stride(), picture.size().width, picture.size().height, layout, bytes.data());
  }
  TiledLayout layout;
  std::vector<std::byte> bytes;
};

inline std::shared_ptr<Dmabuf> tiled_dmabuf(const RgbPicture& picture, PixelFormat format, std::uint32_t offset = 0) {
  const TiledBytes tiled(picture, offset);
  auto dmabuf = std::make_shared<Dmabuf>();
  dmabuf->size = picture.size();
  dmabuf->format = format;
  dmabuf->modifier = kTiledModifier;
  dmabuf->plane_count = 2;
  UniqueFd fd = memory_file(tiled.bytes);
  auto second = fd.dup();
  REQUIRE(second);
  dmabuf->planes[0] = {std::move(fd), tiled.layout.offset, tiled.layout.stride};
  dmabuf->planes[1] = {std::move(*second), tiled.layout.keys_offset, tiled.layout.keys_stride};
  return dmabuf;
}

}  // namespace zc::test
