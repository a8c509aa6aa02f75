// HDR metadata as libavutil carries it beside pictures and streams.
#pragma once

#include "media/hdr.h"

struct AVContentLightMetadata;
struct AVFrame;
struct AVMasteringDisplayMetadata;

namespace zc {

/// In our units; unset parts are zero.
[[nodiscard]] MasteringDisplay from_av(const AVMasteringDisplayMetadata& data);
[[nodiscard]] ContentLight from_av(const AVContentLightMetadata& data);

/// What lies beside a picture.
[[nodiscard]] HdrMetadata read_hdr(const AVFrame& frame);
/// Puts it beside a picture. False: no memory, and the picture may have a part of it.
[[nodiscard]] bool attach_hdr(AVFrame& frame, const HdrMetadata& hdr);

}  // namespace zc
