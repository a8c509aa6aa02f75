#pragma once

#include "base/error.h"
#include "zerocopy/importer.h"

#include <cstddef>
#include <memory>
#include <vector>

namespace zc {

class DeviceConverter;
struct CudaCounters;
struct DeviceSetup;

/// Surfaces in CUDA memory that may be held at a time: more than the ring and an encoder hold, fewer than NVENC's
/// wrapper registers (64).
inline constexpr std::size_t kDeviceSurfaceLimit = 64;

struct DeviceImporterOptions {
  /// Only what the GPU converts: no shared memory, no way out when the GPU fails.
  bool strict = false;
  std::size_t surface_limit = kDeviceSurfaceLimit;
};

/// Dmabufs to surfaces in the memory of an NVIDIA GPU, which its encoder takes as they are: one pass on the GPU, by the
/// first of device_routes() that takes the frame, no pixel through the CPU. The cursor is drawn there too. A route that
/// fails is left, with one warning, for the next; at last the CPU makes the pictures and each is copied to the GPU, so
/// that the encoder goes on. Configured for surfaces in host memory it is make_vulkan_importer() on the same GPU, or
/// the CPU's.
///
/// Besides what Importer says, import() gives NotFound for a frame without a picture before the first one with a
/// picture since configure(), Invalid for a malformed frame, Unsupported for what none of the ways reads, and Lost when
/// CUDA is gone (strict: when the last route is).
///
/// Unsupported where there is no such GPU; the detail says what is missing.
[[nodiscard]] Result<std::unique_ptr<Importer>> make_device_importer(const DeviceImporterOptions& options = {});

/// The same with routes of the caller's choice. `host`: for surfaces in host memory. `counters` may be null.
[[nodiscard]] std::unique_ptr<Importer> make_device_importer(const DeviceImporterOptions& options,
                                                             const DeviceSetup& setup,
                                                             std::vector<std::unique_ptr<DeviceConverter>> routes,
                                                             std::unique_ptr<Importer> host,
                                                             std::shared_ptr<CudaCounters> counters);

}  // namespace zc
