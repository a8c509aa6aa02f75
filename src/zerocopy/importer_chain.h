#pragma once

#include "base/error.h"
#include "base/toggles.h"
#include "gpu/which_gpu.h"
#include "media/format_table.h"
#include "media/surface.h"
#include "zerocopy/importer.h"

#include <memory>

namespace zc {

/// The importer for this machine: that of the first of gpu_attempts() that opens, else the CPU's. `toggles`: ZEROCOPY=0
/// leaves only the CPU; ZEROCOPY=1 leaves it out, and Unsupported says why nothing else works here; ZEROCOPY_ROUTE
/// leaves the one converter that it names, or the CPU; ZEROCOPY_SOFTWARE=1 takes a software renderer for a GPU.
/// `formats` knows what it reads, and outlives it.
[[nodiscard]] Result<std::unique_ptr<Importer>> open_importer(const Toggles& toggles, FormatTable& formats,
                                                              MemoryKind first = MemoryKind::Host,
                                                              const GpuChoice& choice = {});

}  // namespace zc
