// What a compositor that copies into our buffers wants these to be, and what we want: decided here, apart from Wayland.
#pragma once

#include "base/error.h"
#include "capture/dmabuf_feedback.h"
#include "media/format_offer.h"

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace zc {

/// What buffers the compositor copies into now.
struct CaptureConstraints {
  struct Memory {
    PixelFormat format = PixelFormat::Unknown;
    std::uint32_t stride_bytes = 0;  ///< 0: any
    bool operator==(const Memory&) const = default;
  };
  Size size;                   ///< px
  std::vector<Memory> memory;  ///< wl_shm
  std::vector<DmabufFormat> dmabuf;
  std::optional<dev_t> device;  ///< on which dmabufs are to be allocated
  bool operator==(const CaptureConstraints&) const = default;
};

/// What all buffers of a stream are.
struct CaptureFormat {
  Size size;  ///< px
  PixelFormat format = PixelFormat::Unknown;
  std::uint32_t stride_bytes = 0;        ///< of shared memory
  std::vector<std::uint64_t> modifiers;  ///< of dmabufs, the consumer's best first; empty: shared memory
  bool operator==(const CaptureFormat&) const = default;
};

/// The first of the offer that the compositor has, a dmabuf before shared memory. Unsupported: there is none, or the
/// size is none.
[[nodiscard]] Result<CaptureFormat> choose_capture_format(const CaptureConstraints& constraints,
                                                          const FormatOffer& offer);

/// wl_shm's code: a fourcc, but for the two that everybody has.
[[nodiscard]] std::optional<PixelFormat> format_of_shm(std::uint32_t code);
[[nodiscard]] std::uint32_t shm_code(PixelFormat format);

/// The transform of a picture that was turned upside down after it had been transformed.
[[nodiscard]] Transform upside_down(Transform transform);

/// A flood of formats ends there.
inline constexpr std::size_t kMostCaptureFormats = 64;

}  // namespace zc
