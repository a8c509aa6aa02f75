#include "gpu/which_gpu.h"

#include <utility>

namespace zc {

std::string_view to_string(GpuReason reason) {
  switch (reason) {
    case GpuReason::First: return "first";
    case GpuReason::Only: return "only";
    case GpuReason::Compositor: return "compositor";
    case GpuReason::Chosen: return "chosen";
  }
  return "";
}

GpuChoice which_gpu(std::optional<GpuAddress> named, std::span<const GpuAddress> machine,
                    std::optional<GpuAddress> compositor) {
  // Where there is one, a compositor draws with it.
  if (machine.size() == 1) compositor = machine.front();
  if (named) {
    const bool composes = named == compositor;
    return {.gpu = std::move(named), .reason = GpuReason::Chosen, .composes = composes};
  }
  if (machine.size() <= 1) return {.reason = GpuReason::Only, .composes = true};
  if (compositor) return {.gpu = std::move(compositor), .reason = GpuReason::Compositor, .composes = true};
  return {};
}

}  // namespace zc
