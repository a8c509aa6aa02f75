// A stand-in, for the guest of tools/vm-test only: preloaded, it hides the DRM nodes from a program, so that EGL finds
// Mesa's software device alone. With vgem's node kms_swrast takes the device, and crashes in compute shaders that read
// an imported dmabuf (Mesa 25.0); a GPU's own driver does not.
#include <dlfcn.h>
#include <fcntl.h>

#include <cerrno>
#include <cstdarg>
#include <string_view>

namespace {

bool hidden(const char* path) { return path != nullptr && std::string_view(path).starts_with("/dev/dri/"); }

int refuse() {
  errno = EACCES;
  return -1;
}

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

// NOLINTBEGIN(cert-dcl50-cpp,cppcoreguidelines-pro-type-vararg): the C library's own signatures
extern "C" {

__attribute__((visibility("default"))) int open(const char* path, int flags, ...) {
  std::va_list rest;
  va_start(rest, flags);
  const int mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, int) : 0;
  va_end(rest);
  return hidden(path) ? refuse() : next<int (*)(const char*, int, ...)>("open")(path, flags, mode);
}

__attribute__((visibility("default"))) int open64(const char* path, int flags, ...) {
  std::va_list rest;
  va_start(rest, flags);
  const int mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, int) : 0;
  va_end(rest);
  return hidden(path) ? refuse() : next<int (*)(const char*, int, ...)>("open64")(path, flags, mode);
}

__attribute__((visibility("default"))) int openat(int folder, const char* path, int flags, ...) {
  std::va_list rest;
  va_start(rest, flags);
  const int mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, int) : 0;
  va_end(rest);
  return hidden(path) ? refuse() : next<int (*)(int, const char*, int, ...)>("openat")(folder, path, flags, mode);
}
}
// NOLINTEND(cert-dcl50-cpp,cppcoreguidelines-pro-type-vararg)
