// Helpers of the tests of surfaces in VA-API memory, on the stand-in VA driver.
#pragma once

#include "gpu/render_nodes.h"
#include "gpu/vaapi/device.h"
#include "softva/support.h"
#include "unit/zerocopy/importer_support.h"
#include "zerocopy/vaapi_importer.h"

#include <sys/mman.h>

#include <filesystem>
#include <iterator>

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
}

namespace zc::test {

inline SurfaceFormat in_vaapi(PixelFormat format, Size size, ColourDescription colour = kBt709Limited) {
  return {.format = format, .size = size, .colour = colour, .memory = MemoryKind::Vaapi};
}

inline std::size_t open_descriptors() {
  const std::filesystem::directory_iterator fds("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(fds), end(fds)));
}

/// Memory that stands for a dmabuf: the stand-in maps whatever descriptor it is given.
inline std::shared_ptr<Dmabuf> memory_dmabuf(std::span<const std::byte> bytes, PixelFormat format, Size size,
                                             std::span<const Dmabuf::Plane> planes) {
  auto dmabuf = std::make_shared<Dmabuf>();
  dmabuf->size = size;
  dmabuf->format = format;
  dmabuf->modifier = kModifierLinear;
  UniqueFd fd(::memfd_create("picture", MFD_CLOEXEC));
  REQUIRE(fd);
  REQUIRE(::ftruncate(fd.get(), static_cast<off_t>((bytes.size() + 4095) / 4096 * 4096)) == 0);
  REQUIRE(::pwrite(fd.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  for (const Dmabuf::Plane& plane : planes) {
    dmabuf->planes.at(dmabuf->plane_count++) = {std::move(*fd.dup()), plane.offset_bytes, plane.stride_bytes};
  }
  return dmabuf;
}

inline std::shared_ptr<Dmabuf> rgb_dmabuf(const RgbPicture& picture, PixelFormat format = PixelFormat::BGRx) {
  const Dmabuf::Plane plane{{}, 0, static_cast<std::uint32_t>(picture.stride())};
  return memory_dmabuf(picture.bytes(), format, picture.size(), {&plane, 1});
}

/// NV12 or P010 with random samples.
inline std::shared_ptr<Dmabuf> yuv_dmabuf(PixelFormat format, Size size, std::uint32_t seed) {
  const std::size_t stride = (row_bytes(format, 0, size.width) + 63) / 64 * 64;
  std::vector<std::byte> bytes(stride * (size.height + (size.height + 1) / 2));
  randomise(bytes, seed);
  const std::array planes{
      Dmabuf::Plane{{}, 0, static_cast<std::uint32_t>(stride)},
      Dmabuf::Plane{{}, static_cast<std::uint32_t>(stride * size.height), static_cast<std::uint32_t>(stride)}};
  return memory_dmabuf(bytes, format, size, planes);
}

inline Frame frame_in(std::shared_ptr<const Dmabuf> dmabuf) {
  Frame frame;
  frame.image = std::move(dmabuf);
  frame.damage = Damage::all();
  return frame;
}

/// The picture in host memory, for comparison.
inline Surface readable(const Surface& surface) {
  if (surface.format().memory == MemoryKind::Host) return surface.share();
  AvFramePtr frame(av_frame_alloc());
  REQUIRE(frame);
  REQUIRE(av_hwframe_transfer_data(frame.get(), surface.av_frame(), 0) == 0);
  SurfaceFormat format = surface.format();
  format.memory = MemoryKind::Host;
  return Surface(std::move(frame), format);
}

inline std::unique_ptr<Importer> vaapi_importer(const VaapiImporterOptions& options = {}) {
  auto made = make_vaapi_importer(options);
  if (!made) FAIL(made.error().message());
  return std::move(*made);
}

}  // namespace zc::test
