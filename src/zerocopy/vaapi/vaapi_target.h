#pragma once

#include "gpu/vaapi/device.h"
#include "zerocopy/gpu_importer.h"
#include "zerocopy/open_gpu.h"
#include "zerocopy/target.h"

#include <memory>

namespace zc {

class VulkanDevice;

/// Surfaces in the memory of a card with VA-API (Intel, AMD), which its encoders take as they are. Their planes are
/// exported as dmabufs and imported into Vulkan on the same card once: LINEAR ones are written where they are, for
/// others a picture is made in a buffer, and a copy in the same submission places its planes in the images. `in_place`
/// false: always so, for converters that are not Vulkan's: they need a buffer that can be exported. Unsupported: such
/// surfaces cannot be had, Vulkan does not take them, or a small picture does not come back from one as it was put in.
[[nodiscard]] Result<std::unique_ptr<Target>> make_vaapi_target(const std::shared_ptr<VulkanDevice>& vulkan,
                                                                const std::shared_ptr<const vaapi::Device>& device,
                                                                const SurfaceFormat& format, std::size_t limit,
                                                                bool in_place = true);

/// The GPU of the options, else the first render node with VA-API encoders, and Vulkan on the same card. Unsupported:
/// what each lacks.
[[nodiscard]] Result<Gpu> open_vaapi_gpu(const GpuOptions& options);
/// On devices that are open, of one card.
[[nodiscard]] Result<Gpu> open_vaapi_gpu(std::shared_ptr<VulkanDevice> vulkan,
                                         std::shared_ptr<const vaapi::Device> device, const GpuOptions& options);

}  // namespace zc
