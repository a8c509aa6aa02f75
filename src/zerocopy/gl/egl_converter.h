#pragma once

#include "base/error.h"
#include "zerocopy/converter.h"
#include "zerocopy/vulkan/vulkan_device.h"

#include <memory>

namespace zc {

class GlDevice;

/// Dmabufs of RGB pictures as EGLImages through OpenGL ES's compute pass, into buffers shared with Vulkan: what only
/// EGL imports, buffers without a modifier above all. Unsupported where EGL does not open the same GPU or imports
/// neither dmabufs with modifiers nor memory. A software renderer is opened when the GPU is one.
[[nodiscard]] Result<std::unique_ptr<Converter>> make_egl_converter(const VulkanDevice& gpu);
/// On a device that is open.
[[nodiscard]] std::unique_ptr<Converter> make_egl_converter(std::shared_ptr<GlDevice> device);

/// The device make_egl_converter() opens for this GPU.
[[nodiscard]] Result<std::shared_ptr<GlDevice>> open_gl_device(const VulkanDevice& gpu);

}  // namespace zc
