#include "base/process_stats.h"

#include <pthread.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace zc {

void name_this_thread(const char* name) noexcept { ::pthread_setname_np(::pthread_self(), name); }

Nanoseconds process_cpu_time() noexcept {
  timespec t{};
  if (::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) != 0) return {};
  return std::chrono::seconds(t.tv_sec) + Nanoseconds(t.tv_nsec);
}

Nanoseconds thread_cpu_time(std::string_view name) {
  Nanoseconds total{};
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", error)) {
    std::string comm;
    std::ifstream(task.path() / "comm") >> comm;
    if (comm != name) continue;
    std::int64_t on_cpu_ns = 0;  // first field of schedstat
    if (std::ifstream(task.path() / "schedstat") >> on_cpu_ns) total += Nanoseconds(on_cpu_ns);
  }
  return total;
}

std::uint64_t entries_of(const char* folder) {
  std::error_code error;
  const std::filesystem::directory_iterator all(folder, error);
  return static_cast<std::uint64_t>(std::distance(begin(all), end(all)));
}

std::uint64_t resident_kib() {
  std::uint64_t size_pages = 0;
  std::uint64_t resident_pages = 0;
  if (!(std::ifstream("/proc/self/statm") >> size_pages >> resident_pages)) return 0;
  return resident_pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 1024;
}

}  // namespace zc
