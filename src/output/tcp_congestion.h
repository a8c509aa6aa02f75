#pragma once

#include "output/congestion.h"

namespace zc {

/// Of a connected TCP socket, as the kernel has it; nothing of another one.
[[nodiscard]] Congestion tcp_congestion(int fd);

}  // namespace zc
