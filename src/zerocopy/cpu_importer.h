// The importer that always works: reads pixels with the CPU.
#pragma once

#include "zerocopy/importer.h"

#include <cstddef>
#include <memory>

namespace zc {

class DmabufConverter;

inline constexpr std::size_t kDefaultSurfaceLimit = 64;

/// Shared memory in place, linear dmabufs by mmap as the last resort; BGRx and its kin, 10-bit RGB and camera formats
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
[[nodiscard]] std::unique_ptr<Importer> make_cpu_importer(std::size_t surface_limit = kDefaultSurfaceLimit);

/// The same importer with a GPU in front of it that takes the dmabufs. When it fails, one warning says so and the CPU
/// goes on, within the same frame. When it refuses a modifier (Unsupported, and its modifiers() leaves it out from then
/// on) only that modifier is given up: what is LINEAR goes the CPU's way, anything else is refused until the source
/// gives another. `strict`: no CPU path at all; such a failure, shared memory and pictures the GPU does not take are
/// errors.
[[nodiscard]] std::unique_ptr<Importer> make_host_importer(std::size_t surface_limit,
                                                           std::unique_ptr<DmabufConverter> gpu, bool strict);

}  // namespace zc
