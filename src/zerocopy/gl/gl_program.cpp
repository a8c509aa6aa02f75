#include "zerocopy/gl/gl_program.h"

#include <array>

namespace zc {
namespace {

constexpr const char* kWhat = "compile for OpenGL ES";

std::string first_line(const std::array<char, 1024>& log) {
  const std::string_view words(log.data());
  return std::string(words.substr(0, words.find('\n')));
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
      static_cast<void>(check_gl(gl, kWhat));
      return fail(ErrorKind::Unsupported, kWhat, first_line(log));
    }
    gl.AttachShader(program.get(), shader.get());  // which keeps it alive
  }
  gl.LinkProgram(program.get());
  GLint linked = GL_FALSE;
  gl.GetProgramiv(program.get(), GL_LINK_STATUS, &linked);
  if (linked != GL_TRUE) {
    gl.GetProgramInfoLog(program.get(), log.size() - 1, nullptr, log.data());
    static_cast<void>(check_gl(gl, kWhat));
    return fail(ErrorKind::Unsupported, kWhat, first_line(log));
  }
  if (auto fine = check_gl(gl, kWhat); !fine) return std::unexpected(std::move(fine.error()));
  device->counters().programs.fetch_add(1, std::memory_order_relaxed);
  return program;
}

}  // namespace zc
