// One GPU as several APIs see it.
#pragma once

#include "probe/report.h"

#include <vector>

namespace zc::probe {

/// What each API said, each device once.
struct Facts {
  std::vector<DrmFacts> drm;
  std::vector<VulkanFacts> vulkan;
  std::vector<EglFacts> egl;
  std::vector<CudaFacts> cuda;
  std::vector<VaapiFacts> vaapi;
};

/// The same device of different APIs in one entry: by UUID, PCI address or render node, whichever two of them tell.
/// Software renderers are one device. Hardware first.
[[nodiscard]] std::vector<GpuReport> join_gpus(const Facts& facts);

/// Finds the compositor's device among them and completes `compositor`.
void join_compositor(const std::vector<GpuReport>& gpus, CompositorFacts& compositor);

}  // namespace zc::probe
