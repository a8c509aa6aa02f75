#include "encode/av_types.h"

extern "C" {
#include <libavutil/error.h>
}

#include <array>

namespace zc {

AVCodecID av_codec_id(Codec codec) {
  switch (codec) {
    case Codec::H264: return AV_CODEC_ID_H264;
    case Codec::HEVC: return AV_CODEC_ID_HEVC;
    case Codec::AV1: return AV_CODEC_ID_AV1;
  }
  return AV_CODEC_ID_NONE;
}

std::unexpected<Error> fail_av(int averror, std::string operation, std::string detail) {
  if (detail.empty()) {
    std::array<char, AV_ERROR_MAX_STRING_SIZE> text{};
    av_strerror(averror, text.data(), text.size());
    detail = text.data();
  }
  const bool ours = averror == AVERROR(ENOMEM) || averror == AVERROR(EINVAL) || averror == AVERROR_BUG;
  return std::unexpected(Error{ours ? ErrorKind::Internal : ErrorKind::Lost, ErrorDomain::FFmpeg, averror,
                               std::move(operation), std::move(detail)});
}

}  // namespace zc
