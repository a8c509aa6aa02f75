// What the encoders have of libavcodec, in RAII.
#pragma once

#include "base/error.h"
#include "encode/settings.h"
#include "media/av_error.h"
#include "media/av_handles.h"
#include "media/av_words.h"

extern "C" {
#include <libavcodec/avcodec.h>
}

#include <memory>
#include <string>
#include <utility>

namespace zc {

struct AvDictionaryFree {
  void operator()(AVDictionary* dictionary) const noexcept { av_dict_free(&dictionary); }
};
using AvDictionaryPtr = std::unique_ptr<AVDictionary, AvDictionaryFree>;

/// fail_codec(), as the encoders call it.
[[nodiscard]] inline std::unexpected<Error> fail_av(int averror, std::string operation, std::string detail = {}) {
  return fail_codec(averror, std::move(operation), std::move(detail));
}

}  // namespace zc
