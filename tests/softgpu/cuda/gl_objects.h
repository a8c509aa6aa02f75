// Reads OpenGL textures and buffers back through the context that is current on this thread.
#pragma once

#include "softgpu/cuda/driver.h"

namespace zc::softgpu {

/// Whether an EGL context is current on this thread. The program has loaded libEGL if it has one.
[[nodiscard]] bool gl_context_current();

/// Fills `array` (size, format and bytes) from level 0 of the 2D texture; the context's state is left as it was.
/// Refuses what cuGraphicsGLRegisterImage() documents no support for: anything but 1, 2 or 4 components of 8, 16 bit or
/// float.
[[nodiscard]] Status read_texture(GLuint texture, CUarray_st& array);

/// Fills `bytes` with all of a buffer; the context's state is left as it was. With null for `bytes` only looks whether
/// there is such a buffer, with something in it.
[[nodiscard]] Status read_buffer(GLuint buffer, std::vector<std::uint8_t>* bytes);

}  // namespace zc::softgpu
