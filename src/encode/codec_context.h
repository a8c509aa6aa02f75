#pragma once

#include "base/error.h"
#include "encode/av_types.h"
#include "encode/encoder_table.h"
#include "encode/settings.h"
#include "media/surface.h"

#include <memory>

namespace zc {

/// Closes an encoder. SVT-AV1 1.4 waits for ever when it is closed without having been given a picture, and complains
/// when it has not seen the end of its input: `drain` gives it both.
struct EncoderClose {
  bool drain = false;
  bool fed = false;  ///< a picture was submitted
  void operator()(AVCodecContext* context) const noexcept;
};

/// An opened libavcodec encoder with what was decided for it.
struct OpenedCodec {
  std::unique_ptr<AVCodecContext, EncoderClose> context;
  CodecPlan plan;
  PixelFormat input = PixelFormat::Unknown;
  MemoryKind memory = MemoryKind::Host;  ///< of the pictures it is fed
  AvBufferPtr upload;  ///< AVHWFramesContext: host pictures go into one of its frames first; empty: as they are
};

/// libavutil's name for pictures of this layout in that memory.
[[nodiscard]] AVPixelFormat device_pixel_format(MemoryKind memory, AVPixelFormat layout);

/// What a row makes of the settings, before anything is opened.
struct PlannedCodec {
  CodecPlan plan;
  OptionList options;  ///< for avcodec_open2(), the user's own last
};
[[nodiscard]] PlannedCodec plan_codec(const EncoderRow& row, const EncoderSettings& settings,
                                      const VideoParameters& video);

/// Unsupported: this FFmpeg lacks the encoder, the machine its driver, or the chosen GPU does not have it; found out
/// without opening it.
[[nodiscard]] Result<void> row_available(const EncoderRow& row, const GpuChoice& gpu);

/// Configures and opens the row's encoder; the same arguments give the same stream parameters again.
/// Unsupported: not in this FFmpeg, or it refused the combination. Invalid: an option that it does not know.
[[nodiscard]] Result<OpenedCodec> open_codec(const EncoderRow& row, const EncoderSettings& settings,
                                             const VideoParameters& video);

}  // namespace zc
