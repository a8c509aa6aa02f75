#include "support/producer_drm.h"

#include <drm.h>
#include <drm_mode.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

namespace zc::test {
namespace {

// The kernel's vgem_drm.h, which libdrm does not install.
struct VgemAttach {
  std::uint32_t handle;
  std::uint32_t flags;
  std::uint32_t out_fence;
  std::uint32_t pad;
};
struct VgemSignal {
  std::uint32_t fence;
  std::uint32_t flags;
};
constexpr std::uint32_t kVgemFenceWrite = 1;
constexpr unsigned long kVgemAttach = DRM_IOWR(DRM_COMMAND_BASE + 0x1, VgemAttach);
constexpr unsigned long kVgemSignal = DRM_IOW(DRM_COMMAND_BASE + 0x2, VgemSignal);

/// A failure of later than start-up has nobody to go to but the log.
void complain(const char* what, int error) {
  if (error != 0) std::fprintf(stderr, "zerocast-test-producer: %s: %s\n", what, std::strerror(error));
}

class DrmTimeline final : public ProducerTimeline {
 public:
  DrmTimeline(std::shared_ptr<DrmNode> node, std::uint32_t handle, UniqueFd fd)
      : node_(std::move(node)), handle_(handle), fd_(std::move(fd)) {}
  DrmTimeline(const DrmTimeline&) = delete;
  DrmTimeline& operator=(const DrmTimeline&) = delete;
  ~DrmTimeline() override {
    drm_syncobj_destroy gone{};
    gone.handle = handle_;
    complain("destroy a timeline", node_->call(DRM_IOCTL_SYNCOBJ_DESTROY, &gone));
  }

  int fd() const override { return fd_.get(); }
  void signal(std::uint64_t point) override {
    complain("signal a timeline", on_point(DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL, point));
  }
  std::uint64_t reached() const override {
    std::uint64_t point = 0;
    complain("read a timeline", on_point(DRM_IOCTL_SYNCOBJ_QUERY, point));
    return point;
  }
  /// The kernel does not tell.
  std::optional<std::uint64_t> signals() const override { return std::nullopt; }

 private:
  int on_point(unsigned long request, std::uint64_t& point) const {
    drm_syncobj_timeline_array array{};
    array.handles = reinterpret_cast<std::uintptr_t>(&handle_);
    array.points = reinterpret_cast<std::uintptr_t>(&point);
    array.count_handles = 1;
    return node_->call(request, &array);
  }

  std::shared_ptr<DrmNode> node_;
  std::uint32_t handle_;
  UniqueFd fd_;
};

}  // namespace

Result<std::shared_ptr<DrmNode>> DrmNode::open(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) return fail_errno(errno, "open " + path);
  return std::shared_ptr<DrmNode>(new DrmNode(std::move(fd)));
}

int DrmNode::call(unsigned long request, void* argument) const {
  while (::ioctl(fd_.get(), request, argument) != 0) {
    if (errno != EINTR && errno != EAGAIN) return errno;
  }
  return 0;
}

Result<std::unique_ptr<DrmBuffer>> DrmNode::make_buffer(std::uint64_t bytes) {
  constexpr std::uint32_t kRowBytes = 4096;
  drm_mode_create_dumb dumb{};
  dumb.width = kRowBytes / 4;
  dumb.bpp = 32;
  dumb.height = static_cast<std::uint32_t>((bytes + kRowBytes - 1) / kRowBytes);
  if (const int error = call(DRM_IOCTL_MODE_CREATE_DUMB, &dumb); error != 0) {
    return fail_errno(error, "make a dumb buffer");
  }
  drm_prime_handle prime{};
  prime.handle = dumb.handle;
  prime.flags = DRM_CLOEXEC | DRM_RDWR;  // lavapipe imports only what it can map for writing
  const int error = call(DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime);
  auto buffer =
      std::make_unique<DrmBuffer>(shared_from_this(), dumb.handle, error == 0 ? UniqueFd(prime.fd) : UniqueFd());
  if (error != 0) return fail_errno(error, "export a dumb buffer");
  return buffer;
}

Result<std::unique_ptr<ProducerTimeline>> DrmNode::make_timeline() {
  drm_syncobj_create made{};
  if (const int error = call(DRM_IOCTL_SYNCOBJ_CREATE, &made); error != 0) return fail_errno(error, "make a timeline");
  drm_syncobj_handle out{};
  out.handle = made.handle;
  const int error = call(DRM_IOCTL_SYNCOBJ_HANDLE_TO_FD, &out);
  auto timeline =
      std::make_unique<DrmTimeline>(shared_from_this(), made.handle, error == 0 ? UniqueFd(out.fd) : UniqueFd());
  if (error != 0) return fail_errno(error, "export a timeline");
  return timeline;
}

DrmBuffer::~DrmBuffer() {
  signal_fence();
  drm_gem_close gone{};
  gone.handle = handle_;
  complain("close a dumb buffer", node_->call(DRM_IOCTL_GEM_CLOSE, &gone));
}

Result<void> DrmBuffer::attach_fence() {
  signal_fence();
  VgemAttach attach{};
  attach.handle = handle_;
  attach.flags = kVgemFenceWrite;
  if (const int error = node_->call(kVgemAttach, &attach); error != 0) return fail_errno(error, "attach a fence");
  fence_ = attach.out_fence;
  return {};
}

void DrmBuffer::signal_fence() {
  if (fence_ == 0) return;
  VgemSignal signal{};
  signal.fence = std::exchange(fence_, 0);
  const int error = node_->call(kVgemSignal, &signal);
  if (error != ETIMEDOUT) complain("signal a fence", error);  // vgem gives up on a fence after ten seconds
}

}  // namespace zc::test
