#include "zerocopy/vulkan_video/frame_pool.h"

#include "media/av_log.h"
#include "media/av_words.h"
#include "zerocopy/surface_frame.h"

#include <fmt/format.h>

#include <cerrno>
#include <utility>

extern "C" {
#include <libavutil/buffer.h>
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
}

namespace zc {
namespace {

constexpr const char* kOperation = "make surfaces of Vulkan images";

}  // namespace

Result<std::unique_ptr<VulkanFramePool>> VulkanFramePool::create(const SurfaceFormat& format, std::size_t limit,
                                                                 const vulkan::Device& device) {
  if (format.format != PixelFormat::NV12 && format.format != PixelFormat::P010) {
    return fail(ErrorKind::Unsupported, kOperation, fmt::format("{} surfaces", name(format.format)));
  }
  // Images of all planes in one have whole chroma samples only (VUID-VkImageCreateInfo-format-04712, -04713).
  if (format.size.width % 2 != 0 || format.size.height % 2 != 0) {
    return fail(ErrorKind::Unsupported, kOperation,
                fmt::format("{}x{} is not even", format.size.width, format.size.height));
  }
  const auto av_device = device.av_device();
  if (!av_device) return std::unexpected(av_device.error());
  AvBufferPtr frames(av_hwframe_ctx_alloc(av_device->get()));
  if (!frames) return fail_errno(ENOMEM, kOperation);
  auto& context = *reinterpret_cast<AVHWFramesContext*>(frames->data);
  // Everything else is FFmpeg's to choose, as it does for the encoder's own frames context.
  context.format = AV_PIX_FMT_VULKAN;
  context.sw_format = av_pixel_format(format.format);
  context.width = static_cast<int>(format.size.width);
  context.height = static_cast<int>(format.size.height);
  const AvLogCapture log;
  if (const int code = av_hwframe_ctx_init(frames.get()); code < 0) {
    return std::unexpected(Error{ErrorKind::Unsupported, ErrorDomain::FFmpeg, code, kOperation,
                                 fmt::format("{} has no {} images of {}x{} for FFmpeg: {}", device.identity(),
                                             name(format.format), format.size.width, format.size.height, log.text())});
  }
  return std::unique_ptr<VulkanFramePool>(new VulkanFramePool(format, std::move(frames), limit));
}

Result<Surface> VulkanFramePool::take() {
  // First, so that no more is allocated than may be out.
  if (auto some = places_.check(); !some) return std::unexpected(std::move(some.error()));
  AvFramePtr frame(av_frame_alloc());
  if (!frame) return fail_errno(ENOMEM, kOperation);
  const AvLogCapture log;
  if (const int code = av_hwframe_get_buffer(frames_.get(), frame.get(), 0); code < 0) {
    // With others around, one comes back.
    const ErrorKind kind = places_.taken() > 0 ? ErrorKind::Busy : ErrorKind::Lost;
    return std::unexpected(
        Error{kind, ErrorDomain::FFmpeg, code, "import frame", "FFmpeg makes no Vulkan image: " + log.text()});
  }
  if (auto assigned = places_.assign(*frame); !assigned) return std::unexpected(std::move(assigned.error()));
  describe(*frame, format_);
  return Surface(std::move(frame), format_);
}

void leave_alive(Surface surface) {
  [[maybe_unused]] const auto* immortal = std::make_unique<Surface>(std::move(surface)).release();
}  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks): meant to be left alive

}  // namespace zc
