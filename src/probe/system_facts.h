// What the kernel says without a driver's library: device nodes, their permissions, DRM devices.
#pragma once

#include "probe/report.h"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace zc::probe {

/// Devices of /sys/class/drm with a render or primary node, by render node. `root` stands before /sys and /dev.
[[nodiscard]] std::vector<DrmFacts> drm_devices(const std::filesystem::path& root = "/");

/// The user, the groups of this process and the graphics nodes below /dev.
[[nodiscard]] PermissionFacts permissions(const std::filesystem::path& root = "/");

/// "226:128".
[[nodiscard]] std::string node_number(std::int64_t major, std::int64_t minor);

}  // namespace zc::probe
