#include "gpu/device_nodes.h"

#include <sys/prctl.h>

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

std::string nvidia_module_advice(const std::filesystem::path& root) {
  std::error_code error;
  const auto there = [&](const char* path) { return std::filesystem::exists(root / path, error); };
  const bool wanting = there("sys/module/nvidia") && !there("dev/nvidia-uvm");
  if (!wanting || ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return {};
  return "there is no /dev/nvidia-uvm, and NoNewPrivileges keeps nvidia-modprobe from making it here, unlike in a "
         "terminal: run 'sudo nvidia-modprobe -c 0 -u' at each boot";
}

}  // namespace zc
