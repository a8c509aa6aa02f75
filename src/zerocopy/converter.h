// The seam between the importer and what reads dmabufs with a GPU.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "media/colour.h"
#include "media/dmabuf.h"
#include "media/surface.h"
#include "zerocopy/converter_layer.h"
#include "zerocopy/picture_plan.h"
#include "zerocopy/surface_layout.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace zc {

class CursorPass;
class PassTail;
class VulkanBuffer;

/// One picture to make. Everything lives as long as the call.
struct ConverterJob {
  /// Cached by the object's identity, let go with it. Null: there is none, or it is the lowest of the layers; black.
  const std::shared_ptr<const Dmabuf>& dmabuf;
  const PicturePlan& plan;
  const ColourDescription& colour;  ///< of the surface; matrix and range are known
  const VulkanBuffer& target;       ///< exportable where the converter is not Vulkan's
  const SurfaceLayout& layout;      ///< of the target's planes
  // Only for a converter of one submission:
  CursorPass* cursor = nullptr;  ///< prepared for the target; null: none is drawn
  PassTail* tail = nullptr;      ///< null: the target is all
  // Only for one that composes():
  std::span<const ConverterLayer> layers = {};  ///< lowest first, at most LayerTable::kSlots
  const VulkanBuffer* beneath = nullptr;        ///< gets the surface as it is without them; null: nothing does
};

/// One conversion of dmabufs: a whole picture, bars included, in one pass of the GPU. One thread makes every call, the
/// destructor included.
class Converter {
 public:
  Converter() = default;
  virtual ~Converter() = default;
  Converter(const Converter&) = delete;
  Converter& operator=(const Converter&) = delete;

  /// "vulkan", "egl"
  [[nodiscard]] virtual std::string_view name() const = 0;
  /// DRM modifiers it reads of this format: tiled ones first, then LINEAR, INVALID at last.
  [[nodiscard]] virtual const std::vector<std::uint64_t>& modifiers(PixelFormat format) const = 0;
  /// Whether such pictures are made, of a dmabuf whose modifier is one of these.
  [[nodiscard]] virtual bool takes(const PicturePlan& plan) const = 0;

  /// The producer has finished the picture (producer_wait.h); the GPU is waited for, bounded: when this returns, others
  /// may read the target and the producer may write its buffer. The samples are those of the CPU's conversion
  /// (yuv_coefficients.h); scaled ones within the filter's freedom. Nothing is allocated, imported or registered for a
  /// dmabuf and a target it has seen before.
  /// Invalid: this dmabuf is malformed. Busy: not this time (no memory, say). Unsupported: the driver does not take
  /// dmabufs of this format and modifier. Timeout: not over yet, see settle(); the target may still be written to.
  /// Lost: the device is gone. Anything else: a failure of this picture that may pass.
  [[nodiscard]] virtual Result<void> convert(const ConverterJob& job) = 0;
  /// Waits for what convert() left behind with Timeout. Timeout: it still is not over.
  [[nodiscard]] virtual Result<void> settle(Nanoseconds timeout) = 0;
  /// True: cursor and tail go into the pass's own submission. False: the importer draws and copies afterwards.
  [[nodiscard]] virtual bool one_submission() const = 0;
  /// Whether layers are drawn in the same pass. Unsupported: what the driver has too little of.
  [[nodiscard]] virtual Result<void> composes() const {
    return fail(ErrorKind::Unsupported, "draw layers", "this converter draws none");
  }
  /// Imports a dmabuf ahead, so that a layer may lie in it; with a modifier of modifiers(). Errors as convert()'s.
  [[nodiscard]] virtual Result<void> reads(const std::shared_ptr<const Dmabuf>& /*dmabuf*/) { return composes(); }
  /// No target used so far comes again: its imports go.
  virtual void forget_targets() {}
};

}  // namespace zc
