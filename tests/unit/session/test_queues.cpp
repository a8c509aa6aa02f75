#include "session/encode_ring.h"
#include "session/frame_mailbox.h"

#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <memory>
#include <optional>
#include <thread>

using namespace zc;
using namespace std::chrono_literals;

namespace {

Frame picture(std::uint64_t sequence) {
  Frame frame;
  HostImage image;
  image.format = PixelFormat::BGRx;
  image.size = {64, 64};
  frame.image = image;
  frame.sequence = sequence;
  return frame;
}

EncodeJob job(int number, bool repeat = false) {
  EncodeJob j;
  j.captured = Nanoseconds(number);
  j.repeat = repeat;
  return j;
}

}  // namespace

TEST_CASE("the mailbox keeps the newest frame and counts what it threw away") {
  FrameMailbox mailbox;
  const std::stop_source stop;
  mailbox.put(picture(1));
  mailbox.put(picture(2));
  mailbox.put(picture(3));
  CHECK(mailbox.overwritten() == 2);
  const auto frame = mailbox.take(stop.get_token(), monotonic_now() + 1s);
  REQUIRE(frame);
  CHECK(frame->sequence == 3);
  CHECK_FALSE(mailbox.take(stop.get_token(), monotonic_now() + 1ms));
}

TEST_CASE("a recording's mailbox keeps what waits while the producer has buffers to spare") {
  FrameMailbox mailbox({}, FrameMailbox::kMostFrames);
  const std::stop_token stop;
  const auto put = [&](std::uint64_t sequence, std::uint32_t spare) {
    Frame frame = picture(sequence);
    frame.pts = Nanoseconds(sequence);
    frame.spare = spare;
    frame.damage = Damage::none();
    frame.damage.add({static_cast<std::int32_t>(sequence) * 100, 0, 10, 10});
    mailbox.put(std::move(frame));
  };
  const auto take = [&] {
    const auto frame = mailbox.take(stop, monotonic_now());
    return frame ? frame->sequence : 0;
  };
  SECTION("all come, in their order") {
    for (std::uint64_t i = 1; i <= 4; ++i) put(i, 6);
    CHECK(take() == 1);
    put(5, 6);
    for (std::uint64_t i = 2; i <= 5; ++i) CHECK(take() == i);
    CHECK(take() == 0);
    CHECK(mailbox.overwritten() == 0);
  }
  SECTION("a full one gives up the oldest, whose damage stays") {
    for (std::uint64_t i = 1; i <= 5; ++i) put(i, 6);
    CHECK(mailbox.overwritten() == 1);
    const auto frame = mailbox.take(stop, monotonic_now());
    REQUIRE(frame);
    CHECK(frame->sequence == 2);
    CHECK(frame->damage.rects().size() == 2);
  }
  SECTION("the producer keeps two buffers") {
    put(1, 3);
    put(2, 2);
    CHECK(mailbox.overwritten() == 0);
    put(3, 1);  // the oldest one's buffer is the second
    CHECK(mailbox.overwritten() == 1);
    put(4, 0);
    CHECK(mailbox.overwritten() == 3);
    CHECK(take() == 4);
    CHECK(take() == 0);
  }
  SECTION("the pointer's news join the newest, which keeps its time") {
    put(1, 6);
    put(2, 6);
    Frame news;
    news.pts = 3ns;
    news.cursor = CursorState{.visible = true, .position = {5, 6}, .hotspot = {}, .bitmap = nullptr};
    mailbox.put(std::move(news));
    CHECK(take() == 1);
    const auto frame = mailbox.take(stop, monotonic_now());
    REQUIRE(frame);
    CHECK(frame->has_image());
    CHECK(frame->cursor->position == Point{5, 6});
    CHECK(frame->pts == 2ns);
    CHECK(take() == 0);
  }
  SECTION("who wants the newest gets the damage of all") {
    for (std::uint64_t i = 1; i <= 3; ++i) put(i, 6);
    const auto frame = mailbox.take_newest(stop, monotonic_now());
    REQUIRE(frame);
    CHECK(frame->sequence == 3);
    CHECK(frame->damage.rects().size() == 3);
    CHECK(take() == 0);
  }
  SECTION("closing lets go of all") {
    for (std::uint64_t i = 1; i <= 3; ++i) put(i, 6);
    mailbox.close();
    mailbox.reopen();
    CHECK(take() == 0);
    put(4, 6);
    CHECK(take() == 4);
    CHECK(mailbox.overwritten() == 0);
  }
}

namespace {

Frame dmabuf_picture(std::uint64_t sequence) {
  Frame frame;
  frame.image = std::make_shared<const Dmabuf>();
  frame.sequence = sequence;
  return frame;
}

}  // namespace

