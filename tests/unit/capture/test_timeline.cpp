// Explicit synchronisation without a GPU: the kernel's calls, and that a release is signalled once whatever happens.
#include "capture/buffer_meta.h"
#include "capture/drm_timeline.h"
#include "capture/negotiation.h"
#include "capture/spa_sync.h"
#include "capture/stream_buffers.h"
#include "support/fake_timeline.h"

#include <drm.h>
#include <fcntl.h>
#include <pipewire/pipewire.h>
#include <spa/buffer/buffer.h>
#include <spa/buffer/meta.h>
#include <spa/param/buffers.h>
#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

#include <array>
#include <functional>
#include <set>
#include <thread>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

/// What a kernel with timelines answers; one for the whole program, as the calls carry no context.
struct Kernel {
  bool capable = true;
  int interrupts = 0;  ///< calls that end with EINTR first
  int refuse = 0;      ///< errno of the next import or wait
  std::uint32_t next_handle = 7;
  std::set<std::uint32_t> handles;
  std::uint64_t waited_point = 0, signalled_point = 0;
  std::uint32_t wait_flags = 0, waited_handle = 0;
  std::int64_t deadline = 0;
};
Kernel kernel;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): see above

int answer(unsigned long request, void* argument) {
  switch (request) {
    case DRM_IOCTL_GET_CAP: {
      auto& cap = *static_cast<drm_get_cap*>(argument);
      cap.value = cap.capability == DRM_CAP_SYNCOBJ_TIMELINE && kernel.capable ? 1 : 0;
      return 0;
    }
    case DRM_IOCTL_SYNCOBJ_FD_TO_HANDLE: {
      if (kernel.refuse != 0) return std::exchange(kernel.refuse, 0);
      auto& handle = *static_cast<drm_syncobj_handle*>(argument);
      if (handle.fd < 0) return EBADF;
      handle.handle = kernel.next_handle++;
      kernel.handles.insert(handle.handle);
      return 0;
    }
    case DRM_IOCTL_SYNCOBJ_DESTROY:
      return kernel.handles.erase(static_cast<drm_syncobj_destroy*>(argument)->handle) == 1 ? 0 : ENOENT;
    case DRM_IOCTL_SYNCOBJ_TIMELINE_WAIT: {
      const auto& wait = *static_cast<drm_syncobj_timeline_wait*>(argument);
      kernel.waited_point = *reinterpret_cast<const std::uint64_t*>(wait.points);  // NOLINT(performance-no-int-to-ptr)
      kernel.waited_handle =
          *reinterpret_cast<const std::uint32_t*>(wait.handles);  // NOLINT(performance-no-int-to-ptr)
      kernel.wait_flags = wait.flags;
      kernel.deadline = wait.timeout_nsec;
      return std::exchange(kernel.refuse, 0);
    }
    case DRM_IOCTL_SYNCOBJ_TIMELINE_SIGNAL: {
      const auto& signal = *static_cast<drm_syncobj_timeline_array*>(argument);
      kernel.signalled_point =
          *reinterpret_cast<const std::uint64_t*>(signal.points);  // NOLINT(performance-no-int-to-ptr)
      return 0;
    }
    default: return EINVAL;
  }
}

int fake_ioctl(int /*fd*/, unsigned long request, void* argument) {
  const int error = kernel.interrupts > 0 ? (--kernel.interrupts, EINTR) : answer(request, argument);
  errno = error;
  return error == 0 ? 0 : -1;
}

Result<std::shared_ptr<TimelineDevice>> device() { return make_drm_timelines(UniqueFd{}, fake_ioctl); }

