// Memory and semaphores that another API exported as file descriptors.
#include "softgpu/cuda/api.h"
#include "softgpu/cuda/driver.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <array>

using namespace zc::softgpu;  // NOLINT(google-build-using-namespace): this file only defines C functions

namespace {

/// What Mesa's software drivers put at the beginning of the memfd that they export as OPAQUE_FD (struct
/// memory_header of mesa/src/util/os_memory_fd.c); the memory itself begins at `offset`.
struct MesaMemoryHeader {
  std::size_t size = 0;  ///< of the whole file
  std::size_t offset = 0;
  std::array<std::uint8_t, 16> uuid{};
};

/// How long a wait may take; a real one is the stream's.
constexpr int kWaitMs = 1000;

}  // namespace

/// A successful import takes the descriptor over, a failed one leaves it to the caller.
CUresult cuImportExternalMemory(CUexternalMemory* memory, const CUDA_EXTERNAL_MEMORY_HANDLE_DESC* d) {
  return call(__func__, Needs::Context, [&](Driver& driver) -> Status {
    if (const auto code = driver.faults[Fault::Import]; code != 0) return {static_cast<int>(code), "fault 'import'"};
    if (d->type != CU_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD) return {kNotSupported, "only OPAQUE_FD"};
    struct stat file{};
    if (::fstat(d->handle.fd, &file) != 0) return {kInvalidValue, "not a file descriptor"};
    const auto file_bytes = static_cast<std::size_t>(file.st_size);
    MesaMemoryHeader header;
    const bool whole = ::pread(d->handle.fd, &header, sizeof header, 0) == static_cast<ssize_t>(sizeof header);
    if (!whole || header.size != file_bytes || header.offset < sizeof header || header.offset > file_bytes) {
      return {kUnknown, "not memory that a Mesa software driver exported as OPAQUE_FD"};
    }
    if (d->size == 0 || d->size > file_bytes - header.offset) return {kInvalidValue, "larger than the allocation"};
    void* data = ::mmap(nullptr, file_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, d->handle.fd, 0);
    if (data == MAP_FAILED) return {kMapFailed, "mmap"};
    *memory = driver.external_memories.create(
        {Mapping(static_cast<std::uint8_t*>(data), file_bytes), header.offset, static_cast<std::size_t>(d->size)});
    ::close(d->handle.fd);
    return {};
  });
}

CUresult cuExternalMemoryGetMappedBuffer(CUdeviceptr* device, CUexternalMemory memory,
                                         const CUDA_EXTERNAL_MEMORY_BUFFER_DESC* d) {
  return call(__func__, Needs::Context, [&](Driver& driver) -> Status {
    if (!driver.external_memories.has(memory)) return {kInvalidHandle, "not a live import"};
    if (d->size == 0 || d->offset > memory->size_bytes || d->size > memory->size_bytes - d->offset) {
      return {kInvalidValue, "the window is outside of the import"};
    }
    std::uint8_t* host = memory->file.data() + memory->offset + d->offset;
    const CUdeviceptr address = reinterpret_cast<std::uintptr_t>(host) | Driver::kDeviceBit;
    if (driver.allocations.contains(address)) return {kNotSupported, "this window is mapped already"};
    driver.allocations.emplace(address, Allocation{.host = host,
                                                   .size_bytes = static_cast<std::size_t>(d->size),
                                                   .window_of = memory,
                                                   .storage = {},
                                                   .context = context_stack().back()});
    *device = address;
    return {};
  });
}

/// Windows must be freed before (cuda.h: "Any mapped buffers … must be explicitly freed").
CUresult cuDestroyExternalMemory(CUexternalMemory memory) {
  return call(__func__, Needs::Release, [&](Driver& driver) -> Status {
    if (!driver.external_memories.has(memory)) return {kInvalidHandle, "not a live import"};
    driver.orphans +=
        std::erase_if(driver.allocations, [&](const auto& entry) { return entry.second.window_of == memory; });
    driver.external_memories.destroy(memory);
    return {};
  });
}

CUresult cuImportExternalSemaphore(CUexternalSemaphore* semaphore, const CUDA_EXTERNAL_SEMAPHORE_HANDLE_DESC* d) {
  return call(__func__, Needs::Context, [&](Driver& driver) -> Status {
    if (d->type != CU_EXTERNAL_SEMAPHORE_HANDLE_TYPE_OPAQUE_FD) return {kNotSupported, "only OPAQUE_FD"};
    if (::fcntl(d->handle.fd, F_GETFD) < 0) return {kInvalidValue, "not a file descriptor"};
    *semaphore = driver.external_semaphores.create(CUextSemaphore_st(d->handle.fd));
    return {};
  });
}

CUresult cuDestroyExternalSemaphore(CUexternalSemaphore semaphore) {
  return call(__func__, Needs::Release, [&](Driver& driver) -> Status {
    return driver.external_semaphores.destroy(semaphore) ? Status{} : Status{kInvalidHandle, "not a live semaphore"};
  });
}

/// A descriptor that can be polled (a sync_file) is waited for; nothing else here can be.
CUresult cuWaitExternalSemaphoresAsync(const CUexternalSemaphore* semaphores,
                                       const CUDA_EXTERNAL_SEMAPHORE_WAIT_PARAMS* /*params*/, unsigned count,
                                       CUstream /*stream*/) {
  return call(__func__, Needs::Context, [&](Driver& driver) -> Status {
    for (unsigned i = 0; i < count; ++i) {
      if (!driver.external_semaphores.has(semaphores[i])) return {kInvalidHandle, "not a live semaphore"};
      pollfd wait{semaphores[i]->fd, POLLIN, 0};
      if (::poll(&wait, 1, kWaitMs) == 0) return {kUnknown, "the semaphore was not signalled"};
    }
    return {};
  });
}

CUresult cuSignalExternalSemaphoresAsync(const CUexternalSemaphore* /*semaphores*/,
                                         const CUDA_EXTERNAL_SEMAPHORE_SIGNAL_PARAMS* /*params*/, unsigned /*count*/,
                                         CUstream /*stream*/) {
  return call(__func__, Needs::Context,
              [](Driver&) { return Status{kNotSupported, "no other driver here would see the signal"}; });
}
