// libavcodec's handles in RAII, its numbers and errors in our words.
#pragma once

#include "base/error.h"
#include "encode/settings.h"
#include "media/av_words.h"
#include "media/codec.h"

extern "C" {
#include <libavcodec/avcodec.h>
}

#include <memory>
#include <string>

namespace zc {

struct AvCodecContextFree {
  void operator()(AVCodecContext* context) const noexcept { avcodec_free_context(&context); }
};
using AvCodecContextPtr = std::unique_ptr<AVCodecContext, AvCodecContextFree>;

struct AvPacketFree {
  void operator()(AVPacket* packet) const noexcept { av_packet_free(&packet); }
};
using AvPacketPtr = std::unique_ptr<AVPacket, AvPacketFree>;

struct AvDictionaryFree {
  void operator()(AVDictionary* dictionary) const noexcept { av_dict_free(&dictionary); }
};
using AvDictionaryPtr = std::unique_ptr<AVDictionary, AvDictionaryFree>;

[[nodiscard]] AVCodecID av_codec_id(Codec codec);

/// An AVERROR as an error. ENOMEM and codec bugs are Internal, anything external to libavcodec is Lost.
[[nodiscard]] std::unexpected<Error> fail_av(int averror, std::string operation, std::string detail = {});

}  // namespace zc
