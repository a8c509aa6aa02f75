#include "base/foreign_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>

namespace zc {
namespace {

/// A view, as the signal handler finds it. `begin` is 0 where there is none.
struct Slot {
  std::atomic<std::uintptr_t> begin{0};
  std::atomic<std::size_t> length{0};
  std::atomic<bool> torn{false};
};

/// All a signal handler may know: it has no other way to its data.
struct Table {
  std::array<Slot, 1024> slots;
  std::atomic<std::uint64_t> torn{0};
  std::uintptr_t page = 4096;
  struct sigaction before = {};
  std::mutex mutex;  ///< of slots that are taken and given back
};
Table& table() {
  static Table the_table;
  return the_table;
}

void on_bus_error(int signal, siginfo_t* info, void* /*context*/) {
  const int error = errno;
  Table& all = table();
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  for (Slot& slot : all.slots) {
    const std::uintptr_t begin = slot.begin.load();
    const std::uintptr_t end = begin + slot.length.load();
    if (begin == 0 || address < begin || address >= end) continue;
    // Zeros from that page on, in the very place: the read is tried again when this returns.
    const std::uintptr_t from = address / all.page * all.page;
    void* place = reinterpret_cast<void*>(from);  // NOLINT(performance-no-int-to-ptr): where the fault was
    if (::mmap(place, end - from, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) break;
    if (!slot.torn.exchange(true)) all.torn.fetch_add(1);
    errno = error;
    return;
  }
  ::sigaction(signal, &all.before, nullptr);  // raised again when this returns
}

int take_signal() {
  Table& all = table();
  all.page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  struct sigaction action = {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigemptyset(&action.sa_mask);
  return ::sigaction(SIGBUS, &action, &all.before);
}

}  // namespace

Result<ForeignMemory> ForeignMemory::map(int fd, std::uint64_t offset, std::size_t length) {
  static const int taken = take_signal();
  if (taken != 0) return fail_errno(errno, "guard a mapping");
  void* address = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(offset));
  if (address == MAP_FAILED) return fail_errno(errno, "map memory");
  Table& all = table();
  const std::scoped_lock lock(all.mutex);
  for (std::size_t i = 0; i < all.slots.size(); ++i) {
    Slot& slot = all.slots.at(i);
    if (slot.begin.load() != 0) continue;
    slot.torn = false;
    slot.length = length;
    slot.begin = reinterpret_cast<std::uintptr_t>(address);
    ForeignMemory memory;
    memory.bytes_ = {static_cast<const std::byte*>(address), length};
    memory.slot_ = i;
    return memory;
  }
  ::munmap(address, length);
  return fail(ErrorKind::Invalid, "map memory", "there are too many buffers");
}

ForeignMemory::~ForeignMemory() {
  if (bytes_.empty()) return;
  Table& all = table();
  const std::scoped_lock lock(all.mutex);
  all.slots.at(slot_).begin = 0;
  ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());  // NOLINT(cppcoreguidelines-pro-type-const-cast)
}

bool ForeignMemory::torn() const { return !bytes_.empty() && table().slots.at(slot_).torn.load(); }

std::uint64_t ForeignMemory::torn_so_far() { return table().torn.load(); }

}  // namespace zc
