#include "shm_pool.h"

#include "base/unique_fd.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace zc::desktop {

void ShmPool::Unmap::operator()(std::byte* memory) const noexcept { ::munmap(memory, bytes); }

Result<ShmPool> ShmPool::create(wl_shm& shm, std::size_t bytes) {
  const UniqueFd fd(::memfd_create("zerocast-desktop-client", MFD_CLOEXEC));
  if (!fd || ::ftruncate(fd.get(), static_cast<off_t>(bytes)) != 0) return fail_errno(errno, "make a memfd");
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (memory == MAP_FAILED) return fail_errno(errno, "map a memfd");
  return ShmPool(Memory(static_cast<std::byte*>(memory), Unmap{bytes}),
                 Owned<wl_shm_pool>(wl_shm_create_pool(&shm, fd.get(), static_cast<std::int32_t>(bytes))));
}

Owned<wl_buffer> ShmPool::buffer(std::size_t offset_bytes, Size size, std::size_t stride_bytes) const {
  return Owned<wl_buffer>(wl_shm_pool_create_buffer(
      pool_.get(), static_cast<std::int32_t>(offset_bytes), static_cast<std::int32_t>(size.width),
      static_cast<std::int32_t>(size.height), static_cast<std::int32_t>(stride_bytes), WL_SHM_FORMAT_XRGB8888));
}

}  // namespace zc::desktop
