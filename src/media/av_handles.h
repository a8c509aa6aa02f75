// libavcodec's and libavutil's handles in RAII, for the libraries that link them.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/dict.h>
}

#include <memory>
#include <string>

namespace zc {

struct AvPacketFree {
  void operator()(AVPacket* packet) const noexcept { av_packet_free(&packet); }
};
using AvPacketPtr = std::unique_ptr<AVPacket, AvPacketFree>;

struct AvCodecContextFree {
  void operator()(AVCodecContext* context) const noexcept { avcodec_free_context(&context); }
};
using AvCodecContextPtr = std::unique_ptr<AVCodecContext, AvCodecContextFree>;

/// Options for a call that takes out of the dictionary what it knows.
class AvOptions {
 public:
  AvOptions() = default;
  AvOptions(const AvOptions&) = delete;
  AvOptions& operator=(const AvOptions&) = delete;
  ~AvOptions() { av_dict_free(&dictionary_); }

  void set(const char* key, const std::string& value) { av_dict_set(&dictionary_, key, value.c_str(), 0); }
  [[nodiscard]] AVDictionary** get() { return &dictionary_; }
  /// One that nobody took, or empty.
  [[nodiscard]] std::string left_over() const {
    const AVDictionaryEntry* entry = av_dict_get(dictionary_, "", nullptr, AV_DICT_IGNORE_SUFFIX);
    return entry != nullptr ? entry->key : "";
  }

 private:
  AVDictionary* dictionary_ = nullptr;
};

}  // namespace zc
