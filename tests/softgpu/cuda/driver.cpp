#include "softgpu/cuda/driver.h"

#include <sys/mman.h>
#include <unistd.h>
#include <cstdio>
#include <cstdlib>

CUextSemaphore_st::~CUextSemaphore_st() {
  if (fd >= 0) ::close(fd);
}

namespace zc::softgpu {

Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(data_, size_bytes_);
}

Driver& Driver::instance() {
  static Driver& driver = *new Driver;
  return driver;
}

std::vector<CUcontext>& context_stack() {
  thread_local std::vector<CUcontext> stack;
  return stack;
}

Status Driver::check(Needs needs) const {
  if (needs == Needs::Nothing) return {};
  if (!initialised) return {kNotInitialized, "cuInit was not called"};
  if (lost && needs != Needs::Release) return {kUnknown, "the device is lost"};
  if (needs == Needs::Init) return {};
  if (context_stack().empty()) return {kInvalidContext, "no context is current on this thread"};
  if (!context_alive(context_stack().back())) return {kInvalidContext, "the current context was destroyed"};
  return {};
}

bool Driver::context_alive(const CUctx_st* context) const {
  return context == &primary ? primary_references > 0 : contexts.has(context);
}

bool Driver::stream_alive(CUstream stream) const {
  return reinterpret_cast<std::uintptr_t>(stream) <= 2 || streams.has(stream);
}

bool Driver::is_mapped_texture(const CUarray_st* array) const {
  return graphics_resources.any_of([&](const auto& resource) { return resource.mapped && &resource.array == array; });
}

std::uint8_t* Driver::host(CUdeviceptr device, std::size_t size_bytes) const {
  auto after = allocations.upper_bound(device);
  if (after == allocations.begin()) return nullptr;
  const auto& [start, allocation] = *--after;
  const std::size_t offset = device - start;
  if (offset > allocation.size_bytes || size_bytes > allocation.size_bytes - offset) return nullptr;
  return allocation.host + offset;
}

LiveObjects Driver::live() const {
  LiveObjects live{.contexts = contexts.size(),
                   .primary_references = primary_references,
                   .allocations = allocations.size(),
                   .host_allocations = host_allocations.size(),
                   .arrays = arrays.size(),
                   .streams = streams.size(),
                   .events = events.size(),
                   .external_memories = external_memories.size(),
                   .external_semaphores = external_semaphores.size(),
                   .graphics_resources = graphics_resources.size(),
                   .encode_sessions = encode_sessions,
                   .orphans = orphans};
  for (const auto& [address, allocation] : allocations) live.allocated_bytes += allocation.size_bytes;
  return live;
}

bool Driver::set_faults(const char* text) {
  faults_chosen = text != nullptr;
  if (text == nullptr) text = std::getenv("SOFTGPU_FAULTS");
  const auto parsed = Faults::parse(text == nullptr ? "" : text);
  if (!parsed) std::fprintf(stderr, "softgpu: cannot read the faults '%s'; see tests/softgpu/README.md\n", text);
  faults = parsed.value_or(Faults{});
  lost = false;
  allocation_calls = 0;
  frames = 0;
  openings = 0;
  ++fault_settings;
  faults_set.notify_all();
  return parsed.has_value();
}

CUresult finish(const char* function, Status status) {
  if (status.code != kSuccess && status.code != kNotReady) {
    softgpu_log("cuda", function, status.code, status.why == nullptr ? "" : status.why);
  }
  return static_cast<CUresult>(status.code);
}

