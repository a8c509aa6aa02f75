#include "gpu/which_gpu.h"

#include <utility>
#include <vector>

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

Result<GpuChoice> choose_gpu(const std::string& named, const std::function<std::optional<GpuAddress>()>& compositor) {
  std::optional<GpuAddress> wanted;
  if (!named.empty()) {
    auto found = find_gpu(named);
    if (!found) return std::unexpected(std::move(found.error()));
    wanted = std::move(*found);
  }
  const std::vector<GpuAddress> machine = machine_gpus();
  return which_gpu(std::move(wanted), machine, machine.size() > 1 ? compositor() : std::nullopt);
}

}  // namespace zc
