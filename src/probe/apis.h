// What each graphics API says about this machine. Each call loads the API's library and may crash in it: they are made
// in child processes (step.h).
#pragma once

#include "base/error.h"
#include "probe/report.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace zc::probe {

/// Every physical device. Unsupported: no loader, no driver.
[[nodiscard]] Result<std::vector<VulkanFacts>> vulkan_facts();
/// Every EGL device.
[[nodiscard]] Result<std::vector<EglFacts>> egl_facts();
/// Every CUDA device. Wakes a sleeping discrete GPU.
[[nodiscard]] Result<std::vector<CudaFacts>> cuda_facts();
/// The VA-API driver of a render node.
[[nodiscard]] Result<VaapiFacts> vaapi_facts(const std::string& render_node);

/// 32 hexadecimal digits; "" for zeros, which is what drivers without one say.
[[nodiscard]] std::string uuid_text(const std::array<std::uint8_t, 16>& uuid);
/// Mesa's software renderers, by the name that OpenGL or Vulkan shows.
[[nodiscard]] bool software_renderer(std::string_view name);

}  // namespace zc::probe
