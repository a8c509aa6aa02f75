// The one implementation of Encoder: libavcodec, driven by a row of the encoder table.
#pragma once

#include "base/error.h"
#include "encode/encoder.h"
#include "encode/encoder_table.h"
#include "encode/settings.h"

#include <memory>

namespace zc {

/// Opens the row's encoder. Unsupported: this FFmpeg or this row cannot (the chain goes on); Invalid: the user asked
/// for something that no value of `video` would make valid, such as an unknown option.
///
/// Behaviour beyond Encoder's contract:
///  - Pictures are passed on by reference; the encoder libraries copy them into their own frames at once.
///  - A keyframe comes at least every gop_seconds of stream time whatever the real rate is, as an IDR (closed GOP).
///  - Where a library cannot force keyframes it is drained and opened anew: no picture is lost, the parameter sets
///    stay the same, and the packets drained come out of receive() first. There, a picture rate below the nominal one
///    stretches gop_seconds by up to a half.
///  - Packet::duration is the distance to the next picture where that is known already, else the nominal interval.
[[nodiscard]] Result<std::unique_ptr<Encoder>> open_ffmpeg_encoder(const EncoderRow& row,
                                                                   const EncoderSettings& settings,
                                                                   const VideoParameters& video);

}  // namespace zc
