// Preload for tests: a disk that takes a while for each piece it is given. Each write to a file beginning somewhere
// behind its first bytes (pwrite(2), as recordings are written) waits for as many milliseconds as $ZEROCAST_SLOW_DISK
// says. What this cannot show is a disk that blocks where nothing is written, as in close(2) or in the page cache.
#include <dlfcn.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>

namespace {

using Write = ssize_t (*)(int, const void*, size_t, off64_t);

void dawdle() {
  const char* text = std::getenv("ZEROCAST_SLOW_DISK");
  const long ms = text == nullptr ? 0 : std::atol(text);
  timespec left{.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1'000'000};
  while (::nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

}  // namespace

extern "C" {

ssize_t pwrite64(int file, const void* bytes, size_t count, off64_t offset) {
  static const auto real = reinterpret_cast<Write>(::dlsym(RTLD_NEXT, "pwrite64"));
  if (offset > 0) dawdle();
  return real(file, bytes, count, offset);
}

ssize_t pwrite(int file, const void* bytes, size_t count, off_t offset) { return pwrite64(file, bytes, count, offset); }

}  // extern "C"
