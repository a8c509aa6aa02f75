#include "decode/decoded_picture.h"

#include "media/av_error.h"
#include "media/av_words.h"
#include "media/device_image.h"

extern "C" {
#include <libavutil/buffer.h>
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
}

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace zc {
namespace {

constexpr int kStandardLines = 576;
constexpr const char* kOperation = "read a decoded picture";

struct Layout {
  AVPixelFormat theirs;
  PixelFormat ours;
};
// The J formats are the same with the full range, which the picture says beside it.
constexpr std::array kLayouts{
    Layout{AV_PIX_FMT_YUV420P, PixelFormat::I420},
    Layout{AV_PIX_FMT_YUVJ420P, PixelFormat::I420},
    Layout{AV_PIX_FMT_NV12, PixelFormat::NV12},
    Layout{AV_PIX_FMT_YUV422P, PixelFormat::I422},
    Layout{AV_PIX_FMT_YUVJ422P, PixelFormat::I422},
    Layout{AV_PIX_FMT_YUV444P, PixelFormat::I444},
    Layout{AV_PIX_FMT_YUVJ444P, PixelFormat::I444},
    Layout{AV_PIX_FMT_YUYV422, PixelFormat::YUY2},
    Layout{AV_PIX_FMT_UYVY422, PixelFormat::UYVY},
    Layout{AV_PIX_FMT_YUV420P10LE, PixelFormat::I010},
    Layout{AV_PIX_FMT_P010LE, PixelFormat::P010},
    Layout{AV_PIX_FMT_YUV444P10LE, PixelFormat::I410},
    Layout{AV_PIX_FMT_BGR0, PixelFormat::BGRx},
    Layout{AV_PIX_FMT_BGRA, PixelFormat::BGRA},
    Layout{AV_PIX_FMT_RGB0, PixelFormat::RGBx},
    Layout{AV_PIX_FMT_RGBA, PixelFormat::RGBA},
    Layout{AV_PIX_FMT_0RGB, PixelFormat::xRGB},
    Layout{AV_PIX_FMT_ARGB, PixelFormat::ARGB},
    Layout{AV_PIX_FMT_0BGR, PixelFormat::xBGR},
    Layout{AV_PIX_FMT_ABGR, PixelFormat::ABGR},
    Layout{AV_PIX_FMT_X2RGB10LE, PixelFormat::xRGB_210LE},
};

std::optional<PixelFormat> ours(int format) {
  const auto* const row = std::ranges::find(kLayouts, static_cast<AVPixelFormat>(format), &Layout::theirs);
  return row == kLayouts.end() ? std::nullopt : std::optional(row->ours);
}

/// What a layout that is none of ours is converted to.
AVPixelFormat nearest(const AVPixFmtDescriptor& layout) {
  const bool deep = layout.comp[0].depth > 8;
  if ((layout.flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL)) != 0) {
    return deep ? AV_PIX_FMT_X2RGB10LE : AV_PIX_FMT_BGR0;
  }
  const bool quarter = layout.nb_components < 3 || (layout.log2_chroma_w == 1 && layout.log2_chroma_h == 1);
  if (quarter) return deep ? AV_PIX_FMT_YUV420P10LE : AV_PIX_FMT_YUV420P;
  return deep ? AV_PIX_FMT_YUV444P10LE : AV_PIX_FMT_YUV444P;
}

Size size_of(const AVFrame& picture) {
  return {static_cast<std::uint32_t>(picture.width), static_cast<std::uint32_t>(picture.height)};
}

std::optional<MemoryKind> memory_of(int format) {
  switch (format) {
    case AV_PIX_FMT_CUDA: return MemoryKind::Cuda;
    case AV_PIX_FMT_VAAPI: return MemoryKind::Vaapi;
    case AV_PIX_FMT_VULKAN: return MemoryKind::Vulkan;
    default: return std::nullopt;
  }
}

/// The colours of a picture that may not say them.
ColourDescription stated_colour(const AVFrame& picture, PixelFormat format) {
  ColourDescription colour = colour_of(picture);
  const bool yuv = info(format).yuv;
  if (!yuv) {
    colour.matrix = ColourMatrix::Rgb;
    colour.range = ColourRange::Full;
  }
  if (colour.matrix == ColourMatrix::Unknown) {
    colour.matrix = picture.height <= kStandardLines ? ColourMatrix::BT601 : ColourMatrix::BT709;
  }
  const bool full = picture.format == AV_PIX_FMT_YUVJ420P || picture.format == AV_PIX_FMT_YUVJ422P ||
                    picture.format == AV_PIX_FMT_YUVJ444P;
  if (colour.range == ColourRange::Unknown) colour.range = full ? ColourRange::Full : ColourRange::Limited;
  return colour;
}

}  // namespace

/// libswscale, for the layouts of one stream at a time.
struct DecodedPictures::Converter {
  ~Converter() { sws_freeContext(context); }
  Converter() = default;
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;

