#include "probe/compositor.h"

#include "capture/compositor_device.h"
#include "gpu/gpu_address.h"
#include "probe/system_facts.h"

#include <sys/sysmacros.h>

namespace zc::probe {

CompositorFacts ask_compositor(Nanoseconds limit) {
  const auto device = compositor_device(limit);
  CompositorFacts facts;
  facts.reached = device || device.error().kind == ErrorKind::Unsupported;
  if (!device) {
    facts.reason = device.error().detail;
    return facts;
  }
  facts.device = node_number(major(*device), minor(*device));
  if (const auto gpu = gpu_of_device(*device)) facts.render_node = gpu->render_node;
  return facts;
}

}  // namespace zc::probe