/// A PipeWire buffer as add_buffer hands it over: one dmabuf of 64x36 BGRx, two timelines, header and sync metas.
struct Buffer {
  static constexpr Size kSize{64, 36};
  Buffer() {
    memory = UniqueFd(::memfd_create("picture", MFD_CLOEXEC));
    REQUIRE(::ftruncate(memory.get(), 64 * 36 * 4) == 0);
    acquire = FakeTimeline::create();
    release = FakeTimeline::create();
    chunk = {0, 64 * 36 * 4, 64 * 4, 0};
    datas[0].type = SPA_DATA_DmaBuf;
    datas[0].fd = memory.get();
    datas[0].chunk = &chunk;
    for (std::size_t i : {1U, 2U}) {
      datas.at(i).type = kSpaDataSyncObj;
      datas.at(i).fd = (i == 1 ? acquire : release)->fd();
    }
    sync = {kSpaUnscheduledRelease, 0, 5, 9};
    meta = {kSpaMetaSyncTimeline, sizeof sync, &sync};
    spa.n_metas = 1;
    spa.metas = &meta;
    spa.n_datas = 3;
    spa.datas = datas.data();
    pw.buffer = &spa;
  }
  UniqueFd memory;
  std::shared_ptr<FakeTimeline> acquire, release;
  spa_chunk chunk{};
  std::array<spa_data, 3> datas{};
  SpaSyncTimeline sync;
  spa_meta meta{};
  spa_buffer spa{};
  pw_buffer pw{};
};

NegotiatedFormat agreed() {
  NegotiatedFormat format;
  format.format = PixelFormat::BGRx;
  format.size = Buffer::kSize;
  format.modifier = kModifierLinear;
  return format;
}

/// The frame a reader makes of the buffer.
Frame frame_of(StreamBuffers& buffers, Buffer& buffer) {
  Frame frame;
  auto image = buffers.image(&buffer.pw, agreed());
  if (!image) FAIL(image.error());
  std::visit([&](auto& picture) { frame.image = std::move(picture); }, *image);
  auto point = buffers.acquire_point(&buffer.pw);
  if (!point) FAIL(point.error());
  frame.acquire = std::move(*point);
  frame.lease = buffers.lend(&buffer.pw);
  return frame;
}

}  // namespace

TEST_CASE("DRM timelines: what the kernel is asked") {
  kernel = {};
  {
    const auto timelines = device();
    REQUIRE(timelines);
    const auto timeline = (*timelines)->import(3);
    REQUIRE(timeline);
    CHECK(kernel.handles == std::set<std::uint32_t>{7});
    kernel.interrupts = 3;
    const Nanoseconds before = monotonic_now();
    CHECK((*timeline)->wait(42, 100ms));
    CHECK(kernel.waited_point == 42);
    CHECK(kernel.waited_handle == 7);
    CHECK(kernel.wait_flags == (DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL | DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT));
    CHECK(kernel.deadline >= (before + 100ms).count());
    CHECK(kernel.deadline <= (monotonic_now() + 100ms).count());
    kernel.refuse = ETIME;
    CHECK((*timeline)->wait(43, 1ms).error().kind == ErrorKind::Timeout);
    kernel.refuse = EINVAL;
    CHECK((*timeline)->wait(44, 1ms).error().kind != ErrorKind::Timeout);
    (*timeline)->signal(45);
    CHECK(kernel.signalled_point == 45);
    kernel.refuse = EINVAL;
    CHECK_FALSE((*timelines)->import(3));
    CHECK_FALSE((*timelines)->import(-1));
  }
  CHECK(kernel.handles.empty());
  kernel.capable = false;
  CHECK(device().error().kind == ErrorKind::Unsupported);
}

TEST_CASE("a machine without render nodes has no timelines") {
  CHECK(open_drm_timelines("/nonexistent").error().kind == ErrorKind::NotFound);
}