TEST_CASE("a latched dmabuf is taken when the next picture has come, or when its time is over") {
  FrameMailbox mailbox(10min);
  const std::stop_token stop;
  const auto now = [] { return monotonic_now(); };
  mailbox.put(dmabuf_picture(1));
  CHECK_FALSE(mailbox.take(stop, now()));
  mailbox.put(dmabuf_picture(2));
  CHECK(mailbox.take(stop, now())->sequence == 1);
  CHECK_FALSE(mailbox.take(stop, now()));

  SECTION("the pointer's news join it without setting it free") {
    Frame news;
    news.sequence = 3;
    news.cursor = CursorState{.visible = true, .position = {5, 6}, .hotspot = {}, .bitmap = nullptr};
    mailbox.put(std::move(news));
    CHECK_FALSE(mailbox.take(stop, now()));
    mailbox.put(dmabuf_picture(4));
    const auto frame = mailbox.take(stop, now());
    REQUIRE(frame);
    CHECK(frame->has_image());
    CHECK(frame->cursor->position == Point{5, 6});
  }
  SECTION("pictures that need no latch are free at once, and what is behind them too") {
    mailbox.put(picture(3));
    CHECK(mailbox.take(stop, now())->sequence == 3);
    CHECK(mailbox.overwritten() == 1);
  }
  SECTION("the last one is there when nothing comes any more") {
    mailbox.unlatch();
    CHECK(mailbox.take(stop, now())->sequence == 2);
    mailbox.unlatch();
    CHECK_FALSE(mailbox.take(stop, now()));
  }
  SECTION("closing drops it") {
    mailbox.close();
    mailbox.unlatch();
    CHECK_FALSE(mailbox.take(stop, now()));
  }
}

TEST_CASE("a static screen's last picture comes out of the latch by itself, also to one who waits already") {
  FrameMailbox mailbox(5ms);
  std::optional<Frame> got;
  {
    const std::jthread taker([&] { got = mailbox.take({}, monotonic_now() + 20s); });
    std::this_thread::sleep_for(2ms);
    mailbox.put(dmabuf_picture(1));
  }
  REQUIRE(got);
  CHECK(got->sequence == 1);
}

TEST_CASE("an explicitly synchronised picture needs no latch") {
  struct Never final : Timeline {
    Result<void> wait(std::uint64_t, Nanoseconds) override { return {}; }
    void signal(std::uint64_t) noexcept override {}
  };
  FrameMailbox mailbox(10min);
  Frame frame = dmabuf_picture(1);
  frame.acquire = {std::make_shared<Never>(), 1};
  mailbox.put(std::move(frame));
  CHECK(mailbox.take({}, monotonic_now()));
}

TEST_CASE("a closed mailbox takes nothing and counts nothing") {
  FrameMailbox mailbox;
  const std::stop_source stop;
  mailbox.put(picture(1));
  mailbox.close();
  mailbox.put(picture(2));
  mailbox.put(picture(3));
  CHECK(mailbox.overwritten() == 0);
  CHECK_FALSE(mailbox.take(stop.get_token(), monotonic_now() + 1ms));
  mailbox.reopen();
  mailbox.put(picture(4));
  CHECK(mailbox.take(stop.get_token(), monotonic_now() + 1s));
}

TEST_CASE("a waiting take ends on stop and on wake") {
  FrameMailbox mailbox;
  std::stop_source stop;
  {
    const std::jthread waker([&] { mailbox.wake(); });
    CHECK_FALSE(mailbox.take(stop.get_token(), std::nullopt));
  }
  const std::jthread stopper([&] { stop.request_stop(); });
  CHECK_FALSE(mailbox.take(stop.get_token(), std::nullopt));
}

TEST_CASE("every frame put is either taken or counted, under load") {
  FrameMailbox mailbox({}, GENERATE(std::size_t{1}, FrameMailbox::kMostFrames));
  std::stop_source stop;
  constexpr std::uint64_t kFrames = 20'000;
  const std::jthread producer([&] {
    for (std::uint64_t i = 1; i <= kFrames; ++i) {
      Frame frame = picture(i);
      frame.spare = static_cast<std::uint32_t>(i % 8);
      mailbox.put(std::move(frame));
    }
  });
  std::uint64_t taken = 0;
  std::uint64_t last = 0;
  while (last < kFrames) {
    const auto frame = mailbox.take(stop.get_token(), std::nullopt);
    REQUIRE(frame);
    REQUIRE(frame->sequence > last);
    last = frame->sequence;
    ++taken;
  }
  CHECK(taken + mailbox.overwritten() == kFrames);
}

TEST_CASE("a blocking ring loses nothing") {
  EncodeRing ring(3, RingPolicy::Block);
  std::atomic<int> taken = 0;
  const std::jthread producer([&] {
    for (int i = 0; i < 1000; ++i) taken += ring.push(job(i)) ? 1 : 0;
    ring.close();
  });
  int expected = 0;
  while (const auto j = ring.pop()) {
    REQUIRE(j->captured == Nanoseconds(expected));
    ++expected;
  }
  CHECK(expected == 1000);
  CHECK(taken == 1000);
  CHECK(ring.dropped() == 0);
}

TEST_CASE("a live ring drops its oldest and counts pictures only") {
  EncodeRing ring(2, RingPolicy::DropOldest);
  CHECK(ring.push(job(1)));
  CHECK(ring.push(job(2, true)));
  CHECK(ring.push(job(3)));
  CHECK(ring.push(job(4)));
  CHECK(ring.dropped() == 1);
  CHECK(ring.depth() == 2);
  CHECK(ring.pop()->captured == Nanoseconds(3));
  CHECK(ring.pop()->captured == Nanoseconds(4));
  ring.close();
  CHECK_FALSE(ring.pop());
  CHECK_FALSE(ring.push(job(5)));
}

TEST_CASE("the ring's end ends the wait for room") {
  EncodeRing ring(1, RingPolicy::Block);
  REQUIRE(ring.push(job(1)));
  const std::jthread closer([&] { ring.close(); });
  CHECK_FALSE(ring.push(job(2)));
  CHECK(ring.pop()->captured == Nanoseconds(1));
}
