#pragma once

#include "base/error.h"

#include <cstdint>
#include <string>

namespace zc {

enum class ZerocopyMode : std::uint8_t {
  Off,       ///< ZEROCOPY=0: never a dmabuf, always the CPU path
  Required,  ///< ZEROCOPY=1: refuse to run without zero-copy
  Auto,      ///< ZEROCOPY=auto or unset: the best route that works
};

/// The environment toggles, read in this one place, once at start-up.
struct Toggles {
  ZerocopyMode zerocopy = ZerocopyMode::Auto;
  bool latch = false;         ///< ZEROCOPY_LATCH=1: a dmabuf is read when the next one has come
  std::string route = {};     ///< ZEROCOPY_ROUTE=vulkan|egl|cpu: nothing else converts pictures; empty: whatever fits
  bool software = false;      ///< ZEROCOPY_SOFTWARE=1: a software renderer counts as a GPU
  bool ffmpeg_debug = false;  ///< FFMPEG_DEBUG=1: FFmpeg's own log at debug level
};

/// Reads the environment. ErrorKind::Invalid names the variable and its valid values.
[[nodiscard]] Result<Toggles> read_toggles();

}  // namespace zc
