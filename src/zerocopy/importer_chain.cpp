#include "zerocopy/importer_chain.h"

#include "base/log.h"
#include "gpu/render_nodes.h"
#include "zerocopy/gpu_importer.h"
#include "zerocopy/host_importer.h"
#include "zerocopy/open_gpu.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace zc {
namespace {

/// With one GPU the compositor draws with it, too.
bool only_one_gpu() { return render_nodes().size() <= 1; }

}  // namespace

Result<std::unique_ptr<Importer>> open_importer(const Toggles& toggles, FormatTable& formats, MemoryKind first) {
  const bool strict = toggles.zerocopy == ZerocopyMode::Required;
  const auto on_host = [&formats] {
    formats.set_readable(host_offer());
    return make_host_importer();
  };
  if (toggles.zerocopy == ZerocopyMode::Off || toggles.route == "cpu") return on_host();
  std::vector<GpuKind> kinds(gpu_kinds().begin(), gpu_kinds().end());
  if (first != MemoryKind::Host) {
    std::ranges::stable_partition(kinds, [first](const GpuKind& kind) { return kind.memory == first; });
  }
  std::string reasons;
  for (const GpuKind& kind : kinds) {
    const auto open = [kind, route = toggles.route, software = toggles.software] {
      return kind.open({.converter = route, .software = software});
    };
    auto gpu = open();
    if (gpu) {
      return make_gpu_importer(
          std::move(*gpu),
          {.strict = strict, .implicit_modifiers = only_one_gpu(), .formats = &formats, .reopen = open});
    }
    logger("zerocopy").debug("{} is not for this machine: {}", kind.name, gpu.error().detail);
    reasons += (reasons.empty() ? "" : "; ") + std::string(kind.name) + ": " + gpu.error().message();
  }
  if (!strict && toggles.route.empty()) return on_host();
  return fail(ErrorKind::Unsupported, strict ? "ZEROCOPY=1" : "ZEROCOPY_ROUTE=" + toggles.route, reasons);
}

}  // namespace zc