TEST_CASE("a release point is signalled exactly once, on every way a frame may go") {
  struct Way {
    const char* name;
    std::function<void(StreamBuffers&, Buffer&)> go;
  };
  const auto timelines = std::make_shared<FakeTimelines>();
  const std::array ways = {
      Way{"read and let go", [](StreamBuffers& b, Buffer& x) { const Frame frame = frame_of(b, x); }},
      Way{"its lease returned early, then let go",
          [](StreamBuffers& b, Buffer& x) {
            Frame frame = frame_of(b, x);
            frame.lease.reset();
            CHECK(x.release->signals() == 1);
          }},
      Way{"moved about",
          [](StreamBuffers& b, Buffer& x) {
            Frame frame = frame_of(b, x);
            Frame other = std::move(frame);
            frame = std::move(other);
            CHECK(x.release->signals() == 0);
          }},
      Way{"on another thread",
          [](StreamBuffers& b, Buffer& x) {
            const std::jthread thread([frame = frame_of(b, x)]() mutable { frame.lease.reset(); });
          }},
      Way{"overwritten by a newer picture",
          [](StreamBuffers& b, Buffer& x) {
            Buffer second;
            b.add(&second.pw);
            Frame newer = frame_of(b, second);
            {
              Frame older = frame_of(b, x);
              CHECK(newer.supersede(std::move(older)));
            }
            CHECK(x.release->signals() == 1);
            CHECK(second.release->signals() == 0);
            newer = {};
            b.remove(&second.pw);
          }},
      Way{"taken over by cursor news",
          [](StreamBuffers& b, Buffer& x) {
            Frame news;
            CHECK_FALSE(news.supersede(frame_of(b, x)));
            CHECK(news.acquire);
            CHECK(x.release->signals() == 0);
          }},
      Way{"passed over without a look", [](StreamBuffers& b, Buffer& x) { b.pass(&x.pw); }},
      Way{"its buffer removed while it is read",
          [](StreamBuffers& b, Buffer& x) {
            const Frame frame = frame_of(b, x);
            b.remove(&x.pw);
            CHECK(x.release->signals() == 0);
          }},
  };
  for (const Way& way : ways) {
    CAPTURE(way.name);
    auto buffers = StreamBuffers::create(timelines);
    REQUIRE(buffers);
    Buffer buffer;
    (*buffers)->add(&buffer.pw);
    way.go(**buffers, buffer);
    CHECK(buffer.release->signals() == 1);
    CHECK(buffer.release->reached() == 9);
    CHECK(buffer.acquire->signals() == 0);
    CHECK((buffer.sync.flags & kSpaUnscheduledRelease) == 0);
    buffers->reset();
    CHECK(buffer.release->signals() == 1);
  }
}

TEST_CASE("a release outlives the stream") {
  Buffer buffer;
  auto buffers = StreamBuffers::create(std::make_shared<FakeTimelines>());
  REQUIRE(buffers);
  (*buffers)->add(&buffer.pw);
  Frame frame = frame_of(**buffers, buffer);
  buffers->reset();
  CHECK(buffer.release->signals() == 0);
  frame = {};
  CHECK(buffer.release->signals() == 1);
}

TEST_CASE("a slot is lent again and again, each time with its own points") {
  Buffer buffer;
  auto buffers = StreamBuffers::create(std::make_shared<FakeTimelines>());
  REQUIRE(buffers);
  (*buffers)->add(&buffer.pw);
  for (std::uint64_t round = 1; round <= 100; ++round) {
    buffer.sync = {kSpaUnscheduledRelease, 0, 2 * round, 3 * round};
    {
      const Frame frame = frame_of(**buffers, buffer);
      CHECK(frame.acquire.point == 2 * round);
      buffer.sync.release_point = 1'000'000;  // too late to change it
    }
    CHECK(buffer.release->reached() == 3 * round);
    CHECK(buffer.release->signals() == round);
    int back = 0;
    (*buffers)->collect([&](pw_buffer* b) { back += b == &buffer.pw ? 1 : 0; });
    CHECK(back == 1);
  }
}

