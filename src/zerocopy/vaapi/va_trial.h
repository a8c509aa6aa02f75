// VA-API says neither which modifiers a driver imports nor whether it means the colours that were asked for: trying
// shows both.
#pragma once

#include "base/error.h"
#include "gpu/vaapi/device.h"
#include "media/format_offer.h"
#include "media/surface.h"
#include "zerocopy/vaapi/processor.h"

#include <memory>
#include <string>
#include <vector>

namespace zc {

/// What came through.
struct VaTrialResult {
  /// Formats with the modifiers of the driver's own pictures that were imported, tiled first, LINEAR last. LINEAR is
  /// there untried where the driver makes no LINEAR pictures to try with.
  std::vector<FormatOffer::Entry> formats;
  std::string reason;  ///< why `formats` is empty: of RGB, which is what screens give, nothing came through
};
/// Lets the driver make small pictures in each format and layout, hands each out as a dmabuf, imports it and converts
/// it to NV12.
[[nodiscard]] VaTrialResult try_va_imports(const std::shared_ptr<const vaapi::Device>& device);

/// Whether an RGB picture becomes the right colours of a surface in this format. Unsupported: how far off it was.
[[nodiscard]] Result<void> try_va_colours(const std::shared_ptr<const vaapi::Device>& device,
                                          const SurfaceFormat& format);

}  // namespace zc
