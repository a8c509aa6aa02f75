// The importer of GPUs: dmabuf -> one conversion -> the memory that the encoder takes.
#pragma once

#include "media/format_table.h"
#include "media/picture_device.h"
#include "zerocopy/converter.h"
#include "zerocopy/host_importer.h"
#include "zerocopy/importer.h"
#include "zerocopy/target.h"

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

namespace zc {

class VulkanDevice;

/// A GPU as an importer needs it.
struct Gpu {
  std::shared_ptr<VulkanDevice> device = {};
  /// In the order in which they are asked.
  std::vector<std::unique_ptr<Converter>> converters = {};
  /// In whose memory an encoder takes its pictures; null: software encoders only.
  std::shared_ptr<const PictureDevice> encoder_device = {};
  MakeTarget make_target = {};  ///< for surfaces in that memory
};

struct GpuImporterOptions {
  /// Only what the GPU converts: no shared memory, no pictures made by the CPU.
  bool strict = false;
  std::size_t surface_limit = kSurfaceLimit;
  /// Buffers of an implicit layout (DRM_FORMAT_MOD_INVALID) come from this very GPU: they are offered, too.
  bool implicit_modifiers = false;
  /// What may be asked of the source, which the importer keeps right: what its converters read, less what none of them
  /// takes. Outlives it; null: a table of its own.
  FormatTable* formats = nullptr;
  /// Opens the GPU anew when it was lost; empty: it stays lost.
  std::function<Result<Gpu>()> reopen = {};
};

/// Dmabufs to surfaces by the first of the GPU's converters that reads them; no pixel goes through the CPU. Shared
/// memory, and what no converter reads, is made by make_host_importer() and copied to where the encoder wants it. The
/// cursor is drawn on the GPU. One failure is one failure: a picture that takes too long or finds no memory is left
/// out, a format with a modifier that a converter refuses is offered anew after a while, a lost GPU is opened again.
///
/// configure() takes surfaces in host memory and in that of Gpu::encoder_device.
///
/// Besides what Importer says, import() gives NotFound for a frame without a picture before the first one with a
/// picture since configure(), Invalid for a malformed frame, Unsupported for what nobody reads, and, where it is
/// strict, Lost when there is no GPU any more.
[[nodiscard]] std::unique_ptr<Importer> make_gpu_importer(Gpu gpu, GpuImporterOptions options = {});

}  // namespace zc
