// What the stand-in libcuda offers besides CUDA's own functions: to tests, the faults and the count of live objects; to
// the stand-in libnvidia-encode, the device memory behind an address. All of it may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace zc::softgpu {

/// What can go wrong on request; README.md says what each value means.
enum class Fault : unsigned {
  Alloc,
  Import,
  Register,
  RegisterImported,
  Open,
  HangOpen,
  Encode,
  Hang,
  Stall,
  Lost,
  SlowMs
};
inline constexpr std::size_t kFaultCount = 11;

/// What a program made and has not given back.
struct LiveObjects {
  std::size_t contexts = 0;
  std::size_t primary_references = 0;
  std::size_t allocations = 0;
  std::size_t allocated_bytes = 0;
  std::size_t host_allocations = 0;  ///< page-locked memory of the host
  std::size_t arrays = 0;
  std::size_t streams = 0;
  std::size_t events = 0;
  std::size_t external_memories = 0;
  std::size_t external_semaphores = 0;
  std::size_t graphics_resources = 0;
  std::size_t encode_sessions = 0;
  /// Allocations that nobody freed before their context was destroyed.
  std::size_t orphans = 0;
  bool operator==(const LiveObjects&) const = default;
};

}  // namespace zc::softgpu

extern "C" {

/// Replaces the faults, in the words of SOFTGPU_FAULTS (null: that variable's), restarts every count and gives a lost
/// device back. False, with a line on stderr, when the text is not understood; then there are no faults.
bool softgpu_set_faults(const char* text);
void softgpu_live_objects(zc::softgpu::LiveObjects* live);
/// How often NVENC was given CUDA memory to register, in all sessions so far.
std::uint64_t softgpu_registrations();

/// Between the two libraries.
/// The host's address of [device, device + size_bytes), null when it is not inside of one live allocation.
const std::uint8_t* softgpu_host_address(std::uint64_t device, std::size_t size_bytes);
/// The address is in memory that another API exported.
bool softgpu_imported(std::uint64_t device);
bool softgpu_context_alive(void* context);
bool softgpu_context_current();
/// The fault's value, 0 when it was not asked for.
std::uint64_t softgpu_fault(zc::softgpu::Fault fault);
bool softgpu_device_lost();
/// Counts a frame of any session towards the fault `lost`.
void softgpu_count_frame();
/// How many sessions were asked for since the faults were set, this one included.
std::uint64_t softgpu_count_opening();
/// Returns when the faults are set anew: a call that does not come back.
void softgpu_hang();
void softgpu_count_session(int change);
void softgpu_count_registration();
/// One line on stderr when SOFTGPU_LOG is set.
void softgpu_log(const char* library, const char* function, int status, const char* why);
}
