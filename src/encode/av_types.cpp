#include "encode/av_types.h"

#include "media/av_error.h"

extern "C" {
#include <libavutil/error.h>
}

#include <utility>

namespace zc {

std::unexpected<Error> fail_av(int averror, std::string operation, std::string detail) {
  const bool ours = averror == AVERROR(ENOMEM) || averror == AVERROR(EINVAL) || averror == AVERROR_BUG;
  return fail_ffmpeg(ours ? ErrorKind::Internal : ErrorKind::Lost, averror, std::move(operation), std::move(detail));
}

}  // namespace zc
