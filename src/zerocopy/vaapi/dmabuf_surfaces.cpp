#include "zerocopy/vaapi/dmabuf_surfaces.h"

#include "media/av_log.h"
#include "zerocopy/vaapi/va_formats.h"

#include <drm_fourcc.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

extern "C" {
#include <libavutil/buffer.h>
#include <libavutil/error.h>
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
#include <libavutil/hwcontext_drm.h>
}

namespace zc {
namespace {

constexpr const char* kOperation = "import a dmabuf into VA-API";
/// Sizes and formats kept: a stream has one, while it changes two.
constexpr std::size_t kMostViews = 4;

/// libavutil's own words say more than its code.
std::unexpected<Error> refused(int code, std::string_view what, const AvLogCapture& log) {
  std::string words = log.text();
  if (words.empty()) {
    std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
    av_strerror(code, text.data(), text.size());
    words = text.data();
  }
  return std::unexpected(
      Error{ErrorKind::Unsupported, ErrorDomain::FFmpeg, code, kOperation, fmt::format("{}: {}", what, words)});
}

/// All planes in one buffer object, which is the only way that libavutil maps. A dmabuf has an inode of its own
/// (Linux 5.3), whatever descriptor it is seen through.
bool one_object(const Dmabuf& dmabuf) {
  struct stat first{};
  if (dmabuf.plane_count == 1) return true;
  if (::fstat(dmabuf.planes[0].fd.get(), &first) != 0) return false;
  return std::ranges::all_of(std::span(dmabuf.planes).first(dmabuf.plane_count), [&](const Dmabuf::Plane& plane) {
    struct stat other{};
    return ::fstat(plane.fd.get(), &other) == 0 && other.st_ino == first.st_ino && other.st_dev == first.st_dev;
  });
}

AVDRMFrameDescriptor describe_planes(const Dmabuf& dmabuf, const VaFormat& format) {
  AVDRMFrameDescriptor out{};
  out.nb_objects = 1;
  out.objects[0].fd = dmabuf.planes[0].fd.get();
  const off_t size = ::lseek(out.objects[0].fd, 0, SEEK_END);
  out.objects[0].size = size > 0 ? static_cast<std::size_t>(size) : 0;
  out.objects[0].format_modifier = dmabuf.modifier;
  // libavutil knows P010 as a layer of samples and one of pairs only.
  const bool apart = format.as == PixelFormat::P010 && dmabuf.plane_count == 2;
  out.nb_layers = apart ? 2 : 1;
  out.layers[0].format = apart ? DRM_FORMAT_R16 : info(format.as).drm_fourcc;
  out.layers[1].format = apart ? DRM_FORMAT_RG1616 : 0;
  for (unsigned i = 0; i < dmabuf.plane_count; ++i) {
    const Dmabuf::Plane& plane = dmabuf.planes.at(i);
    AVDRMLayerDescriptor& layer = out.layers[apart ? i : 0];
    layer.planes[layer.nb_planes++] = {0, static_cast<std::ptrdiff_t>(plane.offset_bytes),
                                       static_cast<std::ptrdiff_t>(plane.stride_bytes)};
  }
  return out;
}

AvBufferPtr make_drm_device() {
  AvBufferPtr device(av_hwdevice_ctx_alloc(AV_HWDEVICE_TYPE_DRM));
  if (!device) return nullptr;
  auto* context = reinterpret_cast<AVHWDeviceContext*>(device->data);
  static_cast<AVDRMDeviceContext*>(context->hwctx)->fd = -1;
  return av_hwdevice_ctx_init(device.get()) < 0 ? nullptr : std::move(device);
}

}  // namespace

Result<const AVFrame*> DmabufSurfaces::find_or_map(const std::shared_ptr<const Dmabuf>& dmabuf) {
  const auto frame = mapped_.find_or(dmabuf, [this](const Dmabuf& found) { return map(found); });
  if (!frame) return std::unexpected(frame.error());
  return (*frame)->get();
}

Result<const DmabufSurfaces::Views*> DmabufSurfaces::views(Size size, const VaFormat& format) {
  const auto known =
      std::ranges::find_if(views_, [&](const Views& v) { return v.size == size && v.format == format.as; });
  if (known != views_.end()) return &*known;
  if (!drm_device_) drm_device_ = make_drm_device();
  if (!drm_device_) return fail(ErrorKind::Unsupported, kOperation, "this FFmpeg was built without DRM");
  const AvLogCapture log;
  Views made{
      .size = size, .format = format.as, .drm = AvBufferPtr(av_hwframe_ctx_alloc(drm_device_.get())), .vaapi = {}};
  if (!made.drm) return fail_errno(ENOMEM, kOperation);
  auto& frames = *reinterpret_cast<AVHWFramesContext*>(made.drm->data);
  frames.format = AV_PIX_FMT_DRM_PRIME;
  frames.sw_format = format.layout;
  frames.width = static_cast<int>(size.width);
  frames.height = static_cast<int>(size.height);
  if (const int code = av_hwframe_ctx_init(made.drm.get()); code < 0)
    return refused(code, "describe its pictures", log);
  auto device = device_->av_device();
  if (!device) return std::unexpected(std::move(device.error()));
  AVBufferRef* derived = nullptr;
  const int code =
      av_hwframe_ctx_create_derived(&derived, AV_PIX_FMT_VAAPI, device->get(), made.drm.get(), AV_HWFRAME_MAP_READ);
  if (code < 0) return refused(code, "derive VA-API's pictures", log);
  made.vaapi.reset(derived);
  if (views_.size() == kMostViews) views_.erase(views_.begin());
  views_.push_back(std::move(made));
  return &views_.back();
}

Result<AvFramePtr> DmabufSurfaces::map(const Dmabuf& dmabuf) {
  if (auto valid = dmabuf.validate(); !valid) return std::unexpected(std::move(valid.error()));
  const VaFormat* format = va_format(dmabuf.format);
  if (format == nullptr)
    return fail(ErrorKind::Unsupported, kOperation, fmt::format("{} pictures", name(dmabuf.format)));
  if (!one_object(dmabuf)) return fail(ErrorKind::Unsupported, kOperation, "its planes are in several buffers");
  const auto both = views(dmabuf.size, *format);
  if (!both) return std::unexpected(both.error());

  AvFramePtr drm(av_frame_alloc());
  AvFramePtr frame(av_frame_alloc());
  if (!drm || !frame) return fail_errno(ENOMEM, kOperation);
  drm->buf[0] = av_buffer_alloc(sizeof(AVDRMFrameDescriptor));
  drm->hw_frames_ctx = av_buffer_ref((*both)->drm.get());
  frame->hw_frames_ctx = av_buffer_ref((*both)->vaapi.get());
  if (drm->buf[0] == nullptr || drm->hw_frames_ctx == nullptr || frame->hw_frames_ctx == nullptr) {
    return fail_errno(ENOMEM, kOperation);
  }
  // Its descriptors are needed while the driver imports, and not kept by anybody afterwards.
  *reinterpret_cast<AVDRMFrameDescriptor*>(drm->buf[0]->data) = describe_planes(dmabuf, *format);
  drm->data[0] = drm->buf[0]->data;
  drm->format = AV_PIX_FMT_DRM_PRIME;
  drm->width = static_cast<int>(dmabuf.size.width);
  drm->height = static_cast<int>(dmabuf.size.height);
  frame->format = AV_PIX_FMT_VAAPI;
  const AvLogCapture log;
  if (const int code = av_hwframe_map(frame.get(), drm.get(), AV_HWFRAME_MAP_READ); code < 0) {
    return refused(code, fmt::format("{} with modifier {:#x}", name(dmabuf.format), dmabuf.modifier), log);
  }
  return frame;
}

}  // namespace zc
