// A shared library opened at run time.
#pragma once

#include "base/error.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <string>

namespace zc::probe {

/// Never closed: drivers leave threads and exit handlers behind, and a probe's process ends soon.
class Library {
 public:
  /// Unsupported, with the dynamic linker's words.
  [[nodiscard]] static Result<Library> open(const char* name) {
    void* handle = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (handle != nullptr) return Library(handle);
    const char* why = ::dlerror();
    return fail(ErrorKind::Unsupported, fmt::format("load {}", name), why == nullptr ? "it cannot be loaded" : why);
  }
  /// Sets `function`; false when the library has none of that name.
  template <class Function>
  [[nodiscard]] bool get(const char* name, Function& function) const {
    function = reinterpret_cast<Function>(::dlsym(handle_, name));
    return function != nullptr;
  }

 private:
  explicit Library(void* handle) : handle_(handle) {}
  void* handle_;
};

}  // namespace zc::probe
