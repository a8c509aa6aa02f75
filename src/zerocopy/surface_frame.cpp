#include "zerocopy/surface_frame.h"

#include "zerocopy/cpu/yuv_view.h"

extern "C" {
#include <libavutil/frame.h>
}

namespace zc {
namespace {

AVColorSpace av_matrix(ColourMatrix matrix) {
  switch (matrix) {
    case ColourMatrix::BT601: return AVCOL_SPC_SMPTE170M;
    case ColourMatrix::BT709: return AVCOL_SPC_BT709;
    case ColourMatrix::BT2020: return AVCOL_SPC_BT2020_NCL;
    case ColourMatrix::Rgb: return AVCOL_SPC_RGB;
    case ColourMatrix::Unknown: break;
  }
  return AVCOL_SPC_UNSPECIFIED;
}

AVColorPrimaries av_primaries(ColourPrimaries primaries) {
  switch (primaries) {
    case ColourPrimaries::BT601: return AVCOL_PRI_SMPTE170M;
    case ColourPrimaries::BT709: return AVCOL_PRI_BT709;
    case ColourPrimaries::BT2020: return AVCOL_PRI_BT2020;
    case ColourPrimaries::Unknown: break;
  }
  return AVCOL_PRI_UNSPECIFIED;
}

AVColorTransferCharacteristic av_transfer(TransferFunction transfer) {
  switch (transfer) {
    case TransferFunction::BT709: return AVCOL_TRC_BT709;
    case TransferFunction::SRGB: return AVCOL_TRC_IEC61966_2_1;
    case TransferFunction::BT2020_10: return AVCOL_TRC_BT2020_10;
    case TransferFunction::PQ: return AVCOL_TRC_SMPTE2084;
    case TransferFunction::HLG: return AVCOL_TRC_ARIB_STD_B67;
    case TransferFunction::Unknown: break;
  }
  return AVCOL_TRC_UNSPECIFIED;
}

}  // namespace

AVPixelFormat av_layout(PixelFormat format) {
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

void describe(AVFrame& frame, const SurfaceFormat& format) {
  const ColourDescription& colour = format.colour;
  frame.width = static_cast<int>(format.size.width);
  frame.height = static_cast<int>(format.size.height);
  frame.sample_aspect_ratio = {1, 1};
  frame.color_range = colour.range == ColourRange::Full ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
  frame.colorspace = av_matrix(colour.matrix);
  frame.color_primaries = av_primaries(colour.primaries);
  frame.color_trc = av_transfer(colour.transfer);
  frame.chroma_location = yuv_layout(format.format).subsampled ? AVCHROMA_LOC_LEFT : AVCHROMA_LOC_UNSPECIFIED;
}

}  // namespace zc
