// The GPUs of this machine, opened for an importer.
#pragma once

#include "base/error.h"
#include "gpu/gpu_address.h"
#include "gpu/which_gpu.h"
#include "media/surface.h"
#include "zerocopy/gpu_importer.h"

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace zc {

class VulkanDevice;

/// How a GPU is opened.
struct GpuOptions {
  /// The one converter to use: "vulkan" or "egl"; empty: all there are.
  std::string_view converter = {};
  /// A software renderer counts as a GPU: for tests.
  bool software = false;
  /// The one to open; unset: the first that works.
  std::optional<GpuAddress> gpu = std::nullopt;
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

/// One thing to try: a kind, on a GPU or (unset) on whichever works.
struct GpuAttempt {
  GpuKind kind;
  std::optional<GpuAddress> gpu;
};
/// The order of `kinds`: first those with `first`, the memory of an encoder that the user asks for, then the others;
/// of either on the GPU of the choice before any, and where the choice binds on that alone.
[[nodiscard]] std::vector<GpuAttempt> gpu_attempts(std::span<const GpuKind> kinds, MemoryKind first,
                                                   const GpuChoice& choice);

/// The converters of a device, in the order in which they are asked: Vulkan for LINEAR and every layout it imports,
/// EGL for the rest. Unsupported: there is none.
[[nodiscard]] Result<std::vector<std::unique_ptr<Converter>>> open_converters(
    const std::shared_ptr<VulkanDevice>& device, const GpuOptions& options = {});

/// For software encoders, on this device.
[[nodiscard]] Result<Gpu> open_host_gpu(std::shared_ptr<VulkanDevice> device, const GpuOptions& options = {});
/// For Vulkan Video, on one of VulkanDevice::adopt().
[[nodiscard]] Result<Gpu> open_vulkan_video_gpu(std::shared_ptr<VulkanDevice> device, const GpuOptions& options = {});

}  // namespace zc
