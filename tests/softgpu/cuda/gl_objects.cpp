#include "softgpu/cuda/gl_objects.h"

#include <EGL/egl.h>
#include <GLES3/gl31.h>

#include <dlfcn.h>
#include <algorithm>
#include <array>

namespace zc::softgpu {
namespace {

// GL_EXT_texture_norm16's and desktop OpenGL's names of the same numbers.
constexpr GLint kR16 = 0x822A;
constexpr GLint kRg16 = 0x822C;
constexpr GLint kRgba16 = 0x805B;

struct TextureFormat {
  GLint internal_format;
  std::size_t bytes;
  GLenum format;
  GLenum type;
};

constexpr std::array<TextureFormat, 12> kFormats{{
    {GL_R8, 1, GL_RED, GL_UNSIGNED_BYTE},
    {GL_RG8, 2, GL_RG, GL_UNSIGNED_BYTE},
    {GL_RGBA8, 4, GL_RGBA, GL_UNSIGNED_BYTE},
    {kR16, 2, GL_RED, GL_UNSIGNED_SHORT},
    {kRg16, 4, GL_RG, GL_UNSIGNED_SHORT},
    {kRgba16, 8, GL_RGBA, GL_UNSIGNED_SHORT},
    {GL_R16F, 2, GL_RED, GL_HALF_FLOAT},
    {GL_RG16F, 4, GL_RG, GL_HALF_FLOAT},
    {GL_RGBA16F, 8, GL_RGBA, GL_HALF_FLOAT},
    {GL_R32F, 4, GL_RED, GL_FLOAT},
    {GL_RG32F, 8, GL_RG, GL_FLOAT},
    {GL_RGBA32F, 16, GL_RGBA, GL_FLOAT},
}};

/// The functions used, of whatever library the program's context comes from.
class Gl {
 public:
  static const Gl& get() {
    static const Gl gl;
    return gl;
  }
  [[nodiscard]] bool context_current() const { return current_context_ != nullptr && current_context_() != nullptr; }

#define SOFTGPU_GL(type, name) type name = load<type>(#name)
 private:
  void* egl_ = ::dlopen("libEGL.so.1", RTLD_NOW | RTLD_NOLOAD);
  decltype(&eglGetCurrentContext) current_context_ = symbol<decltype(&eglGetCurrentContext)>("eglGetCurrentContext");
  decltype(&eglGetProcAddress) proc_address_ = symbol<decltype(&eglGetProcAddress)>("eglGetProcAddress");

 public:
  SOFTGPU_GL(PFNGLGETINTEGERVPROC, glGetIntegerv);
  SOFTGPU_GL(PFNGLGETERRORPROC, glGetError);
  SOFTGPU_GL(PFNGLBINDTEXTUREPROC, glBindTexture);
  SOFTGPU_GL(PFNGLGETTEXLEVELPARAMETERIVPROC, glGetTexLevelParameteriv);
  SOFTGPU_GL(PFNGLGENFRAMEBUFFERSPROC, glGenFramebuffers);
  SOFTGPU_GL(PFNGLDELETEFRAMEBUFFERSPROC, glDeleteFramebuffers);
  SOFTGPU_GL(PFNGLBINDFRAMEBUFFERPROC, glBindFramebuffer);
  SOFTGPU_GL(PFNGLFRAMEBUFFERTEXTURE2DPROC, glFramebufferTexture2D);
  SOFTGPU_GL(PFNGLCHECKFRAMEBUFFERSTATUSPROC, glCheckFramebufferStatus);
  SOFTGPU_GL(PFNGLBINDBUFFERPROC, glBindBuffer);
  SOFTGPU_GL(PFNGLISBUFFERPROC, glIsBuffer);
  SOFTGPU_GL(PFNGLGETBUFFERPARAMETERI64VPROC, glGetBufferParameteri64v);
  SOFTGPU_GL(PFNGLMAPBUFFERRANGEPROC, glMapBufferRange);
  SOFTGPU_GL(PFNGLUNMAPBUFFERPROC, glUnmapBuffer);
  SOFTGPU_GL(PFNGLPIXELSTOREIPROC, glPixelStorei);
  SOFTGPU_GL(PFNGLREADPIXELSPROC, glReadPixels);
#undef SOFTGPU_GL

  [[nodiscard]] GLint integer(GLenum name) const {
    GLint value = 0;
    glGetIntegerv(name, &value);
    return value;
  }

 private:
  Gl() = default;
  template <class F>
  [[nodiscard]] F symbol(const char* name) const {
    return egl_ == nullptr ? nullptr : reinterpret_cast<F>(::dlsym(egl_, name));
  }
  template <class F>
  [[nodiscard]] F load(const char* name) const {
    return proc_address_ == nullptr ? nullptr : reinterpret_cast<F>(proc_address_(name));
  }
};

/// Puts back what a read-back changes.
class SavedState {
 public:
  explicit SavedState(const Gl& gl) : gl_(gl) {
    for (std::size_t i = 0; i < kPacking.size(); ++i) packing_.at(i) = gl.integer(kPacking.at(i));
  }
  SavedState(const SavedState&) = delete;
  SavedState& operator=(const SavedState&) = delete;
  ~SavedState() {
    for (std::size_t i = 0; i < kPacking.size(); ++i) gl_.glPixelStorei(kPacking.at(i), packing_.at(i));
    gl_.glBindBuffer(GL_PIXEL_PACK_BUFFER, pack_buffer_);
    gl_.glBindTexture(GL_TEXTURE_2D, texture_);
    gl_.glBindFramebuffer(GL_READ_FRAMEBUFFER, framebuffer_);
  }

