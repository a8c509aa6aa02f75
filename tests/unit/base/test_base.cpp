#include "base/process_stats.h"
#include "base/toggles.h"
#include "base/unique_fd.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <cstdlib>

using namespace zc;

TEST_CASE("toggles take exactly the documented values") {
  ::unsetenv("ZEROCOPY");
  ::unsetenv("FFMPEG_DEBUG");
  ::unsetenv("ZEROCOPY_LATCH");
  CHECK(read_toggles()->zerocopy == ZerocopyMode::Auto);
  CHECK_FALSE(read_toggles()->latch);
  ::setenv("ZEROCOPY_LATCH", "1", 1);
  CHECK(read_toggles()->latch);
  CHECK_FALSE(read_toggles()->ffmpeg_debug);
  ::setenv("ZEROCOPY_LATCH", "2", 1);
  CHECK(read_toggles().error().message() == "ZEROCOPY_LATCH: '2' is not one of 0, 1");
  ::unsetenv("ZEROCOPY_LATCH");
  CHECK_FALSE(read_toggles()->ffmpeg_debug);
  ::setenv("ZEROCOPY", "0", 1);
  ::setenv("FFMPEG_DEBUG", "1", 1);
  CHECK(read_toggles()->zerocopy == ZerocopyMode::Off);
  CHECK(read_toggles()->ffmpeg_debug);
  ::setenv("ZEROCOPY", "1", 1);
  CHECK(read_toggles()->zerocopy == ZerocopyMode::Required);
  ::setenv("ZEROCOPY", "yes", 1);
  REQUIRE_FALSE(read_toggles());
  CHECK(read_toggles().error().message() == "ZEROCOPY: 'yes' is not one of 0, 1, auto");
  ::unsetenv("ZEROCOPY");
  ::unsetenv("FFMPEG_DEBUG");
}

TEST_CASE("a descriptor is closed once, by its last owner") {
  UniqueFd a(::memfd_create("test", MFD_CLOEXEC));
  const int number = a.get();
  UniqueFd b = std::move(a);
  CHECK_FALSE(a);  // NOLINT(bugprone-use-after-move): what a moved-from descriptor is, is the point here
  const auto copy = b.dup();
  REQUIRE(copy);
  CHECK(copy->get() != number);
  b.reset();
  CHECK(::fcntl(number, F_GETFD) == -1);
  CHECK(::fcntl(copy->get(), F_GETFD) != -1);
  CHECK_FALSE(b.dup());
}

TEST_CASE("errno values become kinds the caller can act on") {
  CHECK(kind_from_errno(ENOSPC) == ErrorKind::NoSpace);
  CHECK(kind_from_errno(EACCES) == ErrorKind::Denied);
  CHECK(kind_from_errno(ECONNRESET) == ErrorKind::Lost);
  CHECK(fail_errno(EACCES, "open x").error().message() == "open x: Permission denied");
}

TEST_CASE("the process can see its own cost") {
  name_this_thread("zc-test-cpu");
  volatile double sink = 0;
  while (process_cpu_time() < std::chrono::milliseconds(30)) sink = sink + 1;
  CHECK(thread_cpu_time("zc-test-cpu") > Nanoseconds{});
  CHECK(thread_cpu_time("no such thread") == Nanoseconds{});
  CHECK(resident_kib() > 0);
}
