#pragma once

#include "base/error.h"
#include "zerocopy/cpu_importer.h"

#include <cstddef>
#include <memory>

namespace zc {

class VulkanDevice;

struct VulkanImporterOptions {
  /// Only what the GPU converts: no shared memory, no scaled pictures, no way out when the GPU fails.
  bool strict = false;
  /// A software renderer counts as a GPU: for tests.
  bool software = false;
  std::size_t surface_limit = kDefaultSurfaceLimit;
  /// The device to use; null: the first that has what it takes.
  std::shared_ptr<VulkanDevice> device = nullptr;
};

/// LINEAR dmabufs of RGB pictures through one Vulkan compute pass into memory that software encoders read; the CPU
/// touches the cursor's pixels only. Everything else a frame may be, and every frame after the GPU has failed (one
/// warning says so), goes the CPU's way, which gives the same bits. Unsupported where there is no GPU with Vulkan 1.2
/// that imports dmabufs; the detail names each device and what it lacks.
[[nodiscard]] Result<std::unique_ptr<Importer>> make_vulkan_importer(const VulkanImporterOptions& options = {});

}  // namespace zc
