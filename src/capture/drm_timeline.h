#pragma once

#include "base/error.h"
#include "base/unique_fd.h"
#include "media/timeline.h"

#include <filesystem>
#include <memory>

namespace zc {

/// The kernel as the DRM timelines see it; ioctl(2) but for tests.
using DrmIoctl = int (*)(int fd, unsigned long request, void* argument);

/// DRM timeline syncobjs (drm.h, DRM_IOCTL_SYNCOBJ_*): what SPA_DATA_SyncObj descriptors are. They belong to no device,
/// any render node with the capability serves. NotFound: there is none.
[[nodiscard]] Result<std::shared_ptr<TimelineDevice>> open_drm_timelines(
    const std::filesystem::path& folder = "/dev/dri");
/// The same on a node that is open already. Unsupported: its driver has no timelines.
[[nodiscard]] Result<std::shared_ptr<TimelineDevice>> make_drm_timelines(UniqueFd node, DrmIoctl call);

}  // namespace zc
