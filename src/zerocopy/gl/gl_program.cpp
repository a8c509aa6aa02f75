#include "zerocopy/gl/gl_program.h"

#include <array>

namespace zc {
namespace {

constexpr const char* kWhat = "compile for OpenGL ES";

/// The first line of the log, which says more than the errors that are pending.
std::unexpected<Error> refused(const GlFunctions& gl, const std::array<char, 1024>& log) {
  [[maybe_unused]] const auto pending = check_gl(gl, kWhat);
  const std::string_view words(log.data());
  return fail(ErrorKind::Unsupported, kWhat, std::string(words.substr(0, words.find('\n'))));
}

}  // namespace

Result<GlObject> make_gl_program(const std::shared_ptr<GlDevice>& device, std::span<const GlShaderSource> shaders) {
  const GlFunctions& gl = device->gl();
  GlObject program(device, gl.CreateProgram(), [](const GlFunctions& f, GLuint dying) { f.DeleteProgram(dying); });
  std::array<char, 1024> log{};
  for (const GlShaderSource& source : shaders) {
    const GlObject shader(device, gl.CreateShader(source.stage),
                          [](const GlFunctions& f, GLuint dying) { f.DeleteShader(dying); });
    const GLchar* text = source.text.c_str();
    gl.ShaderSource(shader.get(), 1, &text, nullptr);
    gl.CompileShader(shader.get());
    GLint compiled = GL_FALSE;
    gl.GetShaderiv(shader.get(), GL_COMPILE_STATUS, &compiled);
    if (compiled != GL_TRUE) {
      gl.GetShaderInfoLog(shader.get(), log.size() - 1, nullptr, log.data());
      return refused(gl, log);
    }
    gl.AttachShader(program.get(), shader.get());  // which keeps it alive
  }
  gl.LinkProgram(program.get());
  GLint linked = GL_FALSE;
  gl.GetProgramiv(program.get(), GL_LINK_STATUS, &linked);
  if (linked != GL_TRUE) {
    gl.GetProgramInfoLog(program.get(), log.size() - 1, nullptr, log.data());
    return refused(gl, log);
  }
  if (auto fine = check_gl(gl, kWhat); !fine) return std::unexpected(std::move(fine.error()));
  device->counters().programs.fetch_add(1, std::memory_order_relaxed);
  return program;
}

}  // namespace zc
