#include "probe/join.h"

#include <algorithm>
#include <functional>
#include <string>

namespace zc::probe {
namespace {

/// By what a device may be recognised; "" unknown.
struct Identity {
  std::string uuid;
  std::string pci;
  std::string render_node;
  bool software = false;
};

bool same(const std::string& a, const std::string& b) { return !a.empty() && a == b; }

bool is(const GpuReport& gpu, const Identity& identity) {
  return same(gpu.uuid, identity.uuid) || same(gpu.pci, identity.pci) || same(gpu.render_node, identity.render_node) ||
         (gpu.software && identity.software);
}

void learn(std::string& known, const std::string& told) {
  if (known.empty()) known = told;
}

class Joiner {
 public:
  explicit Joiner(const Facts& facts) {
    for (const DrmFacts& drm : facts.drm) {
      GpuReport& gpu = entry({.uuid = {}, .pci = drm.pci, .render_node = drm.render_node});
      gpu.drm = drm;
    }
    for (VulkanFacts vulkan : facts.vulkan) {
      const auto node = std::ranges::find_if(
          facts.drm, [&](const DrmFacts& drm) { return same(drm.render_number, vulkan.render_node); });
      vulkan.render_node = node == facts.drm.end() ? std::string() : node->render_node;
      add({.uuid = vulkan.uuid, .pci = vulkan.pci, .render_node = vulkan.render_node, .software = vulkan.software},
          &GpuReport::vulkan, vulkan, vulkan.name);
    }
    for (const CudaFacts& cuda : facts.cuda) {
      add({.uuid = cuda.uuid, .pci = cuda.pci, .render_node = {}}, &GpuReport::cuda, cuda, cuda.name);
    }
    for (const EglFacts& egl : facts.egl) {
      const Identity identity{.uuid = egl.uuid, .pci = {}, .render_node = egl.render_node, .software = egl.software};
      // Two EGL drivers can show the same device, of which one cannot use it.
      GpuReport& gpu = entry(identity);
      if (gpu.egl && !gpu.egl->reason.empty()) gpu.egl.reset();
      add(identity, &GpuReport::egl, egl, egl.renderer);
    }
    for (const VaapiFacts& vaapi : facts.vaapi) {
      add({.uuid = {}, .pci = {}, .render_node = vaapi.render_node}, &GpuReport::vaapi, vaapi, {});
    }
  }

  std::vector<GpuReport> take() {
    for (GpuReport& gpu : gpus_) {
      if (gpu.name.empty() && gpu.drm) gpu.name = gpu.drm->driver;
      if (gpu.name.empty()) gpu.name = "unnamed";
    }
    std::ranges::stable_sort(gpus_, {}, &GpuReport::software);
    return std::move(gpus_);
  }

 private:
  GpuReport& entry(const Identity& identity) {
    auto found = std::ranges::find_if(gpus_, [&](const GpuReport& gpu) { return is(gpu, identity); });
    if (found == gpus_.end()) found = gpus_.insert(gpus_.end(), GpuReport{});
    learn(found->uuid, identity.uuid);
    learn(found->pci, identity.pci);
    learn(found->render_node, identity.render_node);
    found->software = found->software || identity.software;
    return *found;
  }

  template <class T>
  void add(const Identity& identity, std::optional<T> GpuReport::* member, const T& told, const std::string& name) {
    GpuReport& gpu = entry(identity);
    learn(gpu.name, name);
    if (!(gpu.*member)) gpu.*member = told;
  }

  std::vector<GpuReport> gpus_;
};

}  // namespace

std::vector<GpuReport> join_gpus(const Facts& facts) { return Joiner(facts).take(); }

void join_compositor(const std::vector<GpuReport>& gpus, CompositorFacts& compositor) {
  if (compositor.device.empty()) return;
  const auto shows = [&](const GpuReport& gpu) {
    return same(gpu.render_node, compositor.render_node) || (gpu.drm && gpu.drm->render_number == compositor.device);
  };
  const auto found = std::ranges::find_if(gpus, shows);
  if (found == gpus.end()) {
    compositor.reason = "its device is none of those found here";
    return;
  }
  compositor.render_node = found->render_node;
  compositor.gpu = found->name;
}

}  // namespace zc::probe
