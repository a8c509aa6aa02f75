// The state of the stand-in device, and how every CUDA function enters it.
#pragma once

#include "softgpu/control.h"
#include "softgpu/cuda/objects.h"
#include "softgpu/faults.h"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <set>
#include <vector>

namespace zc::softgpu {

/// CUDA's numbers (cuda.h's cudaError_enum), most of which FFmpeg's header leaves out.
enum Code : int {
  kSuccess = 0,
  kInvalidValue = 1,
  kOutOfMemory = 2,
  kNotInitialized = 3,
  kInvalidDevice = 101,
  kInvalidContext = 201,
  kMapFailed = 205,
  kAlreadyMapped = 208,
  kNotMapped = 211,
  kNotMappedAsArray = 212,
  kNotMappedAsPointer = 213,
  kInvalidGraphicsContext = 219,
  kInvalidHandle = 400,
  kNotFound = 500,
  kNotReady = 600,
  kIllegalAddress = 700,
  kNotSupported = 801,
  kUnknown = 999,
};

/// How a call ended; `why` only for the log.
struct Status {
  int code = kSuccess;
  const char* why = nullptr;
};

/// What a call needs before its body runs.
enum class Needs {
  Nothing,  ///< also works before cuInit() and on a lost device: the context stack belongs to the host
  Init,
  Context,  ///< a live current context on this thread
  Release,  ///< as Context; gives back what it should even when the device is lost, and then says so
};

struct Allocation {
  std::uint8_t* host = nullptr;
  std::size_t size_bytes = 0;
  CUextMemory_st* window_of = nullptr;  ///< the import that owns the bytes, or:
  std::vector<std::uint8_t> storage;    ///< the bytes themselves
  CUctx_st* context = nullptr;
};

/// One device, one process. Everything below `mutex` is guarded by it.
struct Driver {
  /// Device pointers carry bit 62: not a canonical x86-64 address, so a host that follows one crashes at once.
  static constexpr std::uint64_t kDeviceBit = std::uint64_t{1} << 62;
  /// cuMemAlloc()'s alignment, and cuMemAllocPitch()'s.
  static constexpr std::size_t kAlignment = 512;

  /// Lives until the process ends: programs call in from their own static destructors.
  static Driver& instance();

  std::mutex mutex;
  bool initialised = false;
  bool lost = false;
  bool faults_chosen = false;  ///< by softgpu_set_faults(), not the environment
  Faults faults;
  std::uint64_t allocation_calls = 0;
  std::uint64_t frames = 0;
  std::uint64_t openings = 0;
  std::uint64_t fault_settings = 0;  ///< how often the faults were set
  std::condition_variable faults_set;
  std::size_t encode_sessions = 0;
  std::uint64_t registrations = 0;
  std::size_t orphans = 0;

  CUctx_st primary;
  std::size_t primary_references = 0;
  unsigned primary_flags = 0;
  Registry<CUctx_st> contexts;
  std::map<CUdeviceptr, Allocation> allocations;
  std::set<void*> host_allocations;
  Registry<CUarray_st> arrays;
  Registry<CUstream_st> streams;
  Registry<CUevent_st> events;
  Registry<CUextMemory_st> external_memories;
  Registry<CUextSemaphore_st> external_semaphores;
  Registry<CUgraphicsResource_st> graphics_resources;

  [[nodiscard]] Status check(Needs needs) const;
  [[nodiscard]] bool context_alive(const CUctx_st* context) const;
  /// The default stream is the null handle, the per-thread one and the legacy one are 2 and 1 (cuda.h).
  [[nodiscard]] bool stream_alive(CUstream stream) const;
  /// The contents of a mapped texture: read only here.
  [[nodiscard]] bool is_mapped_texture(const CUarray_st* array) const;
  [[nodiscard]] std::uint8_t* host(CUdeviceptr device, std::size_t size_bytes) const;
  [[nodiscard]] LiveObjects live() const;
  bool set_faults(const char* text);
};

/// This thread's stack of current contexts.
std::vector<CUcontext>& context_stack();

/// Logs a failure; CUDA's way of returning it.
CUresult finish(const char* function, Status status);

/// The body of a CUDA function: `body(Driver&) -> Status`, run under the mutex once what it needs is there.
template <class Body>
CUresult call(const char* function, Needs needs, Body body) {
  Driver& driver = Driver::instance();
  const std::lock_guard lock(driver.mutex);
  Status status = driver.check(needs);
  if (status.code == kSuccess) status = body(driver);
  const bool after_loss = driver.lost && needs != Needs::Nothing;
  return finish(function, after_loss ? Status{kUnknown, "the device is lost"} : status);
}

}  // namespace zc::softgpu
