#pragma once

#include "base/error.h"
#include "media/frame.h"

#include <memory>
#include <vector>

namespace zc {

/// Reads LINEAR dmabufs with the CPU: each is mapped once and stays mapped as long as its Dmabuf object lives (looked
/// up by the object's identity). Slow on most GPUs, and the last route when a producer has nothing else. One thread.
class DmabufMapper {
 public:
  DmabufMapper();
  ~DmabufMapper();
  DmabufMapper(const DmabufMapper&) = delete;
  DmabufMapper& operator=(const DmabufMapper&) = delete;
  DmabufMapper(DmabufMapper&&) = delete;
  DmabufMapper& operator=(DmabufMapper&&) = delete;

  /// The buffer's pixels; valid as long as the Dmabuf lives. Unsupported: not linear, or its memory cannot be mapped.
  /// Invalid: see Dmabuf::validate().
  [[nodiscard]] Result<HostImage> map(const std::shared_ptr<const Dmabuf>& dmabuf);
  /// Buffers mapped now.
  [[nodiscard]] std::size_t mapped() const { return entries_.size(); }

 private:
  struct Entry;
  std::vector<std::unique_ptr<Entry>> entries_;
};

/// Brackets CPU reads of a dmabuf: the kernel waits for the GPU and makes caches coherent (DMA_BUF_IOCTL_SYNC, see
/// linux/dma-buf.h). Memory that is no dmabuf (ENOTTY: a memfd) needs none of it.
class DmabufRead {
 public:
  [[nodiscard]] static Result<DmabufRead> begin(std::shared_ptr<const Dmabuf> dmabuf);
  DmabufRead(DmabufRead&&) noexcept = default;
  DmabufRead& operator=(DmabufRead&&) noexcept = delete;
  DmabufRead(const DmabufRead&) = delete;
  DmabufRead& operator=(const DmabufRead&) = delete;
  ~DmabufRead();

 private:
  explicit DmabufRead(std::shared_ptr<const Dmabuf> dmabuf) : dmabuf_(std::move(dmabuf)) {}
  std::shared_ptr<const Dmabuf> dmabuf_;
};

}  // namespace zc
