#include "zerocopy/gl/gbm_device.h"

#include "base/unique_fd.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <filesystem>
#include <set>
#include <utility>

namespace zc {
namespace {

struct GbmFunctions {
  void* (*create_device)(int fd) = nullptr;
  void (*device_destroy)(void* device) = nullptr;
};

GbmFunctions load() {
  void* handle = ::dlopen("libgbm.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (handle == nullptr) return {};
  GbmFunctions f;
  f.create_device = reinterpret_cast<void* (*)(int)>(::dlsym(handle, "gbm_create_device"));
  f.device_destroy = reinterpret_cast<void (*)(void*)>(::dlsym(handle, "gbm_device_destroy"));
  ::dlclose(handle);  // RTLD_NODELETE keeps it in memory
  return f;
}

}  // namespace

std::vector<GbmDevice> open_gbm_devices() {
  std::vector<GbmDevice> found;
  std::set<std::filesystem::path> nodes;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator("/dev/dri", none)) {
    if (entry.path().filename().string().starts_with("renderD")) nodes.insert(entry.path());
  }
  if (nodes.empty()) return found;
  const GbmFunctions gbm = load();
  if (gbm.create_device == nullptr || gbm.device_destroy == nullptr) return found;
  for (const auto& path : nodes) {
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    struct stat status{};
    if (!fd || ::fstat(fd.get(), &status) != 0) continue;
    void* device = gbm.create_device(fd.get());
    if (device == nullptr) continue;
    // The node must outlive its GBM device.
    auto node = std::make_shared<UniqueFd>(std::move(fd));
    found.push_back(
        {path.string(),
         std::shared_ptr<void>(device, [gbm, node](void* dying) { gbm.device_destroy(dying); }),
         {static_cast<std::int64_t>(major(status.st_rdev)), static_cast<std::int64_t>(minor(status.st_rdev))}});
  }
  return found;
}

}  // namespace zc
