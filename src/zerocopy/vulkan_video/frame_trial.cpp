#include "zerocopy/vulkan_video/frame_trial.h"

#include "media/av_log.h"
#include "zerocopy/vulkan_video/frame_pool.h"
#include "zerocopy/vulkan_video/frame_writer.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <utility>

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
}

namespace zc {
namespace {

constexpr const char* kOperation = "try Vulkan images with FFmpeg";
constexpr Size kSize{64, 48};
/// Wider than the picture's rows: their padding must not come along.
constexpr std::size_t kAlignment = 256;

/// Every sample unlike its neighbours; P010's six lowest bits stay zero.
void paint(const VulkanBuffer& buffer, const SurfaceLayout& layout) {
  const bool wide = info(layout.format).bits > 8;
  for (std::size_t i = 0; i < layout.bytes; ++i) {
    const auto value = static_cast<unsigned>(i * 37 + i / layout.planes[0].stride_bytes * 11);
    buffer.mapped()[i] = static_cast<std::byte>(wide && i % 2 == 0 ? value & 0xc0U : value & 0xffU);
  }
}

}  // namespace

Result<void> try_vulkan_frames(const std::shared_ptr<VulkanDevice>& device, PixelFormat format) {
  const auto pool =
      VulkanFramePool::create({.format = format, .size = kSize, .memory = MemoryKind::Vulkan}, 1, *device->adopted());
  if (!pool) return std::unexpected(pool.error());
  const SurfaceLayout layout = surface_layout(format, kSize, kAlignment);
  const auto picture = VulkanBuffer::create_upload(device, layout.bytes);
  if (!picture) return std::unexpected(picture.error());
  paint(*picture, layout);
  auto writer = FrameWriter::create(device);
  if (!writer) return std::unexpected(std::move(writer.error()));
  auto surface = (*pool)->take();
  if (!surface) return std::unexpected(std::move(surface.error()));
  (*writer)->prepare(*surface->av_frame(), *picture, layout);
  if (auto written = (*writer)->write(device->patience()); !written) {
    if (written.error().kind == ErrorKind::Timeout) leave_alive(std::move(*surface));
    return written;
  }
  const AvFramePtr back(av_frame_alloc());
  if (!back) return fail_errno(ENOMEM, kOperation);
  const AvLogCapture log;
  if (const int code = av_hwframe_transfer_data(back.get(), surface->av_frame(), 0); code < 0) {
    return std::unexpected(Error{ErrorKind::Unsupported, ErrorDomain::FFmpeg, code, kOperation, log.text()});
  }
  for (unsigned plane = 0; plane < info(format).planes; ++plane) {
    const SurfaceLayout::Plane& place = layout.planes.at(plane);
    for (std::uint32_t y = 0; y < plane_height(format, plane, kSize.height); ++y) {
      const auto* got = back->data[plane] + static_cast<std::ptrdiff_t>(y) * back->linesize[plane];
      const auto* wanted = picture->mapped() + place.offset_bytes + y * place.stride_bytes;
      if (std::memcmp(got, wanted, row_bytes(format, plane, kSize.width)) == 0) continue;
      return fail(ErrorKind::Unsupported, kOperation,
                  fmt::format("plane {} of {} comes back with another row {}", plane, name(format), y));
    }
  }
  return {};
}

}  // namespace zc
