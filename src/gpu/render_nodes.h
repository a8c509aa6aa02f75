#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace zc {

/// Paths of the render nodes (/dev/dri/renderD*), in the kernel's order.
[[nodiscard]] std::vector<std::string> render_nodes(const std::filesystem::path& folder = "/dev/dri");

}  // namespace zc
