#include "media/av_error.h"

extern "C" {
#include <libavutil/error.h>
}

#include <array>
#include <cerrno>
#include <utility>

namespace zc {

std::string av_error_text(int code) {
  std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
  av_strerror(code, text.data(), text.size());
  return text.data();
}

std::unexpected<Error> fail_ffmpeg(ErrorKind kind, int code, std::string operation, std::string detail) {
  if (detail.empty()) detail = av_error_text(code);
  return std::unexpected(Error{kind, ErrorDomain::FFmpeg, code, std::move(operation), std::move(detail)});
}

std::unexpected<Error> fail_codec(int code, std::string operation, std::string detail) {
  const bool ours = code == AVERROR(ENOMEM) || code == AVERROR(EINVAL) || code == AVERROR_BUG;
  return fail_ffmpeg(ours ? ErrorKind::Internal : ErrorKind::Lost, code, std::move(operation), std::move(detail));
}

}  // namespace zc
