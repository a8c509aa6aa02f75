#include "softva/driver.h"

#include <drm_fourcc.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace zc::softva {
namespace {

constexpr std::array<Format, 7> kFormats = {{
    {VA_FOURCC_NV12, VA_RT_FORMAT_YUV420, DRM_FORMAT_NV12, {DRM_FORMAT_R8, DRM_FORMAT_GR88}, 1, 2, 0},
    {VA_FOURCC_P010, VA_RT_FORMAT_YUV420_10, DRM_FORMAT_P010, {DRM_FORMAT_R16, DRM_FORMAT_GR1616}, 2, 2, 0},
    {VA_FOURCC_BGRX, VA_RT_FORMAT_RGB32, DRM_FORMAT_XRGB8888, {DRM_FORMAT_XRGB8888, 0}, 4, 1, 24},
    {VA_FOURCC_BGRA, VA_RT_FORMAT_RGB32, DRM_FORMAT_ARGB8888, {DRM_FORMAT_ARGB8888, 0}, 4, 1, 32},
    {VA_FOURCC_RGBX, VA_RT_FORMAT_RGB32, DRM_FORMAT_XBGR8888, {DRM_FORMAT_XBGR8888, 0}, 4, 1, 24},
    {VA_FOURCC_RGBA, VA_RT_FORMAT_RGB32, DRM_FORMAT_ABGR8888, {DRM_FORMAT_ABGR8888, 0}, 4, 1, 32},
    {VA_FOURCC_X2R10G10B10, VA_RT_FORMAT_RGB32_10, DRM_FORMAT_XRGB2101010, {DRM_FORMAT_XRGB2101010, 0}, 4, 1, 30},
}};

}  // namespace

const std::array<Format, 7>& formats() { return kFormats; }

const Format* find_format(std::uint32_t fourcc) {
  const auto* found = std::ranges::find(kFormats, fourcc, &Format::fourcc);
  return found == kFormats.end() ? nullptr : found;
}

std::size_t plane_rows(const Format& /*format*/, unsigned plane, unsigned height) {
  return plane == 0 ? height : (std::size_t{height} + 1) / 2;
}

std::size_t plane_bytes(const Format& format, unsigned plane, unsigned width) {
  return format.bytes * (plane == 0 ? width : (std::size_t{width} + 1) / 2 * 2);
}

std::shared_ptr<SharedMemory> SharedMemory::make(std::size_t bytes) {
  const int fd = ::memfd_create("softva", MFD_CLOEXEC);
  if (fd < 0) return nullptr;
  void* data = ::ftruncate(fd, static_cast<off_t>(bytes)) == 0
                   ? ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)
                   : MAP_FAILED;
  if (data == MAP_FAILED) {
    ::close(fd);
    return nullptr;
  }
  std::memset(data, 0xCD, bytes);
  return std::shared_ptr<SharedMemory>(new SharedMemory(static_cast<std::uint8_t*>(data), bytes, fd));
}

std::shared_ptr<SharedMemory> SharedMemory::map(int fd, std::size_t bytes) {
  if (bytes == 0) return nullptr;
  const off_t there = ::lseek(fd, 0, SEEK_END);
  if (there < 0 || static_cast<std::size_t>(there) < bytes) return nullptr;
  // What is imported is read, and written only by who asks for a surface of theirs to be: a private file stays whole.
  void* data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) data = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0);
  if (data == MAP_FAILED) return nullptr;
  return std::shared_ptr<SharedMemory>(new SharedMemory(static_cast<std::uint8_t*>(data), bytes, -1));
}

SharedMemory::~SharedMemory() {
  ::munmap(data_, size_);
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace zc::softva
