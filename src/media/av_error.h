// FFmpeg's errors as ours.
#pragma once

#include "base/error.h"

#include <string>

namespace zc {

/// What libavutil says of an AVERROR.
[[nodiscard]] std::string av_error_text(int code);
/// An AVERROR as an error of this kind; `detail` empty: in libavutil's words.
[[nodiscard]] std::unexpected<Error> fail_ffmpeg(ErrorKind kind, int code, std::string operation,
                                                 std::string detail = {});

/// An AVERROR of libavcodec as an error: what only a bug or a lack of memory can be is Internal, all else
/// Lost.
[[nodiscard]] std::unexpected<Error> fail_codec(int code, std::string operation, std::string detail = {});

}  // namespace zc