  [[nodiscard]] Result<AvFramePtr> convert(const AVFrame& picture);

  SwsContext* context = nullptr;
};

Result<AvFramePtr> DecodedPictures::Converter::convert(const AVFrame& picture) {
  const auto from = static_cast<AVPixelFormat>(picture.format);
  const AVPixFmtDescriptor* layout = av_pix_fmt_desc_get(from);
  if (layout == nullptr || sws_isSupportedInput(from) == 0) {
    return fail(ErrorKind::Unsupported, kOperation,
                fmt::format("its layout is {}", layout == nullptr ? "unknown" : layout->name));
  }
  const AVPixelFormat to = nearest(*layout);
  context = sws_getCachedContext(context, picture.width, picture.height, from, picture.width, picture.height, to,
                                 SWS_BILINEAR | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INP, nullptr, nullptr, nullptr);
  if (context == nullptr)
    return fail(ErrorKind::Unsupported, kOperation, fmt::format("its layout is {}", layout->name));
  // The numbers stay what they are: no other matrix and no other range.
  const int* weights = sws_getCoefficients(SWS_CS_ITU709);
  const int full = picture.color_range == AVCOL_RANGE_JPEG ? 1 : 0;
  sws_setColorspaceDetails(context, weights, full, weights, full, 0, 1 << 16, 1 << 16);
  AvFramePtr made(av_frame_alloc());
  if (!made) return fail_codec(AVERROR(ENOMEM), kOperation);
  made->format = to;
  made->width = picture.width;
  made->height = picture.height;
  int code = av_frame_get_buffer(made.get(), 0);
  if (code >= 0) code = av_frame_copy_props(made.get(), &picture);
  if (code >= 0) {
    code = sws_scale(context, picture.data, picture.linesize, 0, picture.height, made->data, made->linesize);
  }
  if (code < 0) return fail_codec(code, kOperation);
  return made;
}

DecodedPictures::DecodedPictures() = default;
DecodedPictures::~DecodedPictures() = default;

/// In host memory and in a layout of ours.
Result<AvFramePtr> DecodedPictures::on_host(AvFramePtr picture) {
  if (picture->hw_frames_ctx != nullptr) {
    AvFramePtr host(av_frame_alloc());
    if (!host) return fail_codec(AVERROR(ENOMEM), kOperation);
    int code = av_hwframe_transfer_data(host.get(), picture.get(), 0);
    if (code >= 0) code = av_frame_copy_props(host.get(), picture.get());
    if (code < 0) return fail_codec(code, kOperation);
    host->width = picture->width;
    host->height = picture->height;
    picture = std::move(host);
  }
  // A negative stride is a picture upside down, which no reader of ours expects.
  const bool upright = std::ranges::all_of(picture->linesize, [](int stride) { return stride >= 0; });
  if (ours(picture->format) && upright) return picture;
  if (!converter_) converter_ = std::make_unique<Converter>();
  return converter_->convert(*picture);
}

Result<void> DecodedPictures::put(AvFramePtr picture, Frame& frame) {
  if (const auto memory = memory_of(picture->format); memory && picture->hw_frames_ctx != nullptr) {
    const auto& pool = *reinterpret_cast<const AVHWFramesContext*>(picture->hw_frames_ctx->data);
    const auto format = ours(pool.sw_format);
    if (format == PixelFormat::NV12 || format == PixelFormat::P010) {
      const Size size = size_of(*picture);
      frame.colour = stated_colour(*picture, *format);
      AvFramePtr reference(av_frame_clone(picture.get()));
      if (!reference) return fail_codec(AVERROR(ENOMEM), kOperation);
      auto lease = pool_->lend(std::move(picture));
      if (!lease) return std::unexpected(std::move(lease.error()));
      frame.lease = std::move(*lease);
      frame.image = std::make_shared<const DeviceImage>(
          DeviceImage{.memory = *memory, .format = *format, .size = size, .frame = std::move(reference)});
      return {};
    }
  }
  auto host = on_host(std::move(picture));
  if (!host) return std::unexpected(std::move(host.error()));
  const AVFrame& made = **host;
  const auto format = ours(made.format);
  if (!format || made.width <= 0 || made.height <= 0) {
    return fail(ErrorKind::Unsupported, kOperation, "its layout is none of ours");
  }
  HostImage image{.format = *format, .size = size_of(made), .planes = {}, .mapping = pool_};
  for (unsigned i = 0; i < info(*format).planes; ++i) {
    image.planes.at(i) = {reinterpret_cast<const std::byte*>(made.data[i]),
                          static_cast<std::uint32_t>(made.linesize[i])};
  }
  frame.colour = stated_colour(made, *format);
  auto lease = pool_->lend(std::move(*host));
  if (!lease) return std::unexpected(std::move(lease.error()));
  frame.lease = std::move(*lease);
  frame.image = std::move(image);
  return {};
}

}  // namespace zc
