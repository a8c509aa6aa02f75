#include "output/camera_picture.h"

#include "media/av_error.h"

#include <fmt/format.h>
#include <libyuv.h>

extern "C" {
#include <libavutil/error.h>
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
#include <libavutil/pixdesc.h>
}

#include <algorithm>
#include <array>
#include <string>

namespace zc {
namespace {

constexpr const char* kOperation = "make a camera's picture";
constexpr std::array kFormats{PixelFormat::NV12, PixelFormat::I420, PixelFormat::YUY2, PixelFormat::BGRx};
constexpr std::array kRgbFormats{PixelFormat::BGRx};

/// libyuv's coefficients.
const libyuv::YuvConstants& coefficients(const ColourDescription& colour) {
  const bool full = colour.range == ColourRange::Full;
  switch (colour.matrix) {
    case ColourMatrix::BT601: return full ? libyuv::kYuvJPEGConstants : libyuv::kYuvI601Constants;
    case ColourMatrix::BT2020: return full ? libyuv::kYuvV2020Constants : libyuv::kYuv2020Constants;
    default: return full ? libyuv::kYuvF709Constants : libyuv::kYuvH709Constants;
  }
}

int signed_of(std::size_t value) { return static_cast<int>(value); }

std::uint8_t* room(std::vector<std::uint8_t>& memory, std::size_t bytes) {
  if (memory.size() < bytes) memory.resize(bytes);
  return memory.data();
}

Result<void> done(int result) {
  if (result == 0) return {};
  return fail(ErrorKind::Internal, kOperation, "libyuv refuses the picture");
}

void paint_black(std::uint8_t* pixels, Size size) {
  libyuv::ARGBRect(pixels, signed_of(size.width * std::size_t{4}), 0, 0, signed_of(size.width), signed_of(size.height),
                   0xff000000);
}

}  // namespace

/// A picture of 8 bits: Y, U and V in planes; Y and interleaved UV; or G, B and R in planes.
struct CameraPicture::Planes {
  std::array<const std::uint8_t*, 3> data{};
  std::array<int, 3> stride{};
  Size size;
  bool interleaved = false;
  bool half = false;  ///< 4:2:0; else 4:4:4

