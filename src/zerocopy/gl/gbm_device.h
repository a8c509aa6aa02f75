#pragma once

#include "zerocopy/vulkan/vulkan_device.h"

#include <memory>
#include <string>
#include <vector>

namespace zc {

/// A render node through libgbm, for EGL_KHR_platform_gbm.
struct GbmDevice {
  std::string path;              ///< "/dev/dri/renderD128"
  std::shared_ptr<void> device;  ///< struct gbm_device*; its end closes the node
  DrmNode node;
};

/// Every render node that opens, in the order of their numbers; none where libgbm.so.1 is missing.
[[nodiscard]] std::vector<GbmDevice> open_gbm_devices();

}  // namespace zc
