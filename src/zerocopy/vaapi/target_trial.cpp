#include "zerocopy/vaapi/target_trial.h"

#include "media/av_log.h"
#include "zerocopy/vulkan/command_runner.h"
#include "zerocopy/vulkan/vulkan_buffer.h"

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

constexpr const char* kOperation = "try a VA-API surface";

/// Every sample unlike its neighbours, padding included; P010's six lowest bits stay zero.
void paint(const VulkanBuffer& buffer, const SurfaceLayout& layout) {
  const bool wide = info(layout.format).bits > 8;
  for (std::size_t i = 0; i < layout.bytes; ++i) {
    const auto value = static_cast<unsigned>(i * 37 + i / layout.planes[0].stride_bytes * 11);
    buffer.mapped()[i] = static_cast<std::byte>(wide && i % 2 == 0 ? value & 0xc0U : value & 0xffU);
  }
}

Result<void> fill(const std::shared_ptr<VulkanDevice>& vulkan, Target& target, const VulkanBuffer& from,
                  const VulkanBuffer& to) {
  const auto runner = CommandRunner::create(vulkan);
  if (!runner) return std::unexpected(runner.error());
  const auto command = (*runner)->begin(vulkan->patience());
  if (!command) return std::unexpected(command.error());
  const VkBufferCopy region{0, 0, target.layout().bytes};
  vulkan->fn().CmdCopyBuffer(*command, from.handle(), to.handle(), 1, &region);
  auto done = (*runner)->finish({}, vulkan->patience());
  if (done) done = target.run_tail(vulkan->patience());
  if (!done && done.error().kind == ErrorKind::Timeout) target.retire();
  return done;
}

}  // namespace

Result<void> try_target(const std::shared_ptr<VulkanDevice>& vulkan, Target& target, const SurfaceFormat& format) {
  const SurfaceLayout& layout = target.layout();
  const auto picture = VulkanBuffer::create_upload(vulkan, layout.bytes);
  if (!picture) return std::unexpected(picture.error());
  paint(*picture, layout);
  const auto buffer = target.take();
  if (!buffer) return std::unexpected(buffer.error());
  if (auto filled = fill(vulkan, target, *picture, **buffer); !filled) return filled;
  const auto surface = target.publish();
  if (!surface) return std::unexpected(surface.error());
  const AvFramePtr back(av_frame_alloc());
  if (!back) return fail_errno(ENOMEM, kOperation);
  const AvLogCapture log;
  if (const int code = av_hwframe_transfer_data(back.get(), surface->av_frame(), 0); code < 0) {
    return std::unexpected(Error{ErrorKind::Unsupported, ErrorDomain::FFmpeg, code, kOperation, log.text()});
  }
  for (unsigned plane = 0; plane < info(format.format).planes; ++plane) {
    const SurfaceLayout::Plane& place = layout.planes.at(plane);
    for (std::uint32_t y = 0; y < plane_height(format.format, plane, format.size.height); ++y) {
      const auto* got = back->data[plane] + static_cast<std::ptrdiff_t>(y) * back->linesize[plane];
      const auto* wanted = picture->mapped() + place.offset_bytes + y * place.stride_bytes;
      if (std::memcmp(got, wanted, row_bytes(format.format, plane, format.size.width)) == 0) continue;
      return fail(ErrorKind::Unsupported, kOperation,
                  fmt::format("plane {} of {} comes back with another row {}", plane, name(format.format), y));
    }
  }
  return {};
}

}  // namespace zc
