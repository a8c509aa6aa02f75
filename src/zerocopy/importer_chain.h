#pragma once

#include "base/error.h"
#include "base/toggles.h"
#include "zerocopy/importer.h"

#include <memory>

namespace zc {

/// The routes from a captured frame to an encoder's surface, best first; the CPU route is always the last.
/// Routes into `first`, the memory of an encoder that the user asks for, come before the others. ZEROCOPY=0 leaves only
/// the CPU route; ZEROCOPY=1 leaves it out, and Unsupported says why no other one works here.
[[nodiscard]] Result<std::unique_ptr<Importer>> open_importer(ZerocopyMode mode, MemoryKind first = MemoryKind::Host);

}  // namespace zc
