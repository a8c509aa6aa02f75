#include "probe/compositor.h"

#include "capture/compositor_device.h"
#include "gpu/gpu_address.h"
#include "probe/system_facts.h"

#include <sys/sysmacros.h>

#include <utility>

namespace zc::probe {
namespace {

CompositorFacts facts_of(const Result<dev_t>& device) {
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

}  // namespace

CompositorFacts ask_compositor(UniqueFd socket, Nanoseconds limit) {
  return facts_of(compositor_device(WaylandWire(std::move(socket)), limit));
}

CompositorFacts ask_compositor(Nanoseconds limit) { return facts_of(compositor_device(limit)); }

}  // namespace zc::probe
