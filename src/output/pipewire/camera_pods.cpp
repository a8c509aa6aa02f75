#include "output/pipewire/camera_pods.h"

#include "pipewire/spa_video_format.h"

#include <spa/buffer/buffer.h>
#include <spa/buffer/meta.h>
#include <spa/param/buffers.h>
#include <spa/param/format.h>
#include <spa/param/param.h>
#include <spa/param/video/color.h>

#include <algorithm>
#include <array>

namespace zc {
namespace {

/// As many as a reader that shows one, decodes another and is given a third has use for, times two readers.
constexpr std::int32_t kBuffers = 6;
constexpr std::int32_t kFewestBuffers = 2;
constexpr std::int32_t kMostBuffers = 16;
/// Readers often want 30 or 60, whatever a screen has.
constexpr Rational kUsualRate{60, 1};

template <class Ours>
struct Row {
  Ours ours;
  std::uint32_t spa;
};
constexpr std::array kMatrices{Row{ColourMatrix::BT601, std::uint32_t{SPA_VIDEO_COLOR_MATRIX_BT601}},
                               Row{ColourMatrix::BT709, std::uint32_t{SPA_VIDEO_COLOR_MATRIX_BT709}},
                               Row{ColourMatrix::BT2020, std::uint32_t{SPA_VIDEO_COLOR_MATRIX_BT2020}}};
constexpr std::array kRanges{Row{ColourRange::Limited, std::uint32_t{SPA_VIDEO_COLOR_RANGE_16_235}},
                             Row{ColourRange::Full, std::uint32_t{SPA_VIDEO_COLOR_RANGE_0_255}}};
constexpr std::array kPrimaries{Row{ColourPrimaries::BT601, std::uint32_t{SPA_VIDEO_COLOR_PRIMARIES_SMPTE170M}},
                                Row{ColourPrimaries::BT709, std::uint32_t{SPA_VIDEO_COLOR_PRIMARIES_BT709}},
                                Row{ColourPrimaries::BT2020, std::uint32_t{SPA_VIDEO_COLOR_PRIMARIES_BT2020}}};
constexpr std::array kTransfers{Row{TransferFunction::BT709, std::uint32_t{SPA_VIDEO_TRANSFER_BT709}},
                                Row{TransferFunction::SRGB, std::uint32_t{SPA_VIDEO_TRANSFER_SRGB}}};

template <class Table, class Ours>
void add_colour(ObjectBuilder& builder, std::uint32_t key, const Table& table, Ours value) {
  for (const auto& row : table) {
    if (row.ours == value) builder.add_id(key, row.spa);
  }
}

PodPtr make_format(const CameraOffer& offer, PixelFormat format) {
  const Rational most = offer.rate.value() > kUsualRate.value() ? offer.rate : kUsualRate;
  const bool rgb = !info(format).yuv;
  ObjectBuilder b(SPA_TYPE_OBJECT_Format, SPA_PARAM_EnumFormat);
  b.add_id(SPA_FORMAT_mediaType, SPA_MEDIA_TYPE_video);
  b.add_id(SPA_FORMAT_mediaSubtype, SPA_MEDIA_SUBTYPE_raw);
  b.add_id(SPA_FORMAT_VIDEO_format, spa_video_format_of(format));
  b.add_size(SPA_FORMAT_VIDEO_size, offer.size);
  b.add_rate_range(SPA_FORMAT_VIDEO_framerate, offer.rate, Rational{0, 1}, most);
  if (rgb) {
    b.add_id(SPA_FORMAT_VIDEO_colorRange, SPA_VIDEO_COLOR_RANGE_0_255);
    b.add_id(SPA_FORMAT_VIDEO_colorMatrix, SPA_VIDEO_COLOR_MATRIX_RGB);
  } else {
    add_colour(b, SPA_FORMAT_VIDEO_colorRange, kRanges, offer.colour.range);
    add_colour(b, SPA_FORMAT_VIDEO_colorMatrix, kMatrices, offer.colour.matrix);
  }
  add_colour(b, SPA_FORMAT_VIDEO_transferFunction, kTransfers, offer.colour.transfer);
  add_colour(b, SPA_FORMAT_VIDEO_colorPrimaries, kPrimaries, offer.colour.primaries);
  return b.finish();
}

}  // namespace

std::vector<PodPtr> make_camera_offer(const CameraOffer& offer) {
  std::vector<PodPtr> formats;
  for (const PixelFormat format : camera_formats(offer.colour)) formats.push_back(make_format(offer, format));
  return formats;
}

std::optional<CameraFormat> parse_camera_format(const spa_pod* format, const CameraOffer& offer) {
  const ObjectReader object(format);
  if (!object.is(SPA_TYPE_OBJECT_Format)) return std::nullopt;
  const auto id = [&](std::uint32_t key) {
    const auto values = object.find(key);
    return values ? values->id() : std::nullopt;
  };
  if (id(SPA_FORMAT_mediaType) != SPA_MEDIA_TYPE_video || id(SPA_FORMAT_mediaSubtype) != SPA_MEDIA_SUBTYPE_raw) {
    return std::nullopt;
  }
  const auto pixels = pixel_format_from_spa(id(SPA_FORMAT_VIDEO_format).value_or(0));
  const auto sizes = object.find(SPA_FORMAT_VIDEO_size);
  const auto size = sizes ? sizes->size() : std::nullopt;
  const auto offered = camera_formats(offer.colour);
  if (!pixels || std::ranges::find(offered, *pixels) == offered.end() || size != offer.size) return std::nullopt;
  const auto rates = object.find(SPA_FORMAT_VIDEO_framerate);
  return CameraFormat{.layout = {.format = *pixels, .size = *size},
                      .rate = (rates ? rates->rate() : std::nullopt).value_or(Rational{})};
}

std::vector<PodPtr> make_camera_buffers(const CameraLayout& layout) {
  std::vector<PodPtr> params;
  ObjectBuilder buffers(SPA_TYPE_OBJECT_ParamBuffers, SPA_PARAM_Buffers);
  buffers.add_int_range(SPA_PARAM_BUFFERS_buffers, kBuffers, kFewestBuffers, kMostBuffers);
  buffers.add_int(SPA_PARAM_BUFFERS_blocks, 1);
  buffers.add_int(SPA_PARAM_BUFFERS_size, static_cast<std::int32_t>(layout.bytes()));
  buffers.add_int(SPA_PARAM_BUFFERS_stride, static_cast<std::int32_t>(layout.stride_bytes()));
  buffers.add_int_flags(SPA_PARAM_BUFFERS_dataType, (1 << SPA_DATA_MemFd) | (1 << SPA_DATA_MemPtr));
  params.push_back(buffers.finish());
  ObjectBuilder head(SPA_TYPE_OBJECT_ParamMeta, SPA_PARAM_Meta);
  head.add_id(SPA_PARAM_META_type, SPA_META_Header);
  head.add_int(SPA_PARAM_META_size, sizeof(spa_meta_header));
  params.push_back(head.finish());
  return params;
}

}  // namespace zc
