#include "output/av_format.h"

#include <utility>

namespace zc {

bool has_output_protocol(std::string_view name) {
  void* cursor = nullptr;
  while (const char* known = avio_enum_protocols(&cursor, 1)) {
    if (name == known) return true;
  }
  return false;
}

int open_input(AvInputPtr& input, AVIOContext* io, AvOptions& options, const AVIOInterruptCB& interrupt) {
  AVFormatContext* context = avformat_alloc_context();
  if (context == nullptr) return AVERROR(ENOMEM);
  context->pb = io;
  context->flags |= AVFMT_FLAG_CUSTOM_IO;
  context->interrupt_callback = interrupt;
  options.set("format_whitelist", "matroska,mp4,mpegts");
  options.set("protocol_whitelist", "");
  const int code = avformat_open_input(&context, nullptr, nullptr, options.get());  // frees the context when it fails
  if (code >= 0) input.reset(context);
  return code;
}

}  // namespace zc
