#include "gpu/device_nodes.h"

#include <string>
#include <system_error>

namespace zc {
namespace {

bool has_name_beginning(const std::filesystem::path& folder, const std::string& prefix) {
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name.starts_with(prefix) && name.find_first_of("0123456789", prefix.size()) == prefix.size()) return true;
  }
  return false;
}

}  // namespace

bool has_gpu_node(const std::filesystem::path& dev) {
  return has_name_beginning(dev / "dri", "renderD") || has_name_beginning(dev, "nvidia");
}

}  // namespace zc
