// Our words for pictures and codecs in FFmpeg's numbers.
#pragma once

#include "media/audio_codec.h"
#include "media/codec.h"
#include "media/colour.h"
#include "media/pixel_format.h"

extern "C" {
#include <libavcodec/codec_id.h>
#include <libavutil/pixfmt.h>
}

#include <optional>

struct AVFrame;

namespace zc {

/// The formats encoders take (NV12, I420, P010, I010, I444, I410); AV_PIX_FMT_NONE for others.
[[nodiscard]] AVPixelFormat av_pixel_format(PixelFormat format);
[[nodiscard]] AVColorSpace av_matrix(ColourMatrix matrix);
[[nodiscard]] AVColorRange av_range(ColourRange range);
[[nodiscard]] AVColorPrimaries av_primaries(ColourPrimaries primaries);
[[nodiscard]] AVColorTransferCharacteristic av_transfer(TransferFunction transfer);

/// As far as the picture says it.
[[nodiscard]] ColourDescription colour_of(const AVFrame& frame);

[[nodiscard]] AVCodecID av_codec_id(Codec codec);
[[nodiscard]] AVCodecID av_codec_id(AudioCodec codec);
/// nullopt: none of ours.
[[nodiscard]] std::optional<Codec> codec_of(AVCodecID id);

}  // namespace zc
