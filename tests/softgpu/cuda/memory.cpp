// Device memory: bytes of the host behind addresses that the host cannot follow.
#include "softgpu/cuda/api.h"
#include "softgpu/cuda/driver.h"

#include <cstdlib>
#include <cstring>

using namespace zc::softgpu;  // NOLINT(google-build-using-namespace): this file only defines C functions

namespace {

/// What nobody has written must not look like black, nor like the last user's picture.
constexpr std::uint8_t kFresh = 0xCD;

constexpr std::size_t aligned(std::size_t size) {
  return (size + Driver::kAlignment - 1) / Driver::kAlignment * Driver::kAlignment;
}

Status allocate(Driver& driver, CUdeviceptr* device, std::size_t size_bytes) {
  ++driver.allocation_calls;
  if (driver.allocation_calls == driver.faults[Fault::Alloc]) return {kOutOfMemory, "fault 'alloc'"};
  if (size_bytes == 0) return {kInvalidValue, "size 0"};
  Allocation allocation;
  allocation.storage.assign(size_bytes + Driver::kAlignment, kFresh);
  const auto start = aligned(reinterpret_cast<std::uintptr_t>(allocation.storage.data()));
  allocation.host = reinterpret_cast<std::uint8_t*>(start);  // NOLINT(performance-no-int-to-ptr): inside of `storage`
  allocation.size_bytes = size_bytes;
  allocation.context = context_stack().back();
  *device = start | Driver::kDeviceBit;
  driver.allocations.emplace(*device, std::move(allocation));
  return {};
}

CUresult fill(const char* function, CUdeviceptr device, unsigned char value, std::size_t size_bytes) {
  return call(function, Needs::Context, [&](Driver& driver) -> Status {
    std::uint8_t* host = driver.host(device, size_bytes);
    if (host == nullptr) return {kIllegalAddress, "outside of an allocation"};
    std::memset(host, value, size_bytes);
    return {};
  });
}

}  // namespace

CUresult cuMemAlloc_v2(CUdeviceptr* device, std::size_t size_bytes) {
  return call(__func__, Needs::Context, [&](Driver& driver) { return allocate(driver, device, size_bytes); });
}

CUresult cuMemAllocPitch_v2(CUdeviceptr* device, std::size_t* pitch, std::size_t width_bytes, std::size_t height,
                            unsigned element_bytes) {
  return call(__func__, Needs::Context, [&](Driver& driver) -> Status {
    if (element_bytes != 4 && element_bytes != 8 && element_bytes != 16) {
      return {kInvalidValue, "ElementSizeBytes is none of 4, 8, 16"};
    }
    *pitch = aligned(width_bytes);
    return allocate(driver, device, *pitch * height);
  });
}

CUresult cuMemAllocManaged(CUdeviceptr* /*device*/, std::size_t /*size_bytes*/, unsigned /*flags*/) {
  return call(__func__, Needs::Context, [](Driver&) { return Status{kNotSupported, "no managed memory"}; });
}

CUresult cuMemFree_v2(CUdeviceptr device) {
  return call(__func__, Needs::Release, [&](Driver& driver) -> Status {
    if (driver.allocations.erase(device) == 0) return {kInvalidValue, "not an allocation: freed twice?"};
    return {};
  });
}

CUresult cuMemHostAlloc(void** host, std::size_t size_bytes, unsigned /*flags*/) {
  return call(__func__, Needs::Context, [&](Driver& driver) -> Status {
    *host = std::aligned_alloc(Driver::kAlignment, aligned(size_bytes));
    if (*host == nullptr) return {kOutOfMemory, "host memory"};
    std::memset(*host, kFresh, size_bytes);
    driver.host_allocations.insert(*host);
    return {};
  });
}

CUresult cuMemFreeHost(void* host) {
  return call(__func__, Needs::Release, [&](Driver& driver) -> Status {
    if (driver.host_allocations.erase(host) == 0) return {kInvalidValue, "not page-locked: freed twice?"};
    std::free(host);  // NOLINT(cppcoreguidelines-no-malloc): from aligned_alloc above
    return {};
  });
}

CUresult cuMemsetD8_v2(CUdeviceptr device, unsigned char value, std::size_t size_bytes) {
  return fill(__func__, device, value, size_bytes);
}

CUresult cuMemsetD8Async(CUdeviceptr device, unsigned char value, std::size_t size_bytes, CUstream /*stream*/) {
  return fill(__func__, device, value, size_bytes);
}
