// A render node for programs on machines without one: /dev/dri is read from a folder of the build tree, which holds an
// empty file renderD128, and that file says it is a DRM render node when asked. With SOFTVA_NODES=2 in the environment
// there is renderD129, too. For LD_PRELOAD, and for linking into
// tests (SOFTVA_DIR): the driver behind the node is chosen by libva's own LIBVA_DRIVERS_PATH and LIBVA_DRIVER_NAME,
// which such a test sets for itself and what it starts.
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <array>
#include <cstdarg>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

constexpr std::string_view kDri = "/dev/dri";
constexpr std::array<unsigned, 2> kMinors{128, 129};

/// The folder with so many nodes.
const std::string& stand_in() {
  static const std::string folder = [] {
    const char* nodes = ::getenv("SOFTVA_NODES");
    return std::string(SOFTVA_DRI) + (nodes != nullptr && std::string_view(nodes) == "2" ? "2" : "1");
  }();
  return folder;
}

/// What libdrm looks at to see whether a character device is of DRM.
bool is_sysfs(std::string_view path) {
  return path == "/sys/dev/char/226:128/device/drm" || path == "/sys/dev/char/226:129/device/drm";
}

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

std::string replaced(const char* path) {
  const std::string_view asked(path);
  const bool below = asked.starts_with(kDri) && (asked.size() == kDri.size() || asked[kDri.size()] == '/');
  return below ? stand_in() + std::string(asked.substr(kDri.size())) : std::string(asked);
}

using Stat = struct stat;

/// Turns what was found out about the stand-in's file into what a render node would say.
template <class Found>
void disguise(Found& found) {
  static const auto files = [] {
    std::array<Stat, kMinors.size()> all{};
    const auto real = next<int (*)(const char*, Stat*)>("stat");
    for (std::size_t i = 0; i < all.size(); ++i) {
      Stat& s = all.at(i);
      if (real((stand_in() + "/renderD" + std::to_string(kMinors.at(i))).c_str(), &s) != 0) s = {};
    }
    return all;
  }();
  for (std::size_t i = 0; i < files.size(); ++i) {
    const Stat& file = files.at(i);
    if (file.st_ino == 0 || found.st_ino != file.st_ino || found.st_dev != file.st_dev) continue;
    found.st_mode = S_IFCHR | 0660U;
    found.st_rdev = makedev(226, kMinors.at(i));
    return;
  }
}

#ifdef SOFTVA_DIR
[[gnu::constructor]] void choose_driver() {
  ::setenv("LIBVA_DRIVERS_PATH", SOFTVA_DIR, 1);
  ::setenv("LIBVA_DRIVER_NAME", "softva", 1);
}
#endif

mode_t mode_of(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

}  // namespace

// The names are the C library's, their parameters too.
// NOLINTBEGIN(cert-dcl50-cpp,readability-inconsistent-declaration-parameter-name,modernize-avoid-variadic-functions,bugprone-macro-parentheses)
extern "C" {

#define SOFTVA_OPEN(name)                                                 \
  int name(const char* path, int flags, ...) {                            \
    va_list arguments;                                                    \
    va_start(arguments, flags);                                           \
    const mode_t mode = mode_of(flags, arguments);                        \
    va_end(arguments);                                                    \
    static const auto real = next<int (*)(const char*, int, ...)>(#name); \
    return real(replaced(path).c_str(), flags, mode);                     \
  }
#define SOFTVA_OPENAT(name)                                                    \
  int name(int folder, const char* path, int flags, ...) {                     \
    va_list arguments;                                                         \
    va_start(arguments, flags);                                                \
    const mode_t mode = mode_of(flags, arguments);                             \
    va_end(arguments);                                                         \
    static const auto real = next<int (*)(int, const char*, int, ...)>(#name); \
    return real(folder, replaced(path).c_str(), flags, mode);                  \
  }
SOFTVA_OPEN(open)
SOFTVA_OPEN(open64)
SOFTVA_OPENAT(openat)
SOFTVA_OPENAT(openat64)

DIR* opendir(const char* path) {
  static const auto real = next<DIR* (*)(const char*)>("opendir");
  return real(replaced(path).c_str());
}

int access(const char* path, int mode) noexcept {
  static const auto real = next<int (*)(const char*, int)>("access");
  return real(replaced(path).c_str(), mode);
}

#define SOFTVA_STAT(fstat_name, stat_name, Found)                            \
  int fstat_name(int fd, Found* found) noexcept {                            \
    static const auto real = next<int (*)(int, Found*)>(#fstat_name);        \
    const int result = real(fd, found);                                      \
    if (result == 0) disguise(*found);                                       \
    return result;                                                           \
  }                                                                          \
  int stat_name(const char* path, Found* found) noexcept {                   \
    static const auto real = next<int (*)(const char*, Found*)>(#stat_name); \
    const bool sysfs = is_sysfs(path);                                       \
    const int result = real(sysfs ? "/" : replaced(path).c_str(), found);    \
    if (result == 0) disguise(*found);                                       \
    return result;                                                           \
  }
SOFTVA_STAT(fstat, stat, struct stat)
SOFTVA_STAT(fstat64, stat64, struct stat64)
}
// NOLINTEND(cert-dcl50-cpp,readability-inconsistent-declaration-parameter-name,modernize-avoid-variadic-functions,bugprone-macro-parentheses)
