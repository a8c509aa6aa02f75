#include "encode/png.h"

#include "encode/av_types.h"
#include "encode/surface_adapter.h"
#include "media/av_log.h"
#include "media/picture_view.h"

extern "C" {
#include <libavutil/crc.h>
#include <libavutil/frame.h>
}

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>

namespace zc {
namespace {

constexpr const char* kOperation = "make a PNG file";

/// One row of a picture's components, 0 to 1 of luma and RGB, -0.5 to 0.5 of colour differences.
class RowReader {
 public:
  RowReader(const PictureView& view, const ColourDescription& colour) : view_(view) {
    const auto unit = static_cast<float>(1U << (view.bits - 8));
    const auto most = static_cast<float>((1U << view.bits) - 1);
    const bool full = colour.range == ColourRange::Full;
    const bool rgb = colour.matrix == ColourMatrix::Rgb;
    scales_[0] = full ? Scale{0, 1 / most} : Scale{16 * unit, 1 / (219 * unit)};
    scales_[1] = full ? Scale{128 * unit, 1 / most} : Scale{128 * unit, 1 / (224 * unit)};
    if (rgb) scales_[1] = scales_[0];
    for (std::vector<float>& row : rows_) row.resize(view.size.width);
    half_.resize(view.components[1].size.width);
  }

  void read(std::uint32_t y) {
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      const bool chroma = i > 0 && (view_.chroma_shift_x > 0 || view_.chroma_shift_y > 0);
      if (chroma) {
        read_chroma(i, y);
      } else {
        read_whole(i, y);
      }
    }
  }
  [[nodiscard]] const std::vector<float>& row(std::size_t component) const { return rows_.at(component); }

 private:
  struct Scale {
    float zero = 0;
    float factor = 1;
    [[nodiscard]] float of(float sample) const { return (sample - zero) * factor; }
  };

  void read_whole(std::size_t i, std::uint32_t y) {
    const Component& from = view_.components.at(i);
    const Scale scale = scales_.at(i > 0 ? 1 : 0);
    std::vector<float>& row = rows_.at(i);
    for (std::uint32_t x = 0; x < from.size.width; ++x) row[x] = scale.of(from.at(x, y));
  }

  /// Sited left, as describe() of surface_frame.h says: on even columns, between two rows.
  void read_chroma(std::size_t i, std::uint32_t y) {
    const Component& from = view_.components.at(i);
    const Scale scale = scales_[1];
    const std::uint32_t near = y >> view_.chroma_shift_y;
    const std::uint32_t below = std::min(near + 1, from.size.height - 1);
    const std::uint32_t above = near == 0 ? 0 : near - 1;
    const std::uint32_t far = view_.chroma_shift_y == 0 ? near : y % 2 == 0 ? above : below;
    for (std::uint32_t x = 0; x < from.size.width; ++x) {
      half_[x] = scale.of(0.75F * static_cast<float>(from.at(x, near)) + 0.25F * static_cast<float>(from.at(x, far)));
    }
    std::vector<float>& row = rows_.at(i);
    for (std::uint32_t x = 0; x < row.size(); ++x) {
      const std::uint32_t left = x >> view_.chroma_shift_x;
      const std::uint32_t right = view_.chroma_shift_x > 0 && x % 2 == 1 ? left + 1 : left;
      row[x] = 0.5F * (half_[left] + half_[std::min<std::size_t>(right, half_.size() - 1)]);
    }
  }

  const PictureView& view_;
  std::array<Scale, 2> scales_{};  ///< of the first component and of the others
  std::array<std::vector<float>, 3> rows_;
  std::vector<float> half_;  ///< a row of chroma in its own width
};

/// Writes big-endian samples of one or two bytes, which PNG has.
struct RowWriter {
  std::uint8_t* to;
  bool wide;

