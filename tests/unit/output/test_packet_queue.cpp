#include "output/packet_queue.h"

#include <catch2/catch_test_macros.hpp>

#include <atomic>
#include <memory>
#include <thread>

extern "C" {
#include <libavutil/buffer.h>
}

using namespace zc;
using std::chrono::milliseconds;

namespace {

Packet make_packet(std::int64_t pts, bool keyframe = false, std::size_t bytes = 100) {
  AvBufferPtr buffer(av_buffer_allocz(bytes));
  const std::span<const std::byte> view(reinterpret_cast<const std::byte*>(buffer->data), bytes);
  Packet packet(std::move(buffer), view);
  packet.pts = packet.dts = pts;
  packet.keyframe = keyframe;
  return packet;
}

constexpr milliseconds kLong{20'000};  // a test that waits this long has failed
using Push = PacketQueue::Push;
using Pop = PacketQueue::Pop;

}  // namespace

TEST_CASE("packets come out as they went in") {
  PacketQueue queue(QueuePolicy::Block, {.packets = 4, .bytes = 1000});
  Packet packet;
  CHECK(queue.pop(packet, milliseconds(1)) == Pop::TimedOut);
  for (std::int64_t round = 0; round < 5; ++round) {
    for (std::int64_t i = 0; i < 3; ++i) CHECK(queue.push(make_packet(round * 3 + i)) == Push::Queued);
    CHECK(queue.counters().packets == 3);
    CHECK(queue.counters().bytes == 300);
    for (std::int64_t i = 0; i < 3; ++i) {
      REQUIRE(queue.pop(packet, kLong) == Pop::Packet);
      CHECK(packet.pts == round * 3 + i);
    }
  }
  CHECK(queue.counters().bytes == 0);
  CHECK(queue.counters().pushed == 15);
  CHECK(queue.counters().dropped == 0);
}

TEST_CASE("a blocking queue makes the producer wait and drops nothing") {
  for (const QueueLimits limits :
       {QueueLimits{.packets = 3, .bytes = 1 << 20}, QueueLimits{.packets = 100, .bytes = 300}}) {
    PacketQueue queue(QueuePolicy::Block, limits);
    const std::jthread producer([&] {
      for (std::int64_t i = 0; i < 500; ++i) static_cast<void>(queue.push(make_packet(i)));
      queue.close();
    });
    Packet packet;
    std::int64_t expected = 0;
    while (queue.pop(packet, kLong) == Pop::Packet) {
      CHECK(packet.pts == expected++);
      const auto counters = queue.counters();
      if (counters.packets > 3 || counters.bytes > 300) FAIL("over the limit");
    }
    CHECK(expected == 500);
    CHECK(queue.counters().dropped == 0);
  }
}

TEST_CASE("close wakes a waiting producer and lets the consumer finish") {
  PacketQueue queue(QueuePolicy::Block, {.packets = 1, .bytes = 1000});
  CHECK(queue.push(make_packet(1)) == Push::Queued);
  std::atomic<Push> second{Push::Queued};
  std::jthread producer([&] { second = queue.push(make_packet(2)); });
  while (queue.counters().pushed < 2) std::this_thread::yield();
  queue.close();
  producer.join();
  CHECK(second == Push::Closed);
  Packet packet;
  CHECK(queue.pop(packet, kLong) == Pop::Packet);
  CHECK(queue.pop(packet, kLong) == Pop::Closed);
  CHECK(queue.push(make_packet(3)) == Push::Closed);
  CHECK(queue.counters().dropped == 2);
}

TEST_CASE("abort throws away what is queued") {
  PacketQueue queue(QueuePolicy::Block, {});
  CHECK(queue.push(make_packet(1)) == Push::Queued);
  queue.abort();
  Packet packet;
  CHECK(queue.pop(packet, kLong) == Pop::Closed);
  CHECK(queue.counters().dropped == 1);
}

TEST_CASE("a full live queue drops to the next keyframe and asks once") {
  PacketQueue queue(QueuePolicy::DropToKeyframe, {.packets = 3, .bytes = 1 << 20});
  CHECK(queue.push(make_packet(0, true)) == Push::Queued);
  CHECK(queue.push(make_packet(1)) == Push::Queued);
  CHECK(queue.push(make_packet(2)) == Push::Queued);
  CHECK(queue.push(make_packet(3)) == Push::KeyframeWanted);
  CHECK(queue.counters().packets == 0);
  CHECK(queue.counters().dropped == 4);
  CHECK(queue.push(make_packet(4)) == Push::Dropped);
  CHECK(queue.push(make_packet(5, true)) == Push::Queued);
  CHECK(queue.push(make_packet(6)) == Push::Queued);
  Packet packet;
  REQUIRE(queue.pop(packet, kLong) == Pop::Packet);
  CHECK(packet.pts == 5);
  CHECK(packet.keyframe);
  CHECK(queue.counters().dropped == 5);
}

TEST_CASE("a keyframe that finds the queue full is kept itself") {
  PacketQueue queue(QueuePolicy::DropToKeyframe, {.packets = 2, .bytes = 1 << 20});
  CHECK(queue.push(make_packet(0, true)) == Push::Queued);
  CHECK(queue.push(make_packet(1)) == Push::Queued);
  CHECK(queue.push(make_packet(2, true)) == Push::Queued);
  CHECK(queue.counters().packets == 1);
  Packet packet;
  REQUIRE(queue.pop(packet, kLong) == Pop::Packet);
  CHECK(packet.pts == 2);
}

TEST_CASE("bytes bound a queue too, but a lone packet always fits") {
  PacketQueue queue(QueuePolicy::DropToKeyframe, {.packets = 100, .bytes = 1000});
  CHECK(queue.push(make_packet(0, true, 5000)) == Push::Queued);
  CHECK(queue.push(make_packet(1, false, 10)) == Push::KeyframeWanted);
  CHECK(queue.push(make_packet(2, true, 600)) == Push::Queued);
  CHECK(queue.push(make_packet(3, false, 400)) == Push::Queued);
  CHECK(queue.push(make_packet(4, false, 1)) == Push::KeyframeWanted);
}

TEST_CASE("restarting empties the queue and waits for a keyframe") {
  PacketQueue queue(QueuePolicy::DropToKeyframe, {});
  CHECK(queue.push(make_packet(0, true)) == Push::Queued);
  queue.restart_at_keyframe();
  CHECK(queue.push(make_packet(1)) == Push::Dropped);
  CHECK(queue.push(make_packet(2, true)) == Push::Queued);
  CHECK(queue.counters().packets == 1);
}

TEST_CASE("what a dropped packet says of the stream, the next keyframe says") {
  PacketQueue queue(QueuePolicy::DropToKeyframe, {.packets = 2, .bytes = 1 << 20});
  const auto stream = [](unsigned width) {
    auto parameters = std::make_shared<StreamParameters>();
    parameters->size = {width, 8};
    return parameters;
  };
  Packet first = make_packet(0, true);
  first.new_stream = stream(16);
  CHECK(queue.push(first) == Push::Queued);
  CHECK(queue.push(make_packet(1)) == Push::Queued);
  CHECK(queue.push(make_packet(2)) == Push::KeyframeWanted);
  CHECK(queue.push(make_packet(3, true)) == Push::Queued);
  CHECK(queue.push(make_packet(4, true)) == Push::Queued);
  Packet packet;
  REQUIRE(queue.pop(packet, kLong) == Pop::Packet);
  REQUIRE(packet.new_stream);
  CHECK(packet.new_stream->size.width == 16);
  REQUIRE(queue.pop(packet, kLong) == Pop::Packet);
  CHECK_FALSE(packet.new_stream);

  // Its own is newer.
  CHECK(queue.push(first) == Push::Queued);
  queue.restart_at_keyframe();
  Packet second = make_packet(6, true);
  second.new_stream = stream(32);
  CHECK(queue.push(second) == Push::Queued);
  CHECK(queue.push(make_packet(7, true)) == Push::Queued);
  REQUIRE(queue.pop(packet, kLong) == Pop::Packet);
  REQUIRE(packet.new_stream);
  CHECK(packet.new_stream->size.width == 32);
  REQUIRE(queue.pop(packet, kLong) == Pop::Packet);
  CHECK_FALSE(packet.new_stream);
}

TEST_CASE("the oldest packet counts until the next one is asked for") {
  PacketQueue queue(QueuePolicy::DropToKeyframe, {.packets = 4, .bytes = 1000});
  CHECK_FALSE(queue.oldest());
  const Nanoseconds before = monotonic_now();
  CHECK(queue.push(make_packet(0, true)) == Push::Queued);
  const Nanoseconds between = monotonic_now();
  CHECK(queue.push(make_packet(1)) == Push::Queued);
  const auto first = queue.oldest();
  REQUIRE(first);
  CHECK(*first >= before);
  CHECK(*first <= between);
  Packet packet;
  CHECK(queue.pop(packet, kLong) == Pop::Packet);
  CHECK(queue.oldest() == first);  // in hand
  CHECK(queue.pop(packet, kLong) == Pop::Packet);
  const auto second = queue.oldest();
  REQUIRE(second);
  CHECK(*second >= between);
  queue.restart_at_keyframe();
  CHECK_FALSE(queue.oldest());
}
