// libavcodec's handles in RAII, its errors in our words.
#pragma once

#include "base/error.h"
#include "encode/settings.h"
#include "media/av_handles.h"
#include "media/av_words.h"

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

struct AvDictionaryFree {
  void operator()(AVDictionary* dictionary) const noexcept { av_dict_free(&dictionary); }
};
using AvDictionaryPtr = std::unique_ptr<AVDictionary, AvDictionaryFree>;

/// An AVERROR as an error. ENOMEM and codec bugs are Internal, anything external to libavcodec is Lost.
[[nodiscard]] std::unexpected<Error> fail_av(int averror, std::string operation, std::string detail = {});

}  // namespace zc
