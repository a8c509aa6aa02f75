// SPA's words for explicit synchronisation, with the values spelt out where the installed headers are older.
#pragma once

#include <pipewire/version.h>
#include <spa/buffer/buffer.h>
#include <spa/buffer/meta.h>
#include <spa/param/buffers.h>

#include <cstdint>

namespace zc::test {

#if PW_CHECK_VERSION(1, 2, 0)
inline constexpr std::uint32_t kMetaSyncTimeline = SPA_META_SyncTimeline;
inline constexpr std::uint32_t kDataSyncObj = SPA_DATA_SyncObj;
inline constexpr std::uint32_t kBuffersMetaType = SPA_PARAM_BUFFERS_metaType;
using SyncTimelineMeta = spa_meta_sync_timeline;
#else
inline constexpr std::uint32_t kMetaSyncTimeline = 9;
inline constexpr std::uint32_t kDataSyncObj = 5;
inline constexpr std::uint32_t kBuffersMetaType = 7;
struct SyncTimelineMeta {
  std::uint32_t flags;
  std::uint32_t padding;
  std::uint64_t acquire_point;
  std::uint64_t release_point;
};
#endif

#ifdef SPA_META_SYNC_TIMELINE_UNSCHEDULED_RELEASE
inline constexpr std::uint32_t kUnscheduledRelease = SPA_META_SYNC_TIMELINE_UNSCHEDULED_RELEASE;
#else
inline constexpr std::uint32_t kUnscheduledRelease = 1U << 0U;  // PipeWire 1.6
#endif

}  // namespace zc::test
