// Explicit synchronisation with a real PipeWire: timelines in memfds instead of syncobjs.
#include "integration/capture/rig.h"
#include "session/frame_mailbox.h"
#include "support/fake_timeline.h"
#include "zerocopy/producer_wait.h"

#include <sys/mman.h>
#include <unistd.h>

#include <map>

using namespace zc;
using namespace zc::test;

namespace {

class MailboxListener final : public SourceListener {
 public:
  void on_frame(Frame frame) override { mailbox.put(std::move(frame)); }
  void on_state(SourceState, const Error*) override {}
  FrameMailbox mailbox;
};

FormatOffer linear_offer() {
  FormatOffer offer;
  offer.formats = {{PixelFormat::BGRx, {kModifierLinear}}};
  return offer;
}

ProducerOptions synced(Sync sync, Fence fence = Fence::Late) {
  ProducerOptions options;
  options.memory = Memory::Either;
  options.modifiers = {kModifierLinear};
  options.sync = sync;
  options.fence = fence;
  return options;
}

/// True when the dmabuf holds a whole test picture now.
bool whole_picture(const Dmabuf& d) {
  const auto length = static_cast<std::size_t>(::lseek(d.planes[0].fd.get(), 0, SEEK_END));
  void* map = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, d.planes[0].fd.get(), 0);
  REQUIRE(map != MAP_FAILED);
  std::array<PictureView, 3> planes{};
  planes[0] = {static_cast<const std::byte*>(map) + d.planes[0].offset_bytes, d.planes[0].stride_bytes};
  const auto mark = read_picture_mark(d.format, d.size, planes);
  const bool whole = mark && !compare_picture(d.format, d.size, *mark, planes);
  ::munmap(map, length);
  return whole;
}

/// Waits for pictures as the worker does; how many came right, late and wrong.
struct Seen {
  int right = 0, late = 0, wrong = 0, unsynced = 0;
};
Seen look(FrameMailbox& mailbox, Seen until, Nanoseconds patience) {
  Seen seen;
  const auto deadline = monotonic_now() + std::chrono::seconds(40);
  while ((seen.right < until.right || seen.late < until.late) && monotonic_now() < deadline) {
    auto frame = mailbox.take({}, monotonic_now() + std::chrono::milliseconds(200));
    if (!frame || !frame->has_image()) continue;
    if (!frame->acquire) ++seen.unsynced;
    if (const auto ready = wait_for_producer(*frame, patience); !ready) {
      CHECK(ready.error().kind == ErrorKind::Busy);
      ++seen.late;
      continue;
    }
    const auto* dmabuf = std::get_if<std::shared_ptr<const Dmabuf>>(&frame->image);
    REQUIRE(dmabuf != nullptr);
    ++(whole_picture(**dmabuf) ? seen.right : seen.wrong);
  }
  return seen;
}

}  // namespace

TEST_CASE("pictures are read when they are done, and every buffer's release is signalled once before it goes back") {
  const auto daemon = pipewire();
  const auto producer = produce(synced(Sync::Explicit));
  MailboxListener listener;
  const auto src = source_with(std::make_shared<FakeTimelines>(), target(*producer));
  REQUIRE(src->start(linear_offer(), listener));
  CHECK(src->info().dmabuf);
  // The first buffers may come back twice when PipeWire's cycles overrun, see ProducerOptions::rate.
  const Seen seen = look(listener.mailbox, {.right = 25}, std::chrono::seconds(10));
  CHECK(seen.right >= 25);
  CHECK(seen.unsynced == 0);
  CHECK(seen.wrong == 0);
  CHECK(producer->synced() >= 25);
  CHECK(producer->bad_releases() == 0);
  src->stop();
}

TEST_CASE("a picture that never gets done costs itself, not the stream") {
  const auto daemon = pipewire();
  const auto producer = produce(synced(Sync::Explicit, Fence::Never));
  MailboxListener listener;
  const auto src = source_with(std::make_shared<FakeTimelines>(), target(*producer));
  REQUIRE(src->start(linear_offer(), listener));
  // No multiple of three pictures' time: the newest one after each wait would be another that is never done.
  const Seen seen = look(listener.mailbox, {.right = 8, .late = 3}, std::chrono::milliseconds(310));
  CHECK(seen.right >= 8);
  CHECK(seen.late >= 3);
  CHECK(seen.wrong == 0);
  CHECK(producer->bad_releases() == 0);
  src->stop();
}

TEST_CASE("one side without timelines: the stream is negotiated without them") {
  const auto daemon = pipewire();
  std::shared_ptr<TimelineDevice> ours;
  Sync theirs = Sync::Explicit;
  SECTION("we have none") {}
  SECTION("the producer has none") {
    ours = std::make_shared<FakeTimelines>();
    theirs = Sync::None;
  }
  const auto producer = produce(synced(theirs));
  MailboxListener listener;
  const auto src = source_with(ours, target(*producer));
  REQUIRE(src->start(linear_offer(), listener));
  CHECK(src->info().dmabuf);
  const Seen seen = look(listener.mailbox, {.right = 5}, std::chrono::seconds(10));
  CHECK(seen.right >= 5);
  CHECK(seen.unsynced >= 5);
  CHECK(seen.wrong == 0);
  CHECK(producer->synced() == 0);
}

TEST_CASE("frames that nobody looks at release their buffers as well") {
  const auto daemon = pipewire();
  const auto producer = produce(synced(Sync::Explicit));
  auto timelines = std::make_shared<FakeTimelines>();
  RecordingListener listener;  // lets each frame die where it came
  const auto src = source_with(timelines, target(*producer));
  REQUIRE(src->start(linear_offer(), listener));
  REQUIRE(listener.wait([&] { return producer->synced() >= 25; }));
  src->stop();
  CHECK(producer->bad_releases() == 0);
}

TEST_CASE("pictures that get lost on the way do not cost a compositor its buffers") {
  const auto daemon = pipewire();
  auto options = synced(Sync::Explicit);
  options.like_compositors = true;
  const auto producer = produce(options);
  // Buffers that come back all at once are used again before PipeWire knows that they are back, and it drops those.
  std::mutex mutex;
  std::vector<Frame> held;
  int rounds = 0;
  RecordingListener listener([&](Frame& f) {
    const std::lock_guard lock(mutex);
    if (rounds < 5) held.push_back(std::exchange(f, Frame{}));
  });
  const auto src = source_with(std::make_shared<FakeTimelines>(), target(*producer));
  REQUIRE(src->start(linear_offer(), listener));
  REQUIRE(src->info().dmabuf);
  for (int round = 1; round <= 5; ++round) {
    REQUIRE(listener.wait([&] {
      const std::lock_guard lock(mutex);
      return held.size() >= 2 && held.back().spare <= 1;
    }));
    const std::lock_guard lock(mutex);
    rounds = round;
    held.clear();
  }
  const std::uint64_t before = src->stats().delivered;
  CHECK(listener.wait([&] { return src->stats().delivered >= before + 60; }));
  src->stop();
  CHECK(producer->bad_releases() == 0);
}

TEST_CASE("shared memory has no timelines") {
  const auto daemon = pipewire();
  const auto producer = produce(synced(Sync::Explicit));
  PictureLog log;
  RecordingListener listener([&](Frame& f) { log.check(f); });
  const auto src = source_with(std::make_shared<FakeTimelines>(), target(*producer));
  REQUIRE(src->start(offer_all(), listener));
  REQUIRE(listener.wait_pictures(3));
  src->stop();
  CHECK(log.wrong == 0);
  CHECK(producer->synced() == 0);
}