  [[nodiscard]] int width() const { return signed_of(size.width); }
  [[nodiscard]] int height() const { return signed_of(size.height); }
};

std::uint32_t CameraLayout::stride_bytes() const {
  return static_cast<std::uint32_t>(row_bytes(format, 0, size.width));
}

std::size_t CameraLayout::bytes() const {
  std::size_t sum = 0;
  for (unsigned plane = 0; plane < info(format).planes; ++plane) {
    sum += row_bytes(format, plane, size.width) * plane_height(format, plane, size.height);
  }
  return sum;
}

std::span<const PixelFormat> camera_formats(const ColourDescription& colour) {
  return colour.matrix == ColourMatrix::Rgb ? std::span<const PixelFormat>(kRgbFormats)
                                            : std::span<const PixelFormat>(kFormats);
}

Result<const AVFrame*> CameraPicture::in_host_memory(const Surface& picture) {
  const AVFrame* frame = picture.av_frame();
  if (picture.format().memory == MemoryKind::Host) return frame;
  if (frame->hw_frames_ctx == nullptr) return fail(ErrorKind::Internal, kOperation, "its pool is not known");
  const int layout = reinterpret_cast<const AVHWFramesContext*>(frame->hw_frames_ctx->data)->sw_format;
  const bool fits = read_back_ && read_back_->format == layout && read_back_->width == frame->width &&
                    read_back_->height == frame->height;
  if (!fits) {
    read_back_.reset(av_frame_alloc());
    if (!read_back_) return fail_ffmpeg(ErrorKind::Internal, AVERROR(ENOMEM), kOperation);
    read_back_->format = layout;
    read_back_->width = frame->width;
    read_back_->height = frame->height;
    if (const int code = av_frame_get_buffer(read_back_.get(), 0); code < 0) {
      read_back_.reset();
      return fail_ffmpeg(ErrorKind::Internal, code, kOperation);
    }
  }
  if (const int code = av_hwframe_transfer_data(read_back_.get(), frame, 0); code < 0) {
    return fail_ffmpeg(ErrorKind::Lost, code, kOperation);
  }
  return read_back_.get();
}

Result<CameraPicture::Planes> CameraPicture::narrow(const AVFrame& frame) {
  const auto layout = static_cast<AVPixelFormat>(frame.format);
  const AVPixFmtDescriptor* described = av_pix_fmt_desc_get(layout);
  constexpr std::array kKnown{AV_PIX_FMT_NV12,      AV_PIX_FMT_YUV420P, AV_PIX_FMT_P010,
                              AV_PIX_FMT_YUV420P10, AV_PIX_FMT_YUV444P, AV_PIX_FMT_YUV444P10};
  if (described == nullptr || std::ranges::find(kKnown, layout) == kKnown.end()) {
    return fail(ErrorKind::Unsupported, kOperation,
                fmt::format("surfaces of {} cannot be read", described == nullptr ? "no format" : described->name));
  }
  Planes planes;
  planes.size = {static_cast<std::uint32_t>(frame.width), static_cast<std::uint32_t>(frame.height)};
  planes.interleaved = layout == AV_PIX_FMT_NV12 || layout == AV_PIX_FMT_P010;
  planes.half = described->log2_chroma_w == 1;
  const std::size_t count = planes.interleaved ? 2 : 3;
  for (std::size_t i = 0; i < count; ++i) {
    planes.data.at(i) = frame.data[i];
    planes.stride.at(i) = frame.linesize[i];
  }
  const int depth = described->comp[0].depth;
  if (depth == 8) return planes;

  const std::size_t whole = planes.size.area();
  std::uint8_t* to = room(narrow_, 3 * whole);
  constexpr int kOfLow = 16384;  // libyuv's factor of 16 bits for samples in the low ten
  constexpr int kOfHigh = 256;   // and in the high ones
  for (std::size_t i = 0; i < count; ++i) {
    const bool chroma = i > 0 && planes.half;
    const int samples = chroma && !planes.interleaved ? (planes.width() + 1) / 2 : planes.width();
    const int rows = chroma ? (planes.height() + 1) / 2 : planes.height();
    libyuv::Convert16To8Plane(reinterpret_cast<const std::uint16_t*>(planes.data.at(i)), planes.stride.at(i) / 2, to,
                              samples, described->comp[0].shift > 0 ? kOfHigh : kOfLow, samples, rows);
    planes.data.at(i) = to;
    planes.stride.at(i) = samples;
    to += static_cast<std::ptrdiff_t>(samples) * rows;
  }
  return planes;
}

Result<void> CameraPicture::write_rgb(const Planes& from, Size size, const CameraLayout& layout, std::uint8_t* target) {
  const bool scales = size != layout.size;
  std::uint8_t* merged = scales ? room(scaled_, size.area() * 4) : target;
  libyuv::MergeARGBPlane(from.data[2], from.stride[2], from.data[0], from.stride[0], from.data[1], from.stride[1],
                         nullptr, 0, merged, from.width() * 4, from.width(), from.height());
  if (!scales) return {};
  paint_black(target, layout.size);
  const Rect place = letterbox(size, layout.size);
  const std::size_t stride = layout.stride_bytes();
  return done(
      libyuv::ARGBScale(merged, from.width() * 4, from.width(), from.height(),
                        target + static_cast<std::size_t>(place.y) * stride + static_cast<std::size_t>(place.x) * 4,
                        signed_of(stride), signed_of(place.width), signed_of(place.height), libyuv::kFilterBox));
}

CameraPicture::Planes CameraPicture::halved(const Planes& from) {
  const int half_width = (from.width() + 1) / 2;
  const int half_height = (from.height() + 1) / 2;
  const std::size_t half_bytes = static_cast<std::size_t>(half_width) * static_cast<std::size_t>(half_height);
  std::uint8_t* luma = room(halved_, from.size.area() + 2 * half_bytes);
  std::uint8_t* u = luma + from.size.area();
  std::uint8_t* v = u + half_bytes;
  libyuv::I444ToI420(from.data[0], from.stride[0], from.data[1], from.stride[1], from.data[2], from.stride[2], luma,
                     from.width(), u, half_width, v, half_width, from.width(), from.height());
  return {{luma, u, v}, {from.width(), half_width, half_width}, from.size, false, true};
}

CameraPicture::Planes CameraPicture::scaled(const Planes& from, const ColourDescription& colour, Size size) {
  const int width = signed_of(size.width);
  const std::size_t quarter = size.area() / 4;
  std::uint8_t* luma = room(scaled_, size.area() + 2 * quarter);
  std::fill_n(luma, size.area(), colour.range == ColourRange::Full ? std::uint8_t{0} : std::uint8_t{16});
  std::fill_n(luma + size.area(), 2 * quarter, std::uint8_t{128});
  const Rect place = letterbox(from.size, size);
  const auto corner = [&](std::uint8_t* plane, int stride, unsigned shift, int step) {
    const auto row = static_cast<std::ptrdiff_t>(place.y >> shift);
    return plane + row * stride + static_cast<std::ptrdiff_t>(place.x >> shift) * step;
  };
  std::uint8_t* u = luma + size.area();
  if (from.interleaved) {
    libyuv::NV12Scale(from.data[0], from.stride[0], from.data[1], from.stride[1], from.width(), from.height(),
                      corner(luma, width, 0, 1), width, corner(u, width, 1, 2), width, signed_of(place.width),
                      signed_of(place.height), libyuv::kFilterBox);
    return {{luma, u, nullptr}, {width, width, 0}, size, true, true};
  }
  std::uint8_t* v = u + quarter;
  libyuv::I420Scale(from.data[0], from.stride[0], from.data[1], from.stride[1], from.data[2], from.stride[2],
                    from.width(), from.height(), corner(luma, width, 0, 1), width, corner(u, width / 2, 1, 1),
                    width / 2, corner(v, width / 2, 1, 1), width / 2, signed_of(place.width), signed_of(place.height),
                    libyuv::kFilterBox);
  return {{luma, u, v}, {width, width / 2, width / 2}, size, false, true};
}

Result<void> CameraPicture::write_yuv(Planes from, const ColourDescription& colour, const CameraLayout& layout,
                                      std::uint8_t* target) {
  const bool whole_chroma = layout.format == PixelFormat::BGRx && from.size == layout.size;
  if (!from.half && !whole_chroma) from = halved(from);
  if (from.size != layout.size) from = scaled(from, colour, layout.size);
  const int width = from.width();
  const int height = from.height();
  const int stride = signed_of(layout.stride_bytes());
  if (layout.format == PixelFormat::BGRx) {
    const libyuv::YuvConstants* matrix = &coefficients(colour);
    if (from.interleaved) {
      return done(libyuv::NV12ToARGBMatrix(from.data[0], from.stride[0], from.data[1], from.stride[1], target, stride,
                                           matrix, width, height));
    }
    const auto convert = from.half ? libyuv::I420ToARGBMatrix : libyuv::I444ToARGBMatrix;
    return done(convert(from.data[0], from.stride[0], from.data[1], from.stride[1], from.data[2], from.stride[2],
                        target, stride, matrix, width, height));
  }
  const std::size_t quarter = layout.size.area() / 4;
  if (layout.format == PixelFormat::YUY2) {
    if (from.interleaved) {
      std::uint8_t* u = room(split_, 2 * quarter);
      libyuv::SplitUVPlane(from.data[1], from.stride[1], u, width / 2, u + quarter, width / 2, width / 2, height / 2);
      from = {{from.data[0], u, u + quarter}, {from.stride[0], width / 2, width / 2}, from.size, false, true};
    }
    return done(libyuv::I420ToYUY2(from.data[0], from.stride[0], from.data[1], from.stride[1], from.data[2],
                                   from.stride[2], target, stride, width, height));
  }
  libyuv::CopyPlane(from.data[0], from.stride[0], target, width, width, height);
  std::uint8_t* u = target + layout.size.area();
  std::uint8_t* v = u + quarter;
  if (layout.format == PixelFormat::NV12 && from.interleaved) {
    libyuv::CopyPlane(from.data[1], from.stride[1], u, width, width, height / 2);
  } else if (layout.format == PixelFormat::NV12) {
    libyuv::MergeUVPlane(from.data[1], from.stride[1], from.data[2], from.stride[2], u, width, width / 2, height / 2);
  } else if (from.interleaved) {
    libyuv::SplitUVPlane(from.data[1], from.stride[1], u, width / 2, v, width / 2, width / 2, height / 2);
  } else {
    libyuv::CopyPlane(from.data[1], from.stride[1], u, width / 2, width / 2, height / 2);
    libyuv::CopyPlane(from.data[2], from.stride[2], v, width / 2, width / 2, height / 2);
  }
  return {};
}

Result<void> CameraPicture::write(const Surface& picture, const CameraLayout& layout, std::span<std::byte> target) {
  const ColourDescription& colour = picture.format().colour;
  const auto offered = camera_formats(colour);
  if (std::ranges::find(offered, layout.format) == offered.end()) {
    return fail(ErrorKind::Unsupported, kOperation, fmt::format("{} cannot be made of it", zc::name(layout.format)));
  }
  if (target.size() < layout.bytes() || layout.size.empty() || layout.size.width % 2 + layout.size.height % 2 != 0) {
    return fail(ErrorKind::Invalid, kOperation, "the reader's buffer is too small");
  }
  const auto frame = in_host_memory(picture);
  if (!frame) return std::unexpected(frame.error());
  const auto planes = narrow(**frame);
  if (!planes) return std::unexpected(planes.error());
  auto* bytes = reinterpret_cast<std::uint8_t*>(target.data());
  if (colour.matrix == ColourMatrix::Rgb) return write_rgb(*planes, planes->size, layout, bytes);
  return write_yuv(*planes, colour, layout, bytes);
}

}  // namespace zc
