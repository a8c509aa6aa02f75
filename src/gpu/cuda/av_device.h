// Our CUDA context in FFmpeg's hands.
#pragma once

#include "base/error.h"
#include "gpu/cuda/context.h"
#include "media/packet.h"

#include <memory>

namespace zc::cuda {

/// An initialised AVHWDeviceContext of type CUDA on this context, which stays open until FFmpeg drops its last
/// reference. Its stream is the default one. Errors: FFmpeg's.
[[nodiscard]] Result<AvBufferPtr> make_av_device(std::shared_ptr<const Context> context);

/// The context of pictures (an AVHWFramesContext) on a device of make_av_device().
[[nodiscard]] std::shared_ptr<const Context> context_of(const AVBufferRef& frames);

/// Waits for what FFmpeg queued for these pictures (an AVHWFramesContext on a device of make_av_device()) and says how
/// it went: libavutil's copies from and to CUDA memory return success whatever the driver answers. Errors as
/// Driver::check().
[[nodiscard]] Result<void> finish_copies(const AVBufferRef& frames);

}  // namespace zc::cuda
