#include "capture/drm_timeline.h"

#include <drm.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

namespace zc {
namespace {

constexpr const char* kOperation = "wait for the producer's GPU";

int system_ioctl(int fd, unsigned long request, void* argument) { return ::ioctl(fd, request, argument); }

/// An open DRM node; ioctls as libdrm's drmIoctl() makes them.
class Node {
 public:
  Node(UniqueFd fd, DrmIoctl call) : fd_(std::move(fd)), call_(call) {}
  /// 0 or a positive errno.
  [[nodiscard]] int run(unsigned long request, void* argument) const {
    while (call_(fd_.get(), request, argument) != 0) {
      if (errno != EINTR && errno != EAGAIN) return errno;
    }
    return 0;
  }

 private:
  UniqueFd fd_;
  DrmIoctl call_;
};

class DrmTimeline final : public Timeline {
 public:
  DrmTimeline(std::shared_ptr<const Node> node, std::uint32_t handle) : node_(std::move(node)), handle_(handle) {}
  DrmTimeline(const DrmTimeline&) = delete;
  DrmTimeline& operator=(const DrmTimeline&) = delete;
  ~DrmTimeline() override {
    drm_syncobj_destroy destroy{};
    destroy.handle = handle_;
    static_cast<void>(node_->run(DRM_IOCTL_SYNCOBJ_DESTROY, &destroy));
  }

  Result<void> wait(std::uint64_t point, Nanoseconds timeout) override {
    drm_syncobj_timeline_wait wait{};
    wait.handles = reinterpret_cast<std::uintptr_t>(&handle_);
    wait.points = reinterpret_cast<std::uintptr_t>(&point);
    wait.timeout_nsec = (monotonic_now() + timeout).count();  // CLOCK_MONOTONIC, absolute: EINTR does not prolong it
    wait.count_handles = 1;
    // The producer may hand a buffer over before its work is even submitted.
    wait.flags = DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL | DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT;
    const int error = node_->run(DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT, &wait);
    if (error == ETIME) return fail(ErrorKind::Timeout, kOperation, "it does not finish its picture");
    if (error != 0) return fail_errno(error, kOperation);
    return {};
  }

  void signal(std::uint64_t point) noexcept override {
    drm_syncobj_timeline_array signal{};
    signal.handles = reinterpret_cast<std::uintptr_t>(&handle_);
    signal.points = reinterpret_cast<std::uintptr_t>(&point);
    signal.count_handles = 1;
    // Nothing to do about a failure: only a broken handle can be one.
    static_cast<void>(node_->run(DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, &signal));
  }

 private:
  std::shared_ptr<const Node> node_;
  std::uint32_t handle_;
};

class DrmTimelineDevice final : public TimelineDevice {
 public:
  explicit DrmTimelineDevice(std::shared_ptr<const Node> node) : node_(std::move(node)) {}
  Result<std::shared_ptr<Timeline>> import(int fd) override {
    drm_syncobj_handle handle{};
    handle.fd = fd;
    if (const int error = node_->run(DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE, &handle); error != 0) {
      return fail_errno(error, "open the producer's timeline");
    }
    return std::make_shared<DrmTimeline>(node_, handle.handle);
  }

 private:
  std::shared_ptr<const Node> node_;
};

}  // namespace

Result<std::shared_ptr<TimelineDevice>> make_drm_timelines(UniqueFd node, DrmIoctl call) {
  auto shared = std::make_shared<const Node>(std::move(node), call);
  drm_get_cap capability{};
  capability.capability = DRM_CAP_SYNCOBJ_TIMELINE;
  if (shared->run(DRM_IOCTL_GET_CAP, &capability) != 0 || capability.value == 0) {
    return fail(ErrorKind::Unsupported, "open DRM timelines", "the driver has none");
  }
  return std::make_shared<DrmTimelineDevice>(std::move(shared));
}

Result<std::shared_ptr<TimelineDevice>> open_drm_timelines(const std::filesystem::path& folder) {
  std::vector<std::string> nodes;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    if (entry.path().filename().string().starts_with("renderD")) nodes.push_back(entry.path().string());
  }
  std::ranges::sort(nodes);
  for (const std::string& path : nodes) {
    UniqueFd node(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    if (!node) continue;
    if (auto device = make_drm_timelines(std::move(node), system_ioctl)) return device;
  }
  return fail(ErrorKind::NotFound, "open DRM timelines", fmt::format("no render node in {} has them", folder.string()));
}

}  // namespace zc
