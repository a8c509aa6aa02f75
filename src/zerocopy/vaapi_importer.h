#pragma once

#include "base/error.h"
#include "zerocopy/importer.h"

#include <cstddef>
#include <memory>

namespace zc {

namespace vaapi {
class Device;
}

/// Surfaces in VA-API memory that may be out at a time: more than the ring and an encoder hold.
inline constexpr std::size_t kVaapiSurfaceLimit = 32;

struct VaapiImporterOptions {
  /// Only what the GPU converts: no shared memory, no way out when the GPU fails.
  bool strict = false;
  std::size_t surface_limit = kVaapiSurfaceLimit;
  /// The device to use; null: the first render node's whose driver has what it takes.
  std::shared_ptr<const vaapi::Device> device = nullptr;
};

/// Dmabufs to surfaces in the memory of a card with VA-API (Intel, AMD), which its encoders take as they are: one pass
/// of its video processor crops, scales and converts; the CPU touches the cursor's pixels only. NV12 and P010 dmabufs
/// that need none of it are handed to the encoder themselves, with their lease, unless that leaves the producer fewer
/// than two buffers. What the video processor does not take (turned pictures, shared memory), and every picture after
/// it has failed (one warning says so), is made in host memory and uploaded, so that the encoder goes on. Configured
/// for surfaces in host memory it is make_vulkan_importer() or the CPU's.
///
/// Formats and modifiers are offered when a picture made by the driver itself has come through with the right colours.
///
/// Besides what Importer says, import() gives NotFound for a frame without a picture before the first one with a
/// picture since configure(), Invalid for a malformed frame, Unsupported for what none of the ways reads, and Lost when
/// VA-API is gone (strict: when the video processor is).
///
/// Unsupported where there is no such card; the detail says what is missing.
[[nodiscard]] Result<std::unique_ptr<Importer>> make_vaapi_importer(const VaapiImporterOptions& options = {});

}  // namespace zc
