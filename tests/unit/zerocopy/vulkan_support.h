// Helpers of the Vulkan tests: a device (lavapipe where there is no GPU) and memory that stands for a dmabuf.
#pragma once

#include "unit/zerocopy/support.h"
#include "zerocopy/vulkan/conversion_pass.h"
#include "zerocopy/vulkan/vulkan_buffer.h"

#include <sys/mman.h>
#include <catch2/catch_test_macros.hpp>

#include <filesystem>
#include <iterator>
#include <memory>

namespace zc::test {

inline constexpr Nanoseconds kSoon = std::chrono::minutes(2);

/// One device for the whole program: making one takes longer than most tests. Skips the test where there is none.
inline std::shared_ptr<VulkanDevice> vulkan_device(VulkanUse use = VulkanUse::Convert) {
  static const auto device = VulkanDevice::open({});
  if (!device) SKIP("no Vulkan device: " << device.error().message());
  const std::string missing = (*device)->gpu().missing_for(use);
  if (!missing.empty()) SKIP((*device)->gpu().name << " has no " << missing);
  return *device;
}

/// Shared memory in the place of a dmabuf: lavapipe maps whatever descriptor it is given.
inline std::shared_ptr<const Dmabuf> memfd_dmabuf(const RgbPicture& picture, PixelFormat format,
                                                  std::uint32_t offset = 0) {
  auto dmabuf = std::make_shared<Dmabuf>();
  dmabuf->size = picture.size();
  dmabuf->format = format;
  dmabuf->modifier = kModifierLinear;
  dmabuf->plane_count = 1;
  UniqueFd fd(::memfd_create("picture", MFD_CLOEXEC));
  REQUIRE(fd);
  const auto bytes = picture.bytes();
  const std::size_t page = 4096;  // a dmabuf is whole pages
  REQUIRE(::ftruncate(fd.get(), static_cast<off_t>((offset + bytes.size() + page - 1) / page * page)) == 0);
  REQUIRE(::pwrite(fd.get(), bytes.data(), bytes.size(), offset) == static_cast<ssize_t>(bytes.size()));
  dmabuf->planes[0] = {std::move(fd), offset, static_cast<std::uint32_t>(picture.stride())};
  return dmabuf;
}

inline YuvView view_of(const VulkanBuffer& buffer, const SurfaceLayout& layout) {
  YuvView view{layout.format, layout.size, {}};
  for (unsigned i = 0; i < info(layout.format).planes; ++i) {
    view.planes.at(i) = {buffer.mapped() + layout.planes.at(i).offset_bytes, layout.planes.at(i).stride_bytes};
  }
  return view;
}

/// `bytes` in memory the device and the CPU share, at an offset.
inline VulkanBuffer host_buffer(const std::shared_ptr<VulkanDevice>& device, std::span<const std::byte> bytes,
                                std::size_t offset = 0) {
  auto buffer = VulkanBuffer::create_host(device, (offset + bytes.size() + 3) / 4 * 4);
  REQUIRE(buffer);
  std::memcpy(buffer->mapped() + offset, bytes.data(), bytes.size());
  return std::move(*buffer);
}

inline std::size_t open_fds() {
  const std::filesystem::directory_iterator fds("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(fds), end(fds)));
}

}  // namespace zc::test
