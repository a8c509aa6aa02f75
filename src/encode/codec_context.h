#pragma once

#include "base/error.h"
#include "encode/av_types.h"
#include "encode/encoder_table.h"
#include "encode/settings.h"

namespace zc {

/// An opened libavcodec encoder with what was decided for it.
struct OpenedCodec {
  AvCodecContextPtr context;
  CodecPlan plan;
  PixelFormat input = PixelFormat::Unknown;
};

/// Configures and opens the row's encoder; the same arguments give the same stream parameters again.
/// Unsupported: not in this FFmpeg, or it refused the combination. Invalid: an option that it does not know.
[[nodiscard]] Result<OpenedCodec> open_codec(const EncoderRow& row, const EncoderSettings& settings,
                                             const VideoParameters& video);

}  // namespace zc
