// The importer that always works: reads pixels with the CPU.
#pragma once

#include "zerocopy/importer.h"

#include <cstddef>
#include <memory>

namespace zc {

inline constexpr std::size_t kSurfaceLimit = 64;

/// Shared memory in place, LINEAR dmabufs by mmap as the last resort; BGRx and its kin, 10-bit RGB and camera formats
/// to NV12, I420, P010, I010, I444 or I410. Converts only what changed where the producer's damage allows it, and gives
/// the last surface again when nothing did: a frame's damage must therefore tell every change since the last frame that
/// import() got (Frame::supersede keeps that of frames in between).
///
/// Besides what Importer says, import() gives NotFound for a frame without a picture before the first one with a
/// picture since configure(), Invalid for a malformed frame and Unsupported for a format or modifier the CPU cannot
/// read. Every failure leaves the importer usable, and changes a failed frame told about are made good by the next
/// picture.
///
/// `surface_limit`: surfaces that may be held at a time, the encoder's included.
[[nodiscard]] std::unique_ptr<Importer> make_host_importer(std::size_t surface_limit = kSurfaceLimit);

/// What it reads: every format, in shared memory.
[[nodiscard]] FormatOffer host_offer();

}  // namespace zc
