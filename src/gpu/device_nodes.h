#pragma once

#include <filesystem>

namespace zc {

/// A graphics card may be there: the kernel shows a render node (/dev/dri/renderD*) or NVIDIA's (/dev/nvidia0). Costs
/// two looks into a folder and wakes nothing, whereas asking Vulkan or CUDA loads their drivers, software renderers
/// included (50 MB of memory), and wakes a sleeping card.
[[nodiscard]] bool has_gpu_node(const std::filesystem::path& dev = "/dev");

}  // namespace zc
