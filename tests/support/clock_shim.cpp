// Preload for tests: CLOCK_REALTIME is off by what the file $ZEROCAST_CLOCK_SHIFT says, nanoseconds as an int64_t that
// may change at any moment, as somebody who sets the clock would have it. A time namespace does not cover that clock.
//
// What reads the clock through libc sees the shift: clock_gettime(), gettimeofday(), time(), timespec_get(), and with
// them std::chrono::system_clock. A wait until a moment of that clock is told to the kernel without the shift. What
// this cannot show is a wait that is under way when the clock jumps, and a timerfd on that clock.
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
/// Deadlines before this are CLOCK_MONOTONIC's: thirty years after the start of that clock, or of 1970.
constexpr std::int64_t kNoRealTime = 1'000'000'000;

const std::atomic<std::int64_t>* map_shift() {
  const char* path = std::getenv("ZEROCAST_CLOCK_SHIFT");
  const int fd = path == nullptr ? -1 : ::open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return nullptr;
  void* memory = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  return memory == MAP_FAILED ? nullptr : static_cast<const std::atomic<std::int64_t>*>(memory);
}

std::int64_t shift() {
  static const std::atomic<std::int64_t>* const place = map_shift();
  return place == nullptr ? 0 : place->load(std::memory_order_relaxed);
}

timespec moved(const timespec& time, std::int64_t by) {
  const std::int64_t all = std::int64_t{time.tv_sec} * kSecond + time.tv_nsec + by;
  return {.tv_sec = all / kSecond, .tv_nsec = all % kSecond};
}

template <class Function>
Function next(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  static const auto real = next<int (*)(clockid_t, timespec*)>("clock_gettime");
  const int result = real(clock, time);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) *time = moved(*time, shift());
  return result;
}

int gettimeofday(timeval* time, void* /*zone*/) noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  *time = {.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* place) noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  if (place != nullptr) *place = now.tv_sec;
  return now.tv_sec;
}

int timespec_get(timespec* time, int base) noexcept {
  return base == TIME_UTC && ::clock_gettime(CLOCK_REALTIME, time) == 0 ? base : 0;
}

int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex, const timespec* until) {
  static const auto real = next<int (*)(pthread_cond_t*, pthread_mutex_t*, const timespec*)>("pthread_cond_timedwait");
  const timespec told = until->tv_sec < kNoRealTime ? *until : moved(*until, -shift());
  return real(condition, mutex, &told);
}

}  // extern "C"
