// Preload for tests: a v4l2loopback device where there is none. /dev/video9 is the file $ZEROCAST_TEST_VIDEO, which
// gets what is written to the device; it takes YUYV and, with $ZEROCAST_TEST_VIDEO_FORMAT=nv12, NV12 alone. What this
// cannot show is the module itself: its readers, its formats' tables, its limits.
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>

namespace {

constexpr const char* kDevice = "/dev/video9";
std::atomic<int> device{-1};

using Open = int (*)(const char*, int, ...);
using Ioctl = int (*)(int, unsigned long, ...);

int open_any(const char* name, const char* path, int flags, mode_t mode) {
  const auto real = reinterpret_cast<Open>(::dlsym(RTLD_NEXT, name));
  const char* file = std::getenv("ZEROCAST_TEST_VIDEO");
  if (file == nullptr || std::strcmp(path, kDevice) != 0) return real(path, flags, mode);
  const int fd = real(file, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  device = fd;
  return fd;
}

mode_t mode_of(int flags, va_list rest) { return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(rest, mode_t) : 0; }

int answer(unsigned long request, void* argument) {
  if (request == VIDIOC_QUERYCAP) {
    auto* can = static_cast<v4l2_capability*>(argument);
    *can = {};
    can->capabilities = V4L2_CAP_DEVICE_CAPS | V4L2_CAP_VIDEO_OUTPUT | V4L2_CAP_READWRITE;
    can->device_caps = V4L2_CAP_VIDEO_OUTPUT | V4L2_CAP_READWRITE;
    return 0;
  }
  if (request == VIDIOC_S_FMT) {
    auto& picture = static_cast<v4l2_format*>(argument)->fmt.pix;
    const char* only = std::getenv("ZEROCAST_TEST_VIDEO_FORMAT");
    // A device whose format is kept answers with that.
    picture.pixelformat = only != nullptr && std::strcmp(only, "nv12") == 0 ? V4L2_PIX_FMT_NV12 : V4L2_PIX_FMT_YUYV;
    picture.bytesperline = picture.pixelformat == V4L2_PIX_FMT_NV12 ? picture.width : picture.width * 2;
    return 0;
  }
  errno = ENOTTY;
  return -1;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return open_any("open", path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = mode_of(flags, rest);
  va_end(rest);
  return open_any("open64", path, flags, mode);
}

int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list rest;
  va_start(rest, request);
  void* argument = va_arg(rest, void*);
  va_end(rest);
  if (fd >= 0 && fd == device) return answer(request, argument);
  static const auto real = reinterpret_cast<Ioctl>(::dlsym(RTLD_NEXT, "ioctl"));
  return real(fd, request, argument);
}

}  // extern "C"
