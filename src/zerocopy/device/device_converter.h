// The seam between the importer that hands out surfaces in a GPU's memory and the routes that fill them.
#pragma once

#include "base/error.h"
#include "media/colour.h"
#include "media/dmabuf.h"
#include "zerocopy/picture_plan.h"
#include "zerocopy/surface_layout.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace zc {

namespace cuda {
class Context;
}
class CursorPass;
class VulkanBuffer;
class VulkanDevice;

/// Memory of one pooled surface: allocated by Vulkan, dedicated, exportable as OPAQUE_FD (VulkanBuffer::export_fd(),
/// allocation_bytes() is the size to import it with), imported into CUDA already.
struct DeviceTarget {
  /// Never used twice in a process: what a route keeps its own import of this memory under.
  std::uint64_t id = 0;
  const VulkanBuffer* buffer = nullptr;
  std::uint64_t cuda_address = 0;  ///< CUdeviceptr of the same memory
};

/// One picture to make. Everything lives as long as the call.
struct DevicePicture {
  const std::shared_ptr<const Dmabuf>& dmabuf;  ///< cached by the object's identity, let go with it
  const PicturePlan& plan;
  const ColourDescription& colour;  ///< of the surface; matrix and range are known
  const DeviceTarget& target;
  const SurfaceLayout& layout;   ///< of the target's planes
  CursorPass* cursor = nullptr;  ///< see DeviceConverter::records_cursor()
};

/// One way from a dmabuf to a surface in the GPU's memory. One thread makes every call, the destructor included.
class DeviceConverter {
 public:
  DeviceConverter() = default;
  virtual ~DeviceConverter() = default;
  DeviceConverter(const DeviceConverter&) = delete;
  DeviceConverter& operator=(const DeviceConverter&) = delete;

  /// Name of the route: "vulkan", "egl".
  [[nodiscard]] virtual std::string_view route() const = 0;
  /// DRM modifiers it reads of this format, best first.
  [[nodiscard]] virtual std::vector<std::uint64_t> modifiers(PixelFormat format) const = 0;
  /// Pictures it does not take go another way, frame by frame. No side effects; whether the driver really takes the
  /// buffer shows in convert().
  [[nodiscard]] virtual bool takes(const Dmabuf& dmabuf, const PicturePlan& plan) const = 0;

  /// The whole picture, bars included, in one pass. The producer has finished it (producer_wait.h); the GPU is waited
  /// for, bounded: when this returns, other APIs may read the target and the producer may write its buffer. The samples
  /// are those of the CPU's conversion (yuv_coefficients.h); scaled ones within the filter's freedom. Nothing is
  /// allocated, imported or registered for a dmabuf and a target it has seen before. Invalid: this dmabuf is malformed.
  /// Busy: not this time. Timeout: the target may still be written to; once this object is gone, freeing it is safe.
  /// Lost: the device is gone. Anything else: this route cannot.
  [[nodiscard]] virtual Result<void> convert(const DevicePicture& picture) = 0;

  /// True: convert() records `picture.cursor`, when there is one, into its own submission. False: the importer draws
  /// the cursor in a pass of its own afterwards.
  [[nodiscard]] virtual bool records_cursor() const { return false; }
  /// No target used so far comes again (another size or format): the route lets go of its imports.
  virtual void forget_targets() {}
};

/// What routes are made on: one GPU, as two drivers see it.
struct DeviceSetup {
  std::shared_ptr<VulkanDevice> vulkan;  ///< with VulkanUse::Export
  std::shared_ptr<const cuda::Context> cuda;
};

struct DeviceRoute {
  std::string_view name;
  /// Unsupported, with the reason, where this machine does not have it.
  Result<std::unique_ptr<DeviceConverter>> (*make)(const DeviceSetup& setup);
  /// Opened only where the route of this name cannot be; empty: always.
  std::string_view instead_of;
};

/// Every route there is, in the order they are tried for a frame. Add a row to add a route.
[[nodiscard]] std::span<const DeviceRoute> device_routes();

}  // namespace zc
