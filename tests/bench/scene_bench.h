// Scenes of several pictures in zerocast-gpu-bench.
#pragma once

#include "media/geometry.h"
#include "zerocopy/vulkan/vulkan_device.h"

#include <nlohmann/json.hpp>

#include <memory>

namespace zc::bench {

/// A desktop with a camera in round corners, a window and a logo with alpha: by our one pass into memory that CUDA
/// sees, by a chain of one pass per picture in one submission, and by the same passes each waited for. Both pictures
/// are compared with each other.
[[nodiscard]] nlohmann::json bench_scene(const std::shared_ptr<VulkanDevice>& device, Size size, int turns, int count);

/// Pictures of NVDEC (H.264, HEVC), three layers above them, to surfaces in CUDA memory: time per picture, and the
/// bytes that the host copied meanwhile. A reason where the machine does not decode.
[[nodiscard]] nlohmann::json bench_decoded(const std::shared_ptr<VulkanDevice>& device, Size size, int pictures);

}  // namespace zc::bench
