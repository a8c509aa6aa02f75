#include "media/av_words.h"

extern "C" {
#include <libavutil/frame.h>
}

namespace zc {

AVPixelFormat av_pixel_format(PixelFormat format) {
  switch (format) {
    case PixelFormat::NV12: return AV_PIX_FMT_NV12;
    case PixelFormat::I420: return AV_PIX_FMT_YUV420P;
    case PixelFormat::P010: return AV_PIX_FMT_P010LE;
    case PixelFormat::I010: return AV_PIX_FMT_YUV420P10LE;
    case PixelFormat::I444: return AV_PIX_FMT_YUV444P;
    case PixelFormat::I410: return AV_PIX_FMT_YUV444P10LE;
    default: return AV_PIX_FMT_NONE;
  }
}

AVColorSpace av_matrix(ColourMatrix matrix) {
  switch (matrix) {
    case ColourMatrix::Unknown: return AVCOL_SPC_UNSPECIFIED;
    case ColourMatrix::BT601: return AVCOL_SPC_SMPTE170M;
    case ColourMatrix::BT709: return AVCOL_SPC_BT709;
    case ColourMatrix::BT2020: return AVCOL_SPC_BT2020_NCL;
    case ColourMatrix::Rgb: return AVCOL_SPC_RGB;
  }
  return AVCOL_SPC_UNSPECIFIED;
}

AVColorRange av_range(ColourRange range) {
  switch (range) {
    case ColourRange::Unknown: return AVCOL_RANGE_UNSPECIFIED;
    case ColourRange::Limited: return AVCOL_RANGE_MPEG;
    case ColourRange::Full: return AVCOL_RANGE_JPEG;
  }
  return AVCOL_RANGE_UNSPECIFIED;
}

AVColorPrimaries av_primaries(ColourPrimaries primaries) {
  switch (primaries) {
    case ColourPrimaries::Unknown: return AVCOL_PRI_UNSPECIFIED;
    case ColourPrimaries::BT601: return AVCOL_PRI_SMPTE170M;
    case ColourPrimaries::BT709: return AVCOL_PRI_BT709;
    case ColourPrimaries::BT2020: return AVCOL_PRI_BT2020;
  }
  return AVCOL_PRI_UNSPECIFIED;
}

AVColorTransferCharacteristic av_transfer(TransferFunction transfer) {
  switch (transfer) {
    case TransferFunction::Unknown: return AVCOL_TRC_UNSPECIFIED;
    case TransferFunction::BT709: return AVCOL_TRC_BT709;
    case TransferFunction::SRGB: return AVCOL_TRC_IEC61966_2_1;
    case TransferFunction::BT2020_10: return AVCOL_TRC_BT2020_10;
    case TransferFunction::PQ: return AVCOL_TRC_SMPTE2084;
    case TransferFunction::HLG: return AVCOL_TRC_ARIB_STD_B67;
  }
  return AVCOL_TRC_UNSPECIFIED;
}

AVCodecID av_codec_id(Codec codec) {
  switch (codec) {
    case Codec::H264: return AV_CODEC_ID_H264;
    case Codec::HEVC: return AV_CODEC_ID_HEVC;
    case Codec::AV1: return AV_CODEC_ID_AV1;
  }
  return AV_CODEC_ID_NONE;
}

AVCodecID av_codec_id(AudioCodec codec) {
  switch (codec) {
    case AudioCodec::Opus: return AV_CODEC_ID_OPUS;
    case AudioCodec::Aac: return AV_CODEC_ID_AAC;
    case AudioCodec::Flac: return AV_CODEC_ID_FLAC;
    case AudioCodec::Pcm: return AV_CODEC_ID_PCM_S24LE;
  }
  return AV_CODEC_ID_NONE;
}

std::optional<Codec> codec_of(AVCodecID id) {
  switch (id) {
    case AV_CODEC_ID_H264: return Codec::H264;
    case AV_CODEC_ID_HEVC: return Codec::HEVC;
    case AV_CODEC_ID_AV1: return Codec::AV1;
    default: return std::nullopt;
  }
}

ColourDescription colour_of(const AVFrame& frame) {
  ColourDescription colour;
  switch (frame.colorspace) {
    case AVCOL_SPC_BT709: colour.matrix = ColourMatrix::BT709; break;
    case AVCOL_SPC_SMPTE170M:
    case AVCOL_SPC_BT470BG: colour.matrix = ColourMatrix::BT601; break;
    case AVCOL_SPC_RGB: colour.matrix = ColourMatrix::Rgb; break;
    case AVCOL_SPC_BT2020_NCL: colour.matrix = ColourMatrix::BT2020; break;
    default: break;
  }
  switch (frame.color_range) {
    case AVCOL_RANGE_MPEG: colour.range = ColourRange::Limited; break;
    case AVCOL_RANGE_JPEG: colour.range = ColourRange::Full; break;
    default: break;
  }
  switch (frame.color_primaries) {
    case AVCOL_PRI_BT709: colour.primaries = ColourPrimaries::BT709; break;
    case AVCOL_PRI_SMPTE170M:
    case AVCOL_PRI_BT470BG: colour.primaries = ColourPrimaries::BT601; break;
    case AVCOL_PRI_BT2020: colour.primaries = ColourPrimaries::BT2020; break;
    default: break;
  }
  switch (frame.color_trc) {
    case AVCOL_TRC_BT709: colour.transfer = TransferFunction::BT709; break;
    case AVCOL_TRC_IEC61966_2_1: colour.transfer = TransferFunction::SRGB; break;
    case AVCOL_TRC_BT2020_10: colour.transfer = TransferFunction::BT2020_10; break;
    case AVCOL_TRC_SMPTE2084: colour.transfer = TransferFunction::PQ; break;
    case AVCOL_TRC_ARIB_STD_B67: colour.transfer = TransferFunction::HLG; break;
    default: break;
  }
  return colour;
}

}  // namespace zc