  void put(float value) {
    const float most = wide ? 65535.0F : 255.0F;
    const float sample = value * most + 0.5F;
    const auto whole = static_cast<unsigned>(sample <= 0 ? 0 : sample >= most ? most : sample);
    if (wide) *to++ = static_cast<std::uint8_t>(whole >> 8U);
    *to++ = static_cast<std::uint8_t>(whole);
  }
};

void convert(const PictureView& view, const ColourDescription& colour, AVFrame& to) {
  const LumaWeights k = luma_weights(colour.matrix);
  const auto red_of = static_cast<float>(2 * (1 - k.red));
  const auto blue_of = static_cast<float>(2 * (1 - k.blue));
  const auto green = static_cast<float>(1 - k.red - k.blue);
  const auto red_in_green = static_cast<float>(k.red) * red_of / green;
  const auto blue_in_green = static_cast<float>(k.blue) * blue_of / green;
  RowReader reader(view, colour);
  for (std::uint32_t y = 0; y < view.size.height; ++y) {
    reader.read(y);
    const std::vector<float>& first = reader.row(0);
    const std::vector<float>& second = reader.row(1);
    const std::vector<float>& third = reader.row(2);
    RowWriter out{to.data[0] + static_cast<std::ptrdiff_t>(y) * to.linesize[0], view.bits > 8};
    for (std::uint32_t x = 0; x < view.size.width; ++x) {
      if (colour.matrix == ColourMatrix::Rgb) {
        out.put(third[x]);
        out.put(first[x]);
        out.put(second[x]);
      } else {
        out.put(first[x] + red_of * third[x]);
        out.put(first[x] - blue_in_green * second[x] - red_in_green * third[x]);
        out.put(first[x] + blue_of * second[x]);
      }
    }
  }
}

/// What every decoder takes for sRGB, tagged or not. BT.709's transfer function stands for a screen's (kBt709Limited).
bool is_srgb(const ColourDescription& colour) {
  const bool primaries = colour.primaries == ColourPrimaries::BT709 || colour.primaries == ColourPrimaries::Unknown;
  const bool transfer = colour.transfer == TransferFunction::BT709 || colour.transfer == TransferFunction::SRGB ||
                        colour.transfer == TransferFunction::Unknown;
  return primaries && transfer;
}

Result<AvFramePtr> rgb_of(const Surface& picture) {
  SurfaceFormat readable = picture.format();
  readable.memory = MemoryKind::Host;
  auto reader = SurfaceAdapter::create(picture.format(), readable);
  if (!reader) return std::unexpected(std::move(reader.error()));
  reader->use_pageable_memory();
  const auto host = reader->adapt(picture);
  if (!host) return std::unexpected(host.error());
  const auto view = view_of(*host->av_frame());
  if (!view) return std::unexpected(view.error());

  const ColourDescription& colour = picture.format().colour;
  AvFramePtr rgb(av_frame_alloc());
  if (!rgb) return fail_av(AVERROR(ENOMEM), kOperation);
  rgb->format = view->bits > 8 ? AV_PIX_FMT_RGB48BE : AV_PIX_FMT_RGB24;
  rgb->width = static_cast<int>(view->size.width);
  rgb->height = static_cast<int>(view->size.height);
  rgb->color_range = AVCOL_RANGE_JPEG;
  if (is_srgb(colour)) {
    rgb->color_primaries = AVCOL_PRI_BT709;
    rgb->color_trc = AVCOL_TRC_IEC61966_2_1;
  }
  if (const int code = av_frame_get_buffer(rgb.get(), 0); code < 0) return fail_av(code, kOperation);
  convert(*view, colour, *rgb);
  return rgb;
}

Result<std::vector<std::byte>> compressed(const AVFrame& rgb) {
  AvLogCapture log;
  const AVCodec* codec = avcodec_find_encoder(AV_CODEC_ID_PNG);
  if (codec == nullptr) return fail(ErrorKind::Unsupported, kOperation, "this FFmpeg has no PNG encoder");
  const AvCodecContextPtr context(avcodec_alloc_context3(codec));
  const AvPacketPtr packet(av_packet_alloc());
  if (!context || !packet) return fail_av(AVERROR(ENOMEM), kOperation);
  context->width = rgb.width;
  context->height = rgb.height;
  context->pix_fmt = static_cast<AVPixelFormat>(rgb.format);
  context->time_base = {1, 1};
  context->thread_count = 1;
  int code = avcodec_open2(context.get(), codec, nullptr);
  if (code >= 0) code = avcodec_send_frame(context.get(), &rgb);
  if (code >= 0) code = avcodec_send_frame(context.get(), nullptr);
  if (code >= 0) code = avcodec_receive_packet(context.get(), packet.get());
  if (code < 0) return fail_av(code, kOperation, log.text());
  log.pass_on();
  const auto* bytes = reinterpret_cast<const std::byte*>(packet->data);
  return std::vector<std::byte>(bytes, bytes + packet->size);
}

/// "Coding-independent code points" (PNG, third edition, 11.3.2.6), behind the header: FFmpeg writes it from 6.1 on
/// only.
void add_cicp(std::vector<std::byte>& png, const ColourDescription& colour) {
  constexpr std::ptrdiff_t kHeaderEnd = 33;  // the signature and IHDR
  std::array<std::uint8_t, 16> chunk{0, 0, 0, 4, 'c', 'I', 'C', 'P', 0, 0, 0, 1};
  chunk[8] = static_cast<std::uint8_t>(av_primaries(colour.primaries));
  chunk[9] = static_cast<std::uint8_t>(av_transfer(colour.transfer));
  const std::uint32_t crc = ~av_crc(av_crc_get_table(AV_CRC_32_IEEE_LE), ~0U, &chunk[4], 8);
  for (unsigned i = 0; i < 4; ++i) chunk.at(12 + i) = static_cast<std::uint8_t>(crc >> (24 - 8 * i));
  const auto bytes = std::as_bytes(std::span(chunk));
  png.insert(png.begin() + kHeaderEnd, bytes.begin(), bytes.end());
}

}  // namespace

Result<std::vector<std::byte>> png_of(Surface picture) {
  const ColourDescription colour = picture.format().colour;
  const auto rgb = rgb_of(picture);
  picture = {};
  if (!rgb) return std::unexpected(rgb.error());
  auto png = compressed(**rgb);
  if (png && !is_srgb(colour)) add_cicp(*png, colour);
  return png;
}

}  // namespace zc
