#include "zerocopy/vaapi/vaapi_pool.h"

#include "media/av_log.h"
#include "zerocopy/surface_frame.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <utility>
#include <vector>

extern "C" {
#include <libavutil/buffer.h>
#include <libavutil/error.h>
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
}

namespace zc {
namespace {

constexpr const char* kOperation = "make surfaces in VA-API memory";

}  // namespace

/// One place for each surface that may be out; it rides along with the frame as a buffer of its own.
struct VaapiPool::State {
  struct Place {
    std::atomic<bool> taken = false;
    BufferLease lease;
    std::shared_ptr<State> self;  ///< while it is taken
    std::uint8_t nothing = 0;     ///< what the frame's buffer points at
  };
  explicit State(std::size_t limit) : places(limit) {}

  static void give_back(void* opaque, std::uint8_t* /*data*/) noexcept {
    auto& place = *static_cast<Place*>(opaque);
    const std::shared_ptr<State> keep = std::move(place.self);
    if (place.lease) {
      place.lease.reset();
      keep->lent.fetch_sub(1, std::memory_order_relaxed);
    }
    place.taken.store(false, std::memory_order_release);
  }

  std::vector<Place> places;
  std::atomic<std::size_t> lent = 0;
};

Result<std::unique_ptr<VaapiPool>> VaapiPool::create(const SurfaceFormat& format, std::size_t limit,
                                                     const vaapi::Device& device) {
  const AVPixelFormat layout = av_layout(format.format);
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
  const AvLogCapture log;
  if (const int code = av_hwframe_ctx_init(frames.get()); code < 0) {
    return std::unexpected(Error{ErrorKind::Unsupported, ErrorDomain::FFmpeg, code, kOperation,
                                 fmt::format("{} has no {} surfaces of {}x{}: {}", device.vendor(), name(format.format),
                                             format.size.width, format.size.height, log.text())});
  }
  return std::unique_ptr<VaapiPool>(new VaapiPool(format, std::move(frames), std::make_shared<State>(limit)));
}

VaapiPool::VaapiPool(const SurfaceFormat& format, AvBufferPtr frames, std::shared_ptr<State> state)
    : format_(format), frames_(std::move(frames)), state_(std::move(state)) {}

VaapiPool::~VaapiPool() = default;

std::size_t VaapiPool::lent() const { return state_->lent.load(std::memory_order_relaxed); }

Result<Surface> VaapiPool::take() {
  AvFramePtr frame(av_frame_alloc());
  if (!frame) return fail_errno(ENOMEM, kOperation);
  const AvLogCapture log;
  if (const int code = av_hwframe_get_buffer(frames_.get(), frame.get(), 0); code < 0) {
    return std::unexpected(Error{ErrorKind::Busy, ErrorDomain::FFmpeg, code, "import frame",
                                 "the GPU has no memory for a surface: " + log.text()});
  }
  return counted(std::move(frame), nullptr);
}

Result<Surface> VaapiPool::lend(const AVFrame& frame, BufferLease& lease) {
  AvFramePtr reference(av_frame_clone(&frame));
  if (!reference) return fail_errno(ENOMEM, kOperation);
  return counted(std::move(reference), &lease);
}

Result<Surface> VaapiPool::counted(AvFramePtr frame, BufferLease* lease) {
  auto place =
      std::ranges::find_if(state_->places, [](State::Place& p) { return !p.taken.load(std::memory_order_acquire); });
  if (place == state_->places.end()) {
    return fail(ErrorKind::Busy, "import frame", fmt::format("all {} surfaces are in use", state_->places.size()));
  }
  frame->buf[1] = av_buffer_create(&place->nothing, sizeof place->nothing, &State::give_back, &*place, 0);
  if (frame->buf[1] == nullptr) return fail_errno(ENOMEM, kOperation);
  place->taken.store(true, std::memory_order_relaxed);
  place->self = state_;
  if (lease != nullptr && *lease) {
    place->lease = std::move(*lease);
    state_->lent.fetch_add(1, std::memory_order_relaxed);
  }
  describe(*frame, format_);
  return Surface(std::move(frame), format_);
}

VASurfaceID va_surface(const AVFrame& frame) {
  return static_cast<VASurfaceID>(reinterpret_cast<std::uintptr_t>(frame.data[3]));
}

}  // namespace zc
