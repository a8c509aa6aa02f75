#pragma once

#include "base/error.h"
#include "zerocopy/device/device_converter.h"

#include <memory>

namespace zc {

class GlDevice;

/// Tiled dmabufs of RGB pictures as EGLImages through OpenGL ES's compute pass, into memory shared with Vulkan and
/// CUDA. Unsupported where EGL does not open the setup's GPU or imports neither dmabufs with modifiers nor memory. A
/// software renderer is opened when the setup's GPU is one.
[[nodiscard]] Result<std::unique_ptr<DeviceConverter>> make_egl_route(const DeviceSetup& setup);
/// On a device that is open.
[[nodiscard]] std::unique_ptr<DeviceConverter> make_egl_route(std::shared_ptr<GlDevice> device);

/// The device make_egl_route() opens for this GPU.
[[nodiscard]] Result<std::shared_ptr<GlDevice>> open_gl_device(const VulkanDevice& gpu);

}  // namespace zc
