// The GPUs of this machine, opened for an importer.
#pragma once

#include "base/error.h"
#include "media/surface.h"
#include "zerocopy/gpu_importer.h"

#include <memory>
#include <span>
#include <string_view>

namespace zc {

class VulkanDevice;

/// How a GPU is opened.
struct GpuOptions {
  /// The one converter to use: "vulkan" or "egl"; empty: all there are.
  std::string_view converter = {};
  /// A software renderer counts as a GPU: for tests.
  bool software = false;
};

/// One kind of memory that an encoder takes pictures from, and the GPU whose it is. Unsupported, with the reason, where
/// this machine does not have it.
struct GpuKind {
  std::string_view name;  ///< "cuda"
  MemoryKind memory;
  Result<Gpu> (*open)(const GpuOptions& options);
};

/// Every kind there is, in the order in which they are tried; host memory comes last. Add a row to add one.
[[nodiscard]] std::span<const GpuKind> gpu_kinds();

/// The converters of a device, in the order in which they are asked: Vulkan for LINEAR and every layout it imports,
/// EGL for the rest. Unsupported: there is none.
[[nodiscard]] Result<std::vector<std::unique_ptr<Converter>>> open_converters(
    const std::shared_ptr<VulkanDevice>& device, const GpuOptions& options = {});

/// For software encoders, on this device.
[[nodiscard]] Result<Gpu> open_host_gpu(std::shared_ptr<VulkanDevice> device, const GpuOptions& options = {});
/// For Vulkan Video, on one of VulkanDevice::adopt().
[[nodiscard]] Result<Gpu> open_vulkan_video_gpu(std::shared_ptr<VulkanDevice> device, const GpuOptions& options = {});

}  // namespace zc
