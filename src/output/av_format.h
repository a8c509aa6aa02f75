// libavformat's handles in RAII, and how foreign files are opened with it.
#pragma once

#include "media/av_handles.h"

extern "C" {
#include <libavformat/avformat.h>
#include <libavutil/mem.h>
}

#include <memory>
#include <string_view>

namespace zc {

/// Of avio_alloc_context().
struct AvioFree {
  void operator()(AVIOContext* io) const noexcept {
    av_freep(static_cast<void*>(&io->buffer));
    avio_context_free(&io);
  }
};
/// Of avio_open2().
struct AvioClose {
  void operator()(AVIOContext* io) const noexcept { avio_close(io); }
};
struct AvInputClose {
  void operator()(AVFormatContext* context) const noexcept { avformat_close_input(&context); }
};
struct AvOutputFree {
  void operator()(AVFormatContext* context) const noexcept { avformat_free_context(context); }
};
using AvioPtr = std::unique_ptr<AVIOContext, AvioFree>;
using AvioConnection = std::unique_ptr<AVIOContext, AvioClose>;
/// Dies before the AVIOContext that it reads from or writes to.
using AvInputPtr = std::unique_ptr<AVFormatContext, AvInputClose>;
using AvOutputPtr = std::unique_ptr<AVFormatContext, AvOutputFree>;

/// Whether this libavformat can send by it.
[[nodiscard]] bool has_output_protocol(std::string_view name);

/// Opens what comes from `io` as Matroska, MP4 or MPEG-TS and as nothing else, whatever it says of further files.
/// `options`: libavformat's further ones. An AVERROR, or 0.
[[nodiscard]] int open_input(AvInputPtr& input, AVIOContext* io, AvOptions& options,
                             const AVIOInterruptCB& interrupt = {});

}  // namespace zc
