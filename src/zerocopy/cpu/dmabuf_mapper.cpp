#include "zerocopy/cpu/dmabuf_mapper.h"

#include "base/foreign_memory.h"

#include <fmt/format.h>
#include <linux/dma-buf.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace zc {
namespace {

/// Errors of a sync that mean "this memory needs none".
bool needs_no_sync(int error) { return error == ENOTTY; }

int sync_planes(const Dmabuf& dmabuf, std::uint64_t flags) {
  for (unsigned i = 0; i < dmabuf.plane_count; ++i) {
    dma_buf_sync sync{.flags = flags};
    int status = 0;
    do {
      status = ::ioctl(dmabuf.planes.at(i).fd.get(), DMA_BUF_IOCTL_SYNC, &sync);
    } while (status != 0 && (errno == EINTR || errno == EAGAIN));
    if (status != 0 && !needs_no_sync(errno)) return errno;
  }
  return 0;
}

}  // namespace

struct DmabufMapper::Entry {
  std::weak_ptr<const Dmabuf> dmabuf;
  const Dmabuf* identity = nullptr;
  std::array<ForeignMemory, Dmabuf::kMaxPlanes> planes;
  HostImage image;
};

DmabufMapper::DmabufMapper() = default;
DmabufMapper::~DmabufMapper() = default;

Result<HostImage> DmabufMapper::map(const std::shared_ptr<const Dmabuf>& dmabuf) {
  std::erase_if(entries_, [](const auto& entry) {
    return entry->dmabuf.expired() || std::ranges::any_of(entry->planes, &ForeignMemory::torn);
  });
  // What is left is alive, so its address is its identity.
  const auto known = std::ranges::find(entries_, dmabuf.get(), [](const auto& entry) { return entry->identity; });
  if (known != entries_.end()) return (*known)->image;

  if (auto valid = dmabuf->validate(); !valid) return std::unexpected(std::move(valid.error()));
  if (dmabuf->modifier != kModifierLinear) {
    return fail(ErrorKind::Unsupported, "map dmabuf",
                fmt::format("its modifier {:#x} is not linear: only the GPU can read it", dmabuf->modifier));
  }
  auto entry = std::make_unique<Entry>();
  entry->dmabuf = dmabuf;
  entry->identity = dmabuf.get();
  entry->image.format = dmabuf->format;
  entry->image.size = dmabuf->size;
  for (unsigned i = 0; i < dmabuf->plane_count && i < entry->image.planes.size(); ++i) {
    const Dmabuf::Plane& plane = dmabuf->planes.at(i);
    const off_t bytes = ::lseek(plane.fd.get(), 0, SEEK_END);
    if (bytes <= 0) return fail_errno(bytes < 0 ? errno : EINVAL, "read the size of a dmabuf");
    const std::uint64_t needed =
        plane.offset_bytes +
        std::uint64_t{plane.stride_bytes} * (plane_height(dmabuf->format, i, dmabuf->size.height) - 1) +
        row_bytes(dmabuf->format, i, dmabuf->size.width);
    if (std::cmp_less(bytes, needed)) return fail(ErrorKind::Invalid, "map dmabuf", "it has just become shorter");
    auto memory = ForeignMemory::map(plane.fd.get(), 0, static_cast<std::size_t>(bytes));
    if (!memory) {
      memory.error().kind = ErrorKind::Unsupported;  // exporters need not allow it
      return std::unexpected(std::move(memory.error()));
    }
    entry->planes.at(i) = *std::move(memory);
    entry->image.planes.at(i) = {entry->planes.at(i).bytes().data() + plane.offset_bytes, plane.stride_bytes};
  }
  entries_.push_back(std::move(entry));
  return entries_.back()->image;
}

Result<DmabufRead> DmabufRead::begin(std::shared_ptr<const Dmabuf> dmabuf) {
  if (const int error = sync_planes(*dmabuf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ); error != 0) {
    return fail_errno(error, "wait for a dmabuf");
  }
  return DmabufRead(std::move(dmabuf));
}

DmabufRead::~DmabufRead() {
  // Nothing to do about a failure: the reads are over, and END has no effect on them.
  if (dmabuf_) sync_planes(*dmabuf_, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
}

}  // namespace zc