TEST_CASE("timelines that are missing or broken") {
  auto timelines = std::make_shared<FakeTimelines>();
  Buffer buffer;
  const auto point = [&](StreamBuffers& b) {
    b.add(&buffer.pw);
    return b.acquire_point(&buffer.pw);
  };
  SECTION("not negotiated: the buffer's own fences count") {
    buffer.spa.n_metas = 0;
    buffer.spa.n_datas = 1;
    const auto buffers = StreamBuffers::create(timelines);
    REQUIRE(point(**buffers));
    CHECK_FALSE(*point(**buffers));
    (*buffers)->pass(&buffer.pw);
    const BufferLease lease = (*buffers)->lend(&buffer.pw);
  }
  SECTION("point 0 is no point") {
    buffer.sync = {};
    const auto buffers = StreamBuffers::create(timelines);
    const auto got = point(**buffers);
    REQUIRE(got);
    CHECK_FALSE(*got);
    (*buffers)->pass(&buffer.pw);
  }
  SECTION("a timeline that cannot be opened: the picture may be half done, so it is refused") {
    timelines->broken = true;
    const auto buffers = StreamBuffers::create(timelines);
    CHECK_FALSE(point(**buffers));
    (*buffers)->pass(&buffer.pw);
  }
  SECTION("only one of the two") {
    buffer.spa.n_datas = 2;
    const auto buffers = StreamBuffers::create(timelines);
    CHECK_FALSE(point(**buffers));
  }
  SECTION("a descriptor that is none") {
    buffer.datas[2].fd = -1;
    const auto buffers = StreamBuffers::create(timelines);
    CHECK_FALSE(point(**buffers));
  }
  CHECK(buffer.release->signals() == 0);
}

TEST_CASE("the sync meta is read whole or not at all") {
  const SpaSyncTimeline sync{1, 0, 11, 12};
  const auto bytes = std::as_bytes(std::span(&sync, 1));
  const auto points = parse_sync(bytes);
  REQUIRE(points);
  CHECK(points->acquire == 11);
  CHECK(points->release == 12);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) CHECK_FALSE(parse_sync(bytes.first(cut)));
}

TEST_CASE("timelines are asked for as PipeWire's consumers do") {
  const auto find = [](const PodPtr& pod, std::uint32_t key) { return ObjectReader(pod.get()).find(key); };
  const PodPtr with = make_buffers_param(agreed(), true);
  const auto metas = find(with, kSpaBuffersMetaType);
  REQUIRE(metas);
  CHECK(metas->integer() == 1 << kSpaMetaSyncTimeline);
  CHECK(metas->flags == SPA_POD_PROP_FLAG_MANDATORY);
  CHECK(find(with, SPA_PARAM_BUFFERS_dataType)->integer() == 1 << SPA_DATA_DmaBuf);
  CHECK_FALSE(find(with, SPA_PARAM_BUFFERS_blocks));  // planes and timelines: the producer knows
  CHECK_FALSE(find(make_buffers_param(agreed()), kSpaBuffersMetaType));
  CHECK(make_meta_params(true).size() == make_meta_params().size() + 1);
  const PodPtr meta = std::move(make_meta_params(true).back());
  CHECK(find(meta, SPA_PARAM_META_type)->id() == kSpaMetaSyncTimeline);
  CHECK(find(meta, SPA_PARAM_META_size)->integer() == static_cast<std::int32_t>(sizeof(SpaSyncTimeline)));
#if PW_CHECK_VERSION(1, 2, 0)
  static_assert(kSpaMetaSyncTimeline == SPA_META_SyncTimeline && kSpaDataSyncObj == SPA_DATA_SyncObj);
  static_assert(kSpaBuffersMetaType == SPA_PARAM_BUFFERS_metaType);
  static_assert(sizeof(SpaSyncTimeline) == sizeof(spa_meta_sync_timeline));
  static_assert(offsetof(SpaSyncTimeline, acquire_point) == offsetof(spa_meta_sync_timeline, acquire_point));
  static_assert(offsetof(SpaSyncTimeline, release_point) == offsetof(spa_meta_sync_timeline, release_point));
#endif
}
