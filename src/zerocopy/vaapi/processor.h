#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "gpu/vaapi/device.h"
#include "media/colour.h"
#include "media/geometry.h"
#include "media/pixel_format.h"

#include <memory>
#include <span>
#include <vector>

namespace zc {

/// VA-API's video processor: crop, scale and colours in one pass of the GPU. One thread makes every call.
class VaProcessor {
 public:
  struct Job {
    VASurfaceID source = VA_INVALID_SURFACE;
    Rect from;  ///< of the source
    bool rgb = true;
    ColourDescription source_colour;  ///< of a source that is not RGB
    VASurfaceID target = VA_INVALID_SURFACE;
    Rect to;  ///< of the target, which is black around it
    ColourDescription colour;
  };

  /// `size`: px of the targets. Unsupported: the driver has no video processor.
  [[nodiscard]] static Result<std::unique_ptr<VaProcessor>> create(std::shared_ptr<const vaapi::Device> device,
                                                                   Size size);
  VaProcessor(const VaProcessor&) = delete;
  VaProcessor& operator=(const VaProcessor&) = delete;
  ~VaProcessor();

  /// The driver lists it among what surfaces can be.
  [[nodiscard]] bool knows(PixelFormat format) const;
  /// The driver lists the import of dmabufs together with their modifier, without which only LINEAR ones are safe.
  [[nodiscard]] bool knows_modifiers() const { return (memory_types_ & kPrime2) != 0; }
  /// Gives the GPU the work. Unsupported where the driver says that it cannot.
  [[nodiscard]] Result<void> start(const Job& job);
  /// Until the GPU has finished with what writes to the surface; its sources are free then. Timeout.
  [[nodiscard]] Result<void> wait(VASurfaceID surface, Nanoseconds patience) const;
  /// start() and wait() for the target.
  [[nodiscard]] Result<void> run(const Job& job, Nanoseconds patience);

 private:
  static constexpr std::uint32_t kPrime2 = 0x40000000;  // VA_SURFACE_ATTRIB_MEM_TYPE_DRM_PRIME_2

  explicit VaProcessor(std::shared_ptr<const vaapi::Device> device) : device_(std::move(device)) {}
  [[nodiscard]] Result<void> open(Size size);
  void read_surface_attributes();
  [[nodiscard]] Result<void> read_colour_standards();
  [[nodiscard]] VAProcColorStandardType output_standard(const ColourDescription& colour) const;

  std::shared_ptr<const vaapi::Device> device_;
  VAConfigID config_ = VA_INVALID_ID;
  VAContextID context_ = VA_INVALID_ID;
  std::vector<std::uint32_t> fourccs_;  ///< empty: the driver does not say
  std::uint32_t memory_types_ = 0;
  std::vector<VAProcColorStandardType> inputs_;
  std::vector<VAProcColorStandardType> outputs_;
};

}  // namespace zc
