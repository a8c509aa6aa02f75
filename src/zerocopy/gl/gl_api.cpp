#include "zerocopy/gl/gl_api.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <array>
#include <span>
#include <utility>

namespace zc {
namespace {

template <class Function, class Lookup>
bool find(Function& function, const Lookup& look_up, const char* name) {
  function = reinterpret_cast<Function>(look_up(name));
  return function != nullptr;
}

std::unexpected<Error> missing(const char* name) {
  return fail(ErrorKind::Unsupported, "load EGL", fmt::format("there is no {}", name));
}

struct CodeRow {
  int code = 0;
  const char* name = "";
  ErrorKind kind = ErrorKind::Unsupported;
};
#define ZC_ROW(code, ...) \
  CodeRow { code, #code __VA_OPT__(, ) __VA_ARGS__ }
constexpr std::array kEglErrors = {
    ZC_ROW(EGL_CONTEXT_LOST, ErrorKind::Lost),
    ZC_ROW(EGL_BAD_ALLOC, ErrorKind::Internal),
    ZC_ROW(EGL_NOT_INITIALIZED),
    ZC_ROW(EGL_BAD_ACCESS),
    ZC_ROW(EGL_BAD_ATTRIBUTE),
    ZC_ROW(EGL_BAD_CONFIG),
    ZC_ROW(EGL_BAD_CONTEXT),
    ZC_ROW(EGL_BAD_DISPLAY),
    ZC_ROW(EGL_BAD_MATCH),
    ZC_ROW(EGL_BAD_PARAMETER),
    ZC_ROW(EGL_BAD_DEVICE_EXT),
};
constexpr int kContextLost = 0x0507;  // GL_CONTEXT_LOST_KHR
constexpr std::array kGlErrors = {
    CodeRow{kContextLost, "GL_CONTEXT_LOST", ErrorKind::Lost},
    ZC_ROW(GL_OUT_OF_MEMORY, ErrorKind::Internal),
    ZC_ROW(GL_INVALID_ENUM),
    ZC_ROW(GL_INVALID_VALUE),
    ZC_ROW(GL_INVALID_OPERATION),
    ZC_ROW(GL_INVALID_FRAMEBUFFER_OPERATION),
};
#undef ZC_ROW

std::unexpected<Error> fail_code(std::span<const CodeRow> rows, int code, std::string_view api, std::string operation) {
  for (const CodeRow& row : rows) {
    if (row.code == code) {
      return std::unexpected(Error{row.kind, ErrorDomain::Gpu, code, std::move(operation), row.name});
    }
  }
  return std::unexpected(Error{ErrorKind::Unsupported, ErrorDomain::Gpu, code, std::move(operation),
                               fmt::format("{} error {:#06x}", api, static_cast<unsigned>(code))});
}

}  // namespace

Result<EglFunctions> load_egl(const char* library) {
  void* handle = ::dlopen(library, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) return fail(ErrorKind::Unsupported, "load EGL", ::dlerror());
  EglFunctions f;
  f.GetProcAddress = reinterpret_cast<PFNEGLGETPROCADDRESSPROC>(::dlsym(handle, "eglGetProcAddress"));
  // Before EGL 1.5 eglGetProcAddress() need not know the core functions.
  const auto core = [&](const char* name) { return ::dlsym(handle, name); };
#define ZC_FIND(name, type) const bool has_##name = find(f.name, core, "egl" #name);
  ZC_EGL_FUNCTIONS(ZC_FIND)
#undef ZC_FIND
  ::dlclose(handle);  // RTLD_NODELETE keeps it in memory
  if (f.GetProcAddress == nullptr) return missing("eglGetProcAddress");
#define ZC_CHECK(name, type) \
  if (!has_##name) return missing("egl" #name);
  ZC_EGL_FUNCTIONS(ZC_CHECK)
#undef ZC_CHECK
#define ZC_FIND(name, type) find(f.name, f.GetProcAddress, "egl" #name);
  ZC_EGL_OPTIONAL_FUNCTIONS(ZC_FIND)
#undef ZC_FIND
  return f;
}

Result<GlFunctions> load_gl(const EglFunctions& egl) {
  GlFunctions f;
#define ZC_FIND(name, type) \
  if (!find(f.name, egl.GetProcAddress, "gl" #name)) return missing("gl" #name);
  ZC_GL_FUNCTIONS(ZC_FIND)
#undef ZC_FIND
#define ZC_FIND(name, type) find(f.name, egl.GetProcAddress, "gl" #name);
  ZC_GL_OPTIONAL_FUNCTIONS(ZC_FIND)
#undef ZC_FIND
  return f;
}

std::unexpected<Error> fail_egl(const EglFunctions& egl, std::string operation) {
  return fail_code(kEglErrors, egl.GetError(), "EGL", std::move(operation));
}

std::unexpected<Error> fail_gl(GLenum error, std::string operation) {
  return fail_code(kGlErrors, static_cast<int>(error), "GL", std::move(operation));
}

Result<void> check_gl(const GlFunctions& gl, std::string_view operation) {
  const GLenum first = gl.GetError();
  if (first == GL_NO_ERROR) return {};
  // A lost context may answer with an error for ever.
  for (int i = 0; i < 8 && gl.GetError() != GL_NO_ERROR; ++i) {
  }
  return fail_gl(first, std::string(operation));
}

bool lists_extension(const char* names, std::string_view wanted) {
  std::string_view rest = names == nullptr ? std::string_view{} : std::string_view(names);
  while (!rest.empty()) {
    const std::size_t blank = rest.find(' ');
    if (rest.substr(0, blank) == wanted) return true;
    rest = blank == std::string_view::npos ? std::string_view{} : rest.substr(blank + 1);
  }
  return false;
}

}  // namespace zc
