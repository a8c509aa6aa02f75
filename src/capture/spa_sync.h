// Explicit synchronisation in SPA's words, for headers that are older than it (PipeWire 1.2).
#pragma once

#include <cstdint>

namespace zc {

inline constexpr std::uint32_t kSpaMetaSyncTimeline = 9;  ///< SPA_META_SyncTimeline
inline constexpr std::uint32_t kSpaDataSyncObj = 5;       ///< SPA_DATA_SyncObj
inline constexpr std::uint32_t kSpaBuffersMetaType = 7;   ///< SPA_PARAM_BUFFERS_metaType

/// SPA_META_SYNC_TIMELINE_UNSCHEDULED_RELEASE: the producer sets it, the consumer clears it when it will signal the
/// release point. A producer that finds it set does not wait for the point.
inline constexpr std::uint32_t kSpaUnscheduledRelease = 1;

/// struct spa_meta_sync_timeline. The buffer carries two descriptors of timelines behind its planes: that of the
/// acquire point, then that of the release point.
struct SpaSyncTimeline {
  std::uint32_t flags = 0;
  std::uint32_t padding = 0;
  std::uint64_t acquire_point = 0;
  std::uint64_t release_point = 0;
};

}  // namespace zc
