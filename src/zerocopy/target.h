// The seam between the importer and the memory that encoders take their pictures from.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "media/surface.h"
#include "zerocopy/surface_layout.h"

#include <cstddef>
#include <functional>
#include <memory>

namespace zc {

class PassTail;
class VulkanBuffer;

/// A pool of surfaces of one format in one kind of memory, filled one after the other. Surfaces may outlive it. One
/// worker thread makes every call; the surfaces' references may be dropped on any.
class Target {
 public:
  Target() = default;
  virtual ~Target() = default;
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  /// Of the buffers that take() gives.
  [[nodiscard]] virtual const SurfaceLayout& layout() const = 0;
  /// Begins the next surface: where its picture is to be made. One that was begun before and not published is free
  /// again. The buffer of the surface published last stays as it is, for redrawing from. Busy: all surfaces are out, or
  /// the device has no memory for one more.
  [[nodiscard]] virtual Result<const VulkanBuffer*> take() = 0;
  /// What has to follow in the submission that makes the picture; null: the buffer is the surface's own memory.
  [[nodiscard]] virtual PassTail* tail() { return nullptr; }
  /// The tail in a submission of its own, waited for, where the picture was made without it. As Converter::convert().
  [[nodiscard]] virtual Result<void> run_tail(Nanoseconds /*timeout*/) { return {}; }
  /// The surface begun last, its picture made and the GPU's work over.
  [[nodiscard]] virtual Result<Surface> publish() = 0;
  /// The GPU may still write to the surface begun last: nobody gets its memory again.
  virtual void retire() = 0;
  /// A copy of a picture in host memory of the same format. Busy as take(). Lost: the memory's device is gone.
  [[nodiscard]] virtual Result<Surface> upload(const Surface& picture) = 0;
};

/// Makes one for surfaces of that format, at most `limit` out at a time. Unsupported: no such surfaces.
using MakeTarget = std::function<Result<std::unique_ptr<Target>>(const SurfaceFormat& format, std::size_t limit)>;

}  // namespace zc
