// Every route from a captured buffer to an encoder's surface, tried with frames of our own.
#pragma once

#include "base/error.h"
#include "gpu/which_gpu.h"
#include "media/geometry.h"
#include "probe/report.h"
#include "zerocopy/importer.h"

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace zc::probe {

/// A route that has been opened.
struct OpenedRoute {
  std::unique_ptr<Importer> importer;
  std::string device;     ///< the GPU's name
  std::string uuid;       ///< 32 hexadecimal digits; "" unknown
  bool software = false;  ///< the GPU is a renderer on the CPU
  MemoryKind memory = MemoryKind::Host;
  /// Its samples are the CPU route's. Otherwise the driver filters chroma as it likes: such a sample is right when it
  /// is between those around it.
  bool exact = true;
};

/// One route. `open` fails with Unsupported and the reason where this machine does not have it; software renderers
/// count, the report says so.
struct RouteRow {
  std::string name;  ///< as Importer::route() says it: "vulkan+cuda"
  std::string what;
  bool zero_copy;
  std::function<Result<OpenedRoute>(const GpuChoice& choice)> open;
};
/// In the order in which a recording tries them; the last is the CPU route.
[[nodiscard]] const std::vector<RouteRow>& route_rows();

inline constexpr std::array kRouteSizes{Size{1920, 1080}, Size{3840, 2160}};

/// Opens the route, and for each size makes a frame in the first kind of memory that it reads, imports it, compares the
/// surface sample by sample with the CPU route's and takes the time of some more. `progress` gets what is known so far
/// whenever that is more.
[[nodiscard]] RouteReport try_route(const RouteRow& row, std::span<const Size> sizes,
                                    const std::function<void(const RouteReport&)>& progress,
                                    const GpuChoice& choice = {});

}  // namespace zc::probe
