// Our words in libavutil's numbers, and libavcodec's handles in RAII.
#pragma once

#include "base/error.h"
#include "encode/settings.h"
#include "media/codec.h"
#include "media/colour.h"
#include "media/pixel_format.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/pixfmt.h>
}

#include <memory>
#include <string>

namespace zc {

struct AvCodecContextFree {
  void operator()(AVCodecContext* context) const noexcept { avcodec_free_context(&context); }
};
using AvCodecContextPtr = std::unique_ptr<AVCodecContext, AvCodecContextFree>;

struct AvPacketFree {
  void operator()(AVPacket* packet) const noexcept { av_packet_free(&packet); }
};
using AvPacketPtr = std::unique_ptr<AVPacket, AvPacketFree>;

struct AvDictionaryFree {
  void operator()(AVDictionary* dictionary) const noexcept { av_dict_free(&dictionary); }
};
using AvDictionaryPtr = std::unique_ptr<AVDictionary, AvDictionaryFree>;

/// The formats encoders take (NV12, I420, P010, I010, I444, I410); AV_PIX_FMT_NONE for others.
[[nodiscard]] AVPixelFormat av_pixel_format(PixelFormat format);
[[nodiscard]] AVCodecID av_codec_id(Codec codec);
[[nodiscard]] AVColorSpace av_matrix(ColourMatrix matrix);
[[nodiscard]] AVColorRange av_range(ColourRange range);
[[nodiscard]] AVColorPrimaries av_primaries(ColourPrimaries primaries);
[[nodiscard]] AVColorTransferCharacteristic av_transfer(TransferFunction transfer);

/// An AVERROR as an error. ENOMEM and codec bugs are Internal, anything external to libavcodec is Lost.
[[nodiscard]] std::unexpected<Error> fail_av(int averror, std::string operation, std::string detail = {});

}  // namespace zc
