#pragma once

#include <filesystem>
#include <string>

namespace zc {

/// A graphics card may be there: the kernel shows a render node (/dev/dri/renderD*) or NVIDIA's (/dev/nvidia0). Costs
/// two looks into a folder and wakes nothing, whereas asking Vulkan or CUDA loads their drivers, software renderers
/// included (50 MB of memory), and wakes a sleeping card.
[[nodiscard]] bool has_gpu_node(const std::filesystem::path& dev = "/dev");

/// What else to say of NVIDIA's driver when it does not start: the module that CUDA and NVENC need has no node, because
/// nvidia-modprobe, the set-user-ID program with which libcuda loads the module and makes its node, gets no rights from
/// this thread, as in our systemd service. From a terminal it does. Empty: that is not the reason.
[[nodiscard]] std::string nvidia_module_advice(const std::filesystem::path& root = "/");

}  // namespace zc
