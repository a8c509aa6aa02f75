#include "zerocopy/importer_chain.h"

#include "base/log.h"
#include "zerocopy/gpu_importer.h"
#include "zerocopy/host_importer.h"
#include "zerocopy/open_gpu.h"

#include <string>
#include <utility>

namespace zc {

Result<std::unique_ptr<Importer>> open_importer(const Toggles& toggles, FormatTable& formats, MemoryKind first,
                                                const GpuChoice& choice) {
  const bool strict = toggles.zerocopy == ZerocopyMode::Required;
  const auto on_host = [&formats] {
    formats.set_readable(host_offer());
    return make_host_importer();
  };
  if (toggles.zerocopy == ZerocopyMode::Off || toggles.route == "cpu") return on_host();
  std::string reasons;
  for (const GpuAttempt& attempt : gpu_attempts(gpu_kinds(), first, choice)) {
    const auto open = [attempt, route = toggles.route, software = toggles.software] {
      return attempt.kind.open({.converter = route, .software = software, .gpu = attempt.gpu});
    };
    auto gpu = open();
    if (gpu) {
      const bool implicit = choice.composes && attempt.gpu == choice.gpu;
      return make_gpu_importer(std::move(*gpu),
                               {.strict = strict, .implicit_modifiers = implicit, .formats = &formats, .reopen = open});
    }
    const std::string tried = std::string(attempt.kind.name) + (attempt.gpu ? " on " + attempt.gpu->text() : "");
    logger("zerocopy").debug("{} is not for this machine: {}", tried, gpu.error().detail);
    reasons += (reasons.empty() ? "" : "; ") + tried + ": " + gpu.error().message();
  }
  if (!strict && toggles.route.empty()) {
    if (choice.binding()) logger("zerocopy").warn("the CPU converts, not {}: {}", choice.gpu->text(), reasons);
    return on_host();
  }
  return fail(ErrorKind::Unsupported, strict ? "ZEROCOPY=1" : "ZEROCOPY_ROUTE=" + toggles.route, reasons);
}

}  // namespace zc
