#pragma once

#include "base/error.h"
#include "zerocopy/gl/gl_device.h"

#include <memory>
#include <span>
#include <string>

namespace zc {

struct GlShaderSource {
  GLenum stage = 0;  ///< GL_COMPUTE_SHADER and the like
  std::string text;
};

/// Compiles and links. Unsupported, with the first line of the driver's words, where it does not take it.
[[nodiscard]] Result<GlObject> make_gl_program(const std::shared_ptr<GlDevice>& device,
                                               std::span<const GlShaderSource> shaders);

}  // namespace zc
