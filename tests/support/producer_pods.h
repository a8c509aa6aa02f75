// The test producer's PODs, built and read with SPA's own functions.
#pragma once

#include "media/geometry.h"
#include "support/producer_offer.h"

#include <cstdint>
#include <span>
#include <vector>

struct spa_pod;

namespace zc::test {

/// An owned POD, aligned as SPA wants it.
class Pod {
 public:
  /// A copy.
  explicit Pod(const spa_pod& pod);
  [[nodiscard]] const spa_pod* get() const;

 private:
  std::vector<std::uint64_t> words_;
};
/// For libpipewire's calls; valid as long as `pods`.
[[nodiscard]] std::vector<const spa_pod*> pointers(std::span<const Pod> pods);

[[nodiscard]] Pod format_pod(const EnumFormat& format);
/// `bytes` and `stride`: of the first block. `sync_blocks`: further blocks for timelines, with the demand for their
/// meta.
[[nodiscard]] Pod buffers_pod(const BuffersOffer& offer, std::uint64_t bytes, std::uint32_t stride,
                              std::uint32_t sync_blocks);
[[nodiscard]] Pod meta_pod(const MetaOffer& offer);

/// A Format param as PipeWire hands it out.
struct AgreedFormat {
  std::uint32_t subtype = 0;  ///< SPA_MEDIA_SUBTYPE_*
  std::uint32_t format = 0;   ///< SPA_VIDEO_FORMAT_*
  Size size;
  std::vector<std::uint64_t> modifiers;  ///< empty: shared memory
  bool open = false;                     ///< the modifier is ours to choose (SPA_POD_PROP_FLAG_DONT_FIXATE)
};
/// Without a size when it is no video format.
[[nodiscard]] AgreedFormat read_format(const spa_pod& param);

}  // namespace zc::test
