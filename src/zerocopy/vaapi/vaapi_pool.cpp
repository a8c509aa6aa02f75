#include "zerocopy/vaapi/vaapi_pool.h"

#include "media/av_log.h"
#include "media/av_words.h"
#include "zerocopy/surface_frame.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdint>
#include <utility>

extern "C" {
#include <libavutil/buffer.h>
#include <libavutil/error.h>
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
#include <libavutil/hwcontext_vaapi.h>
}

#include <va/va_drmcommon.h>

namespace zc {
namespace {

constexpr const char* kOperation = "make surfaces in VA-API memory";

/// What every surface of a pool is made with: libavutil keeps pointers to it.
struct Attributes {
  explicit Attributes(std::vector<std::uint64_t> layouts) : modifiers(std::move(layouts)) {
    list.num_modifiers = static_cast<std::uint32_t>(modifiers.size());
    list.modifiers = modifiers.data();
    attribute.type = VASurfaceAttribDRMFormatModifiers;
    attribute.flags = VA_SURFACE_ATTRIB_SETTABLE;
    attribute.value.type = VAGenericValueTypePointer;
    attribute.value.value.p = &list;
  }
  std::vector<std::uint64_t> modifiers;
  VADRMFormatModifierList list{};
  VASurfaceAttrib attribute{};
};

/// The attributes live as long as the context.
void attach(AVHWFramesContext& context, std::vector<std::uint64_t> modifiers) {
  auto* attributes = std::make_unique<Attributes>(std::move(modifiers)).release();
  context.user_opaque = attributes;
  context.free = [](AVHWFramesContext* gone) { delete static_cast<Attributes*>(gone->user_opaque); };
  auto& va = *static_cast<AVVAAPIFramesContext*>(context.hwctx);
  va.attributes = &attributes->attribute;
  va.nb_attributes = 1;
}

}  // namespace

Result<std::unique_ptr<VaapiPool>> VaapiPool::create(const SurfaceFormat& format, std::size_t limit,
                                                     const vaapi::Device& device,
                                                     std::vector<std::uint64_t> modifiers) {
  const AVPixelFormat layout = av_pixel_format(format.format);
  if (layout == AV_PIX_FMT_NONE) {
    return fail(ErrorKind::Unsupported, kOperation, fmt::format("{} surfaces", name(format.format)));
  }
  const auto av_device = device.av_device();
  if (!av_device) return std::unexpected(av_device.error());
  AvBufferPtr frames(av_hwframe_ctx_alloc(av_device->get()));
  if (!frames) return fail_errno(ENOMEM, kOperation);
  auto& context = *reinterpret_cast<AVHWFramesContext*>(frames->data);
  context.format = AV_PIX_FMT_VAAPI;
  context.sw_format = layout;
  context.width = static_cast<int>(format.size.width);
  context.height = static_cast<int>(format.size.height);
  if (!modifiers.empty()) attach(context, std::move(modifiers));
  const AvLogCapture log;
  if (const int code = av_hwframe_ctx_init(frames.get()); code < 0) {
    return std::unexpected(Error{ErrorKind::Unsupported, ErrorDomain::FFmpeg, code, kOperation,
                                 fmt::format("{} has no {} surfaces of {}x{}: {}", device.vendor(), name(format.format),
                                             format.size.width, format.size.height, log.text())});
  }
  return std::unique_ptr<VaapiPool>(new VaapiPool(format, std::move(frames), limit));
}

VaapiPool::VaapiPool(const SurfaceFormat& format, AvBufferPtr frames, std::size_t limit)
    : format_(format), frames_(std::move(frames)), places_(limit) {}

VaapiPool::~VaapiPool() = default;

Result<Surface> VaapiPool::take() {
  // First, so that no more is allocated than may be out.
  if (auto some = places_.check(); !some) return std::unexpected(std::move(some.error()));
  AvFramePtr frame(av_frame_alloc());
  if (!frame) return fail_errno(ENOMEM, kOperation);
  const AvLogCapture log;
  if (const int code = av_hwframe_get_buffer(frames_.get(), frame.get(), 0); code < 0) {
    // With others around, one comes back.
    const ErrorKind kind = places_.taken() > 0 ? ErrorKind::Busy : ErrorKind::Lost;
    return std::unexpected(
        Error{kind, ErrorDomain::FFmpeg, code, "import frame", "the GPU has no memory for a surface: " + log.text()});
  }
  if (auto assigned = places_.assign(*frame); !assigned) return std::unexpected(std::move(assigned.error()));
  describe(*frame, format_);
  return Surface(std::move(frame), format_);
}

VASurfaceID va_surface(const AVFrame& frame) {
  return static_cast<VASurfaceID>(reinterpret_cast<std::uintptr_t>(frame.data[3]));
}

}  // namespace zc
