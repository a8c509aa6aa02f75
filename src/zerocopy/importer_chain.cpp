#include "zerocopy/importer_chain.h"

#include "base/log.h"
#include "zerocopy/cpu_importer.h"
#include "zerocopy/device_importer.h"
#include "zerocopy/vaapi_importer.h"
#include "zerocopy/vulkan_importer.h"
#include "zerocopy/vulkan_video_importer.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace zc {
namespace {

/// One route. `make` fails with Unsupported and the reason where this machine does not have it.
struct Route {
  std::string_view name;
  bool zero_copy;
  MemoryKind memory;  ///< its surfaces'
  Result<std::unique_ptr<Importer>> (*make)(bool strict);
};

constexpr std::array kRoutes = {
    Route{"cuda", true, MemoryKind::Cuda, [](bool strict) { return make_device_importer({.strict = strict}); }},
    Route{"vaapi", true, MemoryKind::Vaapi, [](bool strict) { return make_vaapi_importer({.strict = strict}); }},
    Route{"vulkan-video", true, MemoryKind::Vulkan,
          [](bool strict) { return make_vulkan_video_importer({.strict = strict}); }},
    Route{"vulkan", true, MemoryKind::Host, [](bool strict) { return make_vulkan_importer({.strict = strict}); }},
    Route{"cpu", false, MemoryKind::Host,
          [](bool /*strict*/) -> Result<std::unique_ptr<Importer>> { return make_cpu_importer(); }},
};

bool allowed(const Route& route, ZerocopyMode mode) {
  switch (mode) {
    case ZerocopyMode::Off: return !route.zero_copy;
    case ZerocopyMode::Required: return route.zero_copy;
    case ZerocopyMode::Auto: return true;
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<Importer>> open_importer(ZerocopyMode mode, MemoryKind first) {
  std::string reasons;
  auto routes = kRoutes;
  if (first != MemoryKind::Host) {
    std::ranges::stable_partition(routes, [first](const Route& route) { return route.memory == first; });
  }
  for (const Route& route : routes) {
    if (!allowed(route, mode)) continue;
    auto importer = route.make(mode == ZerocopyMode::Required);
    if (importer) return importer;
    logger("zerocopy").info("the {} route is not for this machine: {}", route.name, importer.error().detail);
    reasons += (reasons.empty() ? "" : "; ") + std::string(route.name) + ": " + importer.error().message();
  }
  if (reasons.empty()) reasons = "this version has no zero-copy route, only the CPU route; use ZEROCOPY=auto or 0";
  return fail(ErrorKind::Unsupported, mode == ZerocopyMode::Required ? "ZEROCOPY=1" : "choose a capture route",
              reasons);
}

}  // namespace zc