 private:
  static constexpr std::array<GLenum, 4> kPacking{GL_PACK_ALIGNMENT, GL_PACK_ROW_LENGTH, GL_PACK_SKIP_ROWS,
                                                  GL_PACK_SKIP_PIXELS};
  const Gl& gl_;
  GLuint texture_ = static_cast<GLuint>(gl_.integer(GL_TEXTURE_BINDING_2D));
  GLuint framebuffer_ = static_cast<GLuint>(gl_.integer(GL_READ_FRAMEBUFFER_BINDING));
  GLuint pack_buffer_ = static_cast<GLuint>(gl_.integer(GL_PIXEL_PACK_BUFFER_BINDING));
  std::array<GLint, 4> packing_{};
};

}  // namespace

bool gl_context_current() {
  // Looked up anew until there is a libEGL: a program may load it after the first call.
  void* const loaded = ::dlopen("libEGL.so.1", RTLD_NOW | RTLD_NOLOAD);
  if (loaded == nullptr) return false;
  ::dlclose(loaded);
  return Gl::get().context_current();
}

Status read_texture(GLuint texture, CUarray_st& array) {
  const Gl& gl = Gl::get();
  const SavedState saved(gl);
  GLint width = 0;
  GLint height = 0;
  GLint internal_format = 0;
  gl.glBindTexture(GL_TEXTURE_2D, texture);
  gl.glGetTexLevelParameteriv(GL_TEXTURE_2D, 0, GL_TEXTURE_WIDTH, &width);
  gl.glGetTexLevelParameteriv(GL_TEXTURE_2D, 0, GL_TEXTURE_HEIGHT, &height);
  gl.glGetTexLevelParameteriv(GL_TEXTURE_2D, 0, GL_TEXTURE_INTERNAL_FORMAT, &internal_format);
  const auto* row = std::ranges::find(kFormats, internal_format, &TextureFormat::internal_format);
  if (row == kFormats.end() || width <= 0 || height <= 0) return {kInvalidValue, "a texture that CUDA does not take"};

  array.width = static_cast<std::size_t>(width);
  array.height = static_cast<std::size_t>(height);
  array.element_bytes = row->bytes;
  array.bytes.resize(array.row_bytes() * array.height);

  GLuint framebuffer = 0;
  gl.glGenFramebuffers(1, &framebuffer);
  gl.glBindFramebuffer(GL_READ_FRAMEBUFFER, framebuffer);
  gl.glFramebufferTexture2D(GL_READ_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, texture, 0);
  Status status;
  if (gl.glCheckFramebufferStatus(GL_READ_FRAMEBUFFER) != GL_FRAMEBUFFER_COMPLETE) {
    status = {kInvalidValue, "the texture cannot be read back"};
  } else {
    gl.glBindBuffer(GL_PIXEL_PACK_BUFFER, 0);
    gl.glPixelStorei(GL_PACK_ALIGNMENT, 1);
    gl.glPixelStorei(GL_PACK_ROW_LENGTH, 0);
    gl.glPixelStorei(GL_PACK_SKIP_ROWS, 0);
    gl.glPixelStorei(GL_PACK_SKIP_PIXELS, 0);
    while (gl.glGetError() != GL_NO_ERROR) {
    }
    gl.glReadPixels(0, 0, width, height, row->format, row->type, array.bytes.data());
    if (gl.glGetError() != GL_NO_ERROR) status = {kInvalidValue, "glReadPixels"};
  }
  gl.glDeleteFramebuffers(1, &framebuffer);
  return status;
}

Status read_buffer(GLuint buffer, std::vector<std::uint8_t>* bytes) {
  const Gl& gl = Gl::get();
  if (gl.glIsBuffer(buffer) != GL_TRUE) return {kInvalidValue, "not a buffer"};
  const auto bound = static_cast<GLuint>(gl.integer(GL_COPY_READ_BUFFER_BINDING));
  gl.glBindBuffer(GL_COPY_READ_BUFFER, buffer);
  GLint64 size = 0;
  gl.glGetBufferParameteri64v(GL_COPY_READ_BUFFER, GL_BUFFER_SIZE, &size);
  Status status;
  if (size <= 0) {
    status = {kInvalidValue, "a buffer without memory"};
  } else if (bytes != nullptr) {
    const void* data = gl.glMapBufferRange(GL_COPY_READ_BUFFER, 0, size, GL_MAP_READ_BIT);
    if (data == nullptr) {
      status = {kMapFailed, "glMapBufferRange"};
    } else {
      const auto* first = static_cast<const std::uint8_t*>(data);
      bytes->assign(first, first + size);
      gl.glUnmapBuffer(GL_COPY_READ_BUFFER);
    }
  }
  gl.glBindBuffer(GL_COPY_READ_BUFFER, bound);
  return status;
}

}  // namespace zc::softgpu
