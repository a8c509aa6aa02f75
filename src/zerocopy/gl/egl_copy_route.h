#pragma once

#include "base/error.h"
#include "zerocopy/device/device_converter.h"

#include <memory>

namespace zc {

class GlDevice;

/// make_egl_route() for drivers that do not import memory into OpenGL ES (GL_EXT_memory_object_fd): the pass writes a
/// buffer of GL's own that is registered with CUDA, and one copy on the GPU takes it to the surface. Unsupported where
/// EGL does not open the setup's GPU or does not import dmabufs with modifiers, and where CUDA does not take its
/// buffers.
[[nodiscard]] Result<std::unique_ptr<DeviceConverter>> make_egl_copy_route(const DeviceSetup& setup);
/// On a device that is open.
[[nodiscard]] std::unique_ptr<DeviceConverter> make_egl_copy_route(std::shared_ptr<GlDevice> device,
                                                                   std::shared_ptr<const cuda::Context> cuda);

}  // namespace zc
