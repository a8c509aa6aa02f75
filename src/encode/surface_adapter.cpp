#include "encode/surface_adapter.h"

#include "base/log.h"
#include "encode/av_types.h"
#include "gpu/cuda/av_device.h"
#include "gpu/cuda/pinned_pool.h"

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
#include <libavutil/imgutils.h>
}

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

namespace zc {
namespace {

constexpr const char* kOperation = "hand a picture to the next encoder";

/// The same samples in three planes.
PixelFormat planar(PixelFormat format) {
  switch (format) {
    case PixelFormat::NV12: return PixelFormat::I420;
    case PixelFormat::P010: return PixelFormat::I010;
    default: return format;
  }
}

/// Makes `surface` a writable picture of host memory; keeps the memory when nobody else has it.
Result<void> make_writable(Surface& surface, const SurfaceFormat& format) {
  if (surface && av_frame_is_writable(surface.av_frame()) > 0) return {};
  AvFramePtr frame(av_frame_alloc());
  if (!frame) return fail_av(AVERROR(ENOMEM), kOperation);
  frame->format = av_pixel_format(format.format);
  frame->width = static_cast<int>(format.size.width);
  frame->height = static_cast<int>(format.size.height);
  if (const int code = av_frame_get_buffer(frame.get(), 0); code < 0) return fail_av(code, kOperation);
  surface = Surface(std::move(frame), format);
  return {};
}

/// One row of interleaved chroma into two. `Shift`: P010 keeps its ten bits at the top of 16, I010 at the bottom.
template <class Sample, unsigned Shift>
void split_row(const std::uint8_t* from, std::uint8_t* to_u, std::uint8_t* to_v, std::uint32_t count) {
  const auto* uv = reinterpret_cast<const Sample*>(from);
  auto* u = reinterpret_cast<Sample*>(to_u);
  auto* v = reinterpret_cast<Sample*>(to_v);
  for (std::uint32_t x = 0; x < count; ++x) {
    u[x] = static_cast<Sample>(uv[std::size_t{2} * x] >> Shift);
    v[x] = static_cast<Sample>(uv[std::size_t{2} * x + 1] >> Shift);
  }
}

void copy_luma_row(const std::uint8_t* from, std::uint8_t* to, std::uint32_t width, bool wide) {
  if (!wide) {
    std::memcpy(to, from, width);
    return;
  }
  const auto* source = reinterpret_cast<const std::uint16_t*>(from);
  auto* target = reinterpret_cast<std::uint16_t*>(to);
  for (std::uint32_t x = 0; x < width; ++x) target[x] = static_cast<std::uint16_t>(source[x] >> 6U);
}

/// Strides and planes begin at multiples of this, and as many bytes may be read behind the last.
constexpr int kAlignment = 64;

}  // namespace

SurfaceAdapter::SurfaceAdapter(const SurfaceFormat& from, const SurfaceFormat& to) : from_(from), to_(to) {}
SurfaceAdapter::SurfaceAdapter(SurfaceAdapter&&) noexcept = default;
SurfaceAdapter& SurfaceAdapter::operator=(SurfaceAdapter&&) noexcept = default;
SurfaceAdapter::~SurfaceAdapter() = default;

Result<SurfaceAdapter> SurfaceAdapter::create(const SurfaceFormat& from, const SurfaceFormat& to) {
  const bool same_samples = to.format == from.format || to.format == planar(from.format);
  const bool reachable = to.memory == from.memory || to.memory == MemoryKind::Host;
  if (from.size != to.size || from.colour != to.colour || !same_samples || !reachable) {
    return fail(ErrorKind::Unsupported, kOperation,
                std::string("pictures made as ") + std::string(name(from.format)) + " cannot become its " +
                    std::string(name(to.format)));
  }
  return SurfaceAdapter(from, to);
}

Result<Surface> SurfaceAdapter::adapt(const Surface& surface) {
  Surface picture;
  if (surface.format().memory != to_.memory) {
    auto downloaded = download(surface);
    if (!downloaded) return downloaded;
    picture = std::move(*downloaded);
  } else {
    picture = surface.share();
  }
  if (picture && to_.format != from_.format) {
    auto planes = split(picture);
    if (!planes) return planes;
    picture = std::move(*planes);
  }
  if (!picture) return fail_av(AVERROR(ENOMEM), kOperation);
  picture.stream_time = surface.stream_time;
  return picture;
}

Surface SurfaceAdapter::pinned_picture(const Surface& surface, const SurfaceFormat& format) {
  if (!pinning_ || surface.format().memory != MemoryKind::Cuda) return {};
  const AVPixelFormat layout = av_pixel_format(format.format);
  const auto width = static_cast<int>(format.size.width);
  const auto height = static_cast<int>(format.size.height);
  if (!pinned_) {
    const int bytes = av_image_get_buffer_size(layout, width, height, kAlignment);
    auto pool = cuda::PinnedPool::create(cuda::context_of(*surface.av_frame()->hw_frames_ctx),
                                         static_cast<std::size_t>(std::max(0, bytes)) + kAlignment, kPinnedPictures);
    if (!pool) {
      logger("encode").debug("pictures are read into ordinary memory: {}", pool.error().message());
      pinning_ = false;
      return {};
    }
    pinned_ = std::make_unique<cuda::PinnedPool>(*std::move(pool));
  }
  auto buffer = pinned_->take();
  AvFramePtr frame(av_frame_alloc());
  if (!buffer || !frame) return {};
  frame->format = layout;
  frame->width = width;
  frame->height = height;
  if (av_image_fill_arrays(frame->data, frame->linesize, (*buffer)->data, layout, width, height, kAlignment) < 0) {
    return {};
  }
  frame->buf[0] = buffer->release();
  return Surface(std::move(frame), format);
}

Result<Surface> SurfaceAdapter::download(const Surface& surface) {
  SurfaceFormat format = from_;
  format.memory = MemoryKind::Host;
  Surface picture = pinned_picture(surface, format);
  if (!picture) {
    if (auto ok = make_writable(host_, format); !ok) return std::unexpected(std::move(ok.error()));
    picture = host_.share();
    if (!picture) return fail_av(AVERROR(ENOMEM), kOperation);
  }
  if (const int code = av_hwframe_transfer_data(picture.av_frame(), surface.av_frame(), 0); code < 0) {
    auto failure = fail_av(code, "read a picture from the device's memory");
    failure.error().kind = ErrorKind::Lost;
    return failure;
  }
  if (from_.memory != MemoryKind::Cuda) return picture;
  if (auto done = cuda::finish_copies(*surface.av_frame()->hw_frames_ctx); !done) {
    done.error().kind = ErrorKind::Lost;
    return std::unexpected(std::move(done.error()));
  }
  return picture;
}

Result<Surface> SurfaceAdapter::split(const Surface& surface) {
  if (auto ok = make_writable(planar_, to_); !ok) return std::unexpected(std::move(ok.error()));
  const AVFrame& from = *surface.av_frame();
  const AVFrame& to = *planar_.av_frame();
  const bool wide = info(from_.format).bits > 8;
  const auto row = [](const AVFrame& frame, int plane, std::uint32_t y) {
    return frame.data[plane] + static_cast<std::ptrdiff_t>(y) * frame.linesize[plane];
  };
  for (std::uint32_t y = 0; y < to_.size.height; ++y) {
    copy_luma_row(row(from, 0, y), row(to, 0, y), to_.size.width, wide);
  }
  const std::uint32_t width = plane_width(to_.format, 1, to_.size.width);
  for (std::uint32_t y = 0; y < plane_height(to_.format, 1, to_.size.height); ++y) {
    if (wide) {
      split_row<std::uint16_t, 6>(row(from, 1, y), row(to, 1, y), row(to, 2, y), width);
    } else {
      split_row<std::uint8_t, 0>(row(from, 1, y), row(to, 1, y), row(to, 2, y), width);
    }
  }
  return planar_.share();
}

}  // namespace zc