namespace {

/// Runs after the program's own exit handlers: the library cannot be unloaded before (-z nodelete).
__attribute__((destructor)) void report_leaks() {
  Driver& driver = Driver::instance();
  const std::lock_guard lock(driver.mutex);
  const LiveObjects live = driver.live();
  const struct {
    const char* name;
    std::size_t count;
  } rows[] = {
      {"contexts", live.contexts},
      {"primary context references", live.primary_references},
      {"allocations", live.allocations},
      {"bytes allocated", live.allocated_bytes},
      {"page-locked allocations", live.host_allocations},
      {"allocations that only the end of their context freed", live.orphans},
      {"arrays", live.arrays},
      {"streams", live.streams},
      {"events", live.events},
      {"external memories", live.external_memories},
      {"external semaphores", live.external_semaphores},
      {"registered textures and buffers", live.graphics_resources},
      {"encode sessions", live.encode_sessions},
  };
  for (const auto& row : rows) {
    if (row.count > 0) std::fprintf(stderr, "softgpu: leaked %s: %zu\n", row.name, row.count);
  }
}

}  // namespace
}  // namespace zc::softgpu

using zc::softgpu::Driver;

bool softgpu_set_faults(const char* text) {
  Driver& driver = Driver::instance();
  const std::lock_guard lock(driver.mutex);
  return driver.set_faults(text);
}

void softgpu_live_objects(zc::softgpu::LiveObjects* live) {
  Driver& driver = Driver::instance();
  const std::lock_guard lock(driver.mutex);
  *live = driver.live();
}

std::uint64_t softgpu_registrations() {
  Driver& driver = Driver::instance();
  const std::lock_guard lock(driver.mutex);
  return driver.registrations;
}

const std::uint8_t* softgpu_host_address(std::uint64_t device, std::size_t size_bytes) {
  Driver& driver = Driver::instance();
  const std::lock_guard lock(driver.mutex);
  return driver.host(device, size_bytes);
}

bool softgpu_imported(std::uint64_t device) {
  Driver& driver = Driver::instance();
  const std::lock_guard lock(driver.mutex);
  const auto found = driver.allocations.find(device);
  return found != driver.allocations.end() && found->second.window_of != nullptr;
}

bool softgpu_context_alive(void* context) {
  Driver& driver = Driver::instance();
  const std::lock_guard lock(driver.mutex);
  return driver.context_alive(static_cast<CUcontext>(context));
}

bool softgpu_context_current() {
  Driver& driver = Driver::instance();
  const std::lock_guard lock(driver.mutex);
  const auto& stack = zc::softgpu::context_stack();
  return !stack.empty() && driver.context_alive(stack.back());
}

std::uint64_t softgpu_fault(zc::softgpu::Fault fault) {
  Driver& driver = Driver::instance();
  const std::lock_guard lock(driver.mutex);
  return driver.faults[fault];
}

bool softgpu_device_lost() {
  Driver& driver = Driver::instance();
  const std::lock_guard lock(driver.mutex);
  return driver.lost;
}

void softgpu_count_frame() {
  Driver& driver = Driver::instance();
  const std::lock_guard lock(driver.mutex);
  const std::uint64_t at = driver.faults[zc::softgpu::Fault::Lost];
  if (++driver.frames >= at && at != 0) driver.lost = true;
}

std::uint64_t softgpu_count_opening() {
  Driver& driver = Driver::instance();
  const std::lock_guard lock(driver.mutex);
  return ++driver.openings;
}

void softgpu_hang() {
  Driver& driver = Driver::instance();
  std::unique_lock lock(driver.mutex);
  driver.faults_set.wait(lock, [&driver, since = driver.fault_settings] { return driver.fault_settings != since; });
}

void softgpu_count_session(int change) {
  Driver& driver = Driver::instance();
  const std::lock_guard lock(driver.mutex);
  driver.encode_sessions += static_cast<std::size_t>(change);
}

void softgpu_count_registration() {
  Driver& driver = Driver::instance();
  const std::lock_guard lock(driver.mutex);
  ++driver.registrations;
}

void softgpu_log(const char* library, const char* function, int status, const char* why) {
  static const bool wanted = std::getenv("SOFTGPU_LOG") != nullptr;
  if (wanted) std::fprintf(stderr, "softgpu %s: %s -> %d: %s\n", library, function, status, why);
}
