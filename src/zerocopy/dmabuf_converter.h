// The seam between an importer that hands out surfaces in host memory and a GPU that fills them.
#pragma once

#include "base/error.h"
#include "media/dmabuf.h"
#include "media/surface.h"
#include "zerocopy/picture_plan.h"
#include "zerocopy/surface_layout.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace zc {

/// Memory of one surface, readable and writable by the CPU. May die on any thread.
class SurfaceMemory {
 public:
  SurfaceMemory() = default;
  virtual ~SurfaceMemory() = default;
  SurfaceMemory(const SurfaceMemory&) = delete;
  SurfaceMemory& operator=(const SurfaceMemory&) = delete;
  /// Aligned to 64 bytes.
  [[nodiscard]] virtual std::byte* data() const = 0;
  /// What it holds is of no use any more and nobody needs it soon: its pages may go back to the system. It stays as
  /// writable as before.
  virtual void discard() {}
};

/// A GPU that turns dmabufs into surfaces in memory it allocates itself. One thread, but for the memory's end.
class DmabufConverter {
 public:
  DmabufConverter() = default;
  virtual ~DmabufConverter() = default;
  DmabufConverter(const DmabufConverter&) = delete;
  DmabufConverter& operator=(const DmabufConverter&) = delete;

  /// Name of the route: "vulkan".
  [[nodiscard]] virtual std::string_view route() const = 0;
  /// DRM modifiers it reads of this format, best first.
  [[nodiscard]] virtual std::vector<std::uint64_t> modifiers(PixelFormat format) const = 0;
  /// Pictures it does not take go another way, frame by frame.
  [[nodiscard]] virtual bool takes(const PicturePlan& plan) const = 0;

  [[nodiscard]] virtual Result<std::unique_ptr<SurfaceMemory>> allocate(std::size_t bytes) = 0;
  /// The whole picture, bars included, into memory from allocate(); same bits as the CPU's conversion. The producer has
  /// finished it (producer_wait.h); the CPU may read the memory and the producer write its buffer when this returns.
  /// Bounded. Invalid: this dmabuf is malformed. Busy: not this time. Unsupported, and modifiers() has lost the
  /// dmabuf's: that one is refused for good. Timeout: the memory may still be written to; once this object is gone,
  /// freeing it is safe. Anything else: this GPU cannot.
  [[nodiscard]] virtual Result<void> convert(const std::shared_ptr<const Dmabuf>& dmabuf, const PicturePlan& plan,
                                             const ColourDescription& colour, SurfaceMemory& memory,
                                             const SurfaceLayout& layout) = 0;
};

}  // namespace zc
