#include "zerocopy/surface_frame.h"

#include "media/av_words.h"
#include "zerocopy/cpu/yuv_view.h"

extern "C" {
#include <libavutil/frame.h>
}

namespace zc {
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
