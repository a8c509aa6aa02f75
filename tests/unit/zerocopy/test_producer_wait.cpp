#include "support/fake_timeline.h"
#include "zerocopy/producer_wait.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <thread>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

struct Pipe {
  Pipe() {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    reader = UniqueFd(ends[0]);
    writer = UniqueFd(ends[1]);
  }
  /// From now on it polls readable.
  void finish() const { REQUIRE(::write(writer.get(), "x", 1) == 1); }
  UniqueFd reader, writer;
};

/// A dmabuf whose planes poll like these.
std::shared_ptr<const Dmabuf> dmabuf(std::initializer_list<const Pipe*> planes) {
  auto d = std::make_shared<Dmabuf>();
  for (const Pipe* pipe : planes) {
    auto fd = pipe->reader.dup();
    REQUIRE(fd);
    d->planes.at(d->plane_count++).fd = std::move(*fd);
  }
  return d;
}

int g_fence = -1;      // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): the calls carry no context
int g_interrupts = 0;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

UniqueFd export_fence(int /*dmabuf*/) { return UniqueFd(::dup(g_fence)); }
UniqueFd export_nothing(int /*dmabuf*/) { return {}; }
int poll_interrupted(int fd, int timeout_ms) {
  if (g_interrupts-- > 0) {
    errno = EINTR;
    return -1;
  }
  return system_fence_calls().poll_readable(fd, timeout_ms);
}
int poll_broken(int /*fd*/, int /*timeout_ms*/) {
  errno = ENODEV;
  return -1;
}

}  // namespace

TEST_CASE("every plane is waited for, within one time") {
  const Pipe a;
  const Pipe b;
  const auto d = dmabuf({&a, &b});
  const auto late = wait_for_producer(*d, 5ms);
  REQUIRE_FALSE(late);
  CHECK(late.error().kind == ErrorKind::Busy);
  a.finish();
  CHECK_FALSE(wait_for_producer(*d, 5ms));
  const std::jthread producer([&] {
    std::this_thread::sleep_for(5ms);
    b.finish();
  });
  CHECK(wait_for_producer(*d, 20s));
}

TEST_CASE("where the kernel hands out fences they are waited for, not the buffer") {
  const Pipe buffer;
  const Pipe fence;
  g_fence = fence.reader.get();
  const FenceCalls calls{export_fence, system_fence_calls().poll_readable};
  const auto d = dmabuf({&buffer});
  CHECK_FALSE(wait_for_producer(*d, 2ms, calls));
  fence.finish();
  CHECK(wait_for_producer(*d, 20s, calls));
  const FenceCalls without{export_nothing, system_fence_calls().poll_readable};
  CHECK_FALSE(wait_for_producer(*d, 2ms, without));
}

TEST_CASE("a signal in between does not end the wait, a broken descriptor does") {
  const Pipe buffer;
  buffer.finish();
  g_interrupts = 5;
  CHECK(wait_for_producer(*dmabuf({&buffer}), 20s, {export_nothing, poll_interrupted}));
  CHECK(g_interrupts == -1);
  const auto broken = wait_for_producer(*dmabuf({&buffer}), 20s, {export_nothing, poll_broken});
  REQUIRE_FALSE(broken);
  CHECK(broken.error().kind == ErrorKind::Internal);  // not Lost: it is no end of the stream
}

TEST_CASE("memory that is no dmabuf is always readable") {
  const UniqueFd memory(::memfd_create("picture", MFD_CLOEXEC));
  auto d = std::make_shared<Dmabuf>();
  d->plane_count = 1;
  d->planes[0].fd = std::move(*memory.dup());
  CHECK(wait_for_producer(*d, 0ms));
}

TEST_CASE("a frame's acquire point is what counts when it has one") {
  const auto timeline = FakeTimeline::create();
  const Pipe never;
  Frame frame;
  frame.image = dmabuf({&never});
  CHECK(wait_for_producer(frame, 1ms).error().kind == ErrorKind::Busy);
  frame.acquire = {timeline, 3};
  CHECK(wait_for_producer(frame, 1ms).error().kind == ErrorKind::Busy);
  timeline->signal(2);
  CHECK(wait_for_producer(frame, 1ms).error().kind == ErrorKind::Busy);
  timeline->signal(4);
  CHECK(wait_for_producer(frame, 20s));
}

TEST_CASE("shared memory and cursor news are there at once") {
  Frame frame;
  CHECK(wait_for_producer(frame, 0ms));
  frame.image = HostImage{};
  CHECK(wait_for_producer(frame, 0ms));
}
