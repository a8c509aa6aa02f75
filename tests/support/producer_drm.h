// Real dmabufs, fences and timelines for the test producer: a DRM render node with dumb buffers, such as vgem's.
#pragma once

#include "base/error.h"
#include "base/unique_fd.h"
#include "support/producer_sync.h"

#include <cstdint>
#include <memory>
#include <string>

namespace zc::test {

/// A buffer of the node. Owns the descriptor and, through the node, the handle; the memory lives as long as anybody
/// holds a descriptor of it.
class DrmBuffer;

/// An open node; what was made by it keeps it open. One thread.
class DrmNode : public std::enable_shared_from_this<DrmNode> {
 public:
  /// `path`: "/dev/dri/renderD128".
  [[nodiscard]] static Result<std::shared_ptr<DrmNode>> open(const std::string& path);
  DrmNode(const DrmNode&) = delete;
  DrmNode& operator=(const DrmNode&) = delete;

  /// A dumb buffer of at least `bytes`, exported by PRIME, mappable for reading and writing.
  [[nodiscard]] Result<std::unique_ptr<DrmBuffer>> make_buffer(std::uint64_t bytes);
  /// A syncobj at point 0.
  [[nodiscard]] Result<std::unique_ptr<ProducerTimeline>> make_timeline();

  /// One ioctl, repeated while signals interrupt it: 0 or a positive errno.
  [[nodiscard]] int call(unsigned long request, void* argument) const;

 private:
  explicit DrmNode(UniqueFd fd) : fd_(std::move(fd)) {}
  UniqueFd fd_;
};

class DrmBuffer {
 public:
  DrmBuffer(std::shared_ptr<DrmNode> node, std::uint32_t handle, UniqueFd fd)
      : node_(std::move(node)), handle_(handle), fd_(std::move(fd)) {}
  DrmBuffer(const DrmBuffer&) = delete;
  DrmBuffer& operator=(const DrmBuffer&) = delete;
  ~DrmBuffer();

  [[nodiscard]] int fd() const { return fd_.get(); }
  /// Attaches a write fence to the buffer (vgem only), which whoever reads it must wait for. The fence before it is
  /// signalled when it still is not: a buffer takes one at a time.
  [[nodiscard]] Result<void> attach_fence();
  /// Signals the fence; nothing without one.
  void signal_fence();

 private:
  std::shared_ptr<DrmNode> node_;
  std::uint32_t handle_;
  UniqueFd fd_;
  std::uint32_t fence_ = 0;  ///< 0: none
};

}  // namespace zc::test
