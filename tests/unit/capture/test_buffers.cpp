#include "capture/pipewire_errors.h"
#include "capture/plane_layout.h"
#include "capture/return_queue.h"
#include "capture/shared_mapping.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

using namespace zc;

namespace {

UniqueFd memory(std::size_t size) {
  UniqueFd fd(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  REQUIRE(::ftruncate(fd.get(), static_cast<off_t>(size)) == 0);
  return fd;
}

bool readable(int fd) {
  pollfd p{fd, POLLIN, 0};
  return ::poll(&p, 1, 0) == 1;
}

}  // namespace

TEST_CASE("leases come back to the queue once each, and wake it") {
  auto made = ReturnQueue::create();
  REQUIRE(made);
  std::shared_ptr<ReturnQueue> queue = *made;
  std::vector<std::size_t> returned;
  const auto collect = [&] {
    returned.clear();
    queue->clear_event();
    queue->collect([&](std::size_t slot) { returned.push_back(slot); });
    std::ranges::sort(returned);
  };
  BufferLease a = ReturnQueue::lend(queue, 0);
  BufferLease b = ReturnQueue::lend(queue, 63);
  BufferLease c = ReturnQueue::lend(queue, 64);
  BufferLease d = ReturnQueue::lend(queue, ReturnQueue::kSlots - 1);
  collect();
  CHECK(returned.empty());
  CHECK_FALSE(readable(queue->event_fd()));
  a.reset();
  a.reset();
  const BufferLease moved = std::move(c);
  c.reset();
  d.reset();
  CHECK(readable(queue->event_fd()));
  collect();
  CHECK(returned == std::vector<std::size_t>{0, ReturnQueue::kSlots - 1});
  CHECK_FALSE(readable(queue->event_fd()));
  b.reset();
  collect();
  CHECK(returned == std::vector<std::size_t>{63});
  // A producer that has enough gets it with its next picture.
  BufferLease quiet = ReturnQueue::lend(queue, 5);
  queue->set_spare(ReturnQueue::kEnough);
  quiet.reset();
  CHECK_FALSE(readable(queue->event_fd()));
  BufferLease loud = ReturnQueue::lend(queue, 6);
  queue->set_spare(ReturnQueue::kEnough - 1);
  loud.reset();
  CHECK(readable(queue->event_fd()));
  collect();
  CHECK(returned == std::vector<std::size_t>{5, 6});
  // The queue may go first.
  queue.reset();
  made->reset();
}

TEST_CASE("no return is lost among threads") {
  const auto queue = *ReturnQueue::create();
  std::array<std::atomic<int>, ReturnQueue::kSlots> out{};
  std::atomic<std::uint64_t> total = 0;
  constexpr std::uint64_t kReturns = 20'000;
  std::mutex mutex;
  std::vector<BufferLease> held;
  std::vector<std::jthread> threads;
  std::atomic<bool> done = false;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!done) {
        BufferLease lease;
        const std::lock_guard lock(mutex);
        if (held.empty()) continue;
        lease = std::move(held.back());
        held.pop_back();
      }
    });
  }
  std::uint64_t wrong = 0;
  for (std::uint64_t lent = 0; total < kReturns;) {
    for (std::size_t slot = 0; slot < ReturnQueue::kSlots && lent < kReturns; ++slot) {
      if (out.at(slot).exchange(1) == 1) continue;
      const std::lock_guard lock(mutex);
      held.push_back(ReturnQueue::lend(queue, slot));
      ++lent;
    }
    pollfd p{queue->event_fd(), POLLIN, 0};
    if (::poll(&p, 1, 10'000) != 1) {
      ++wrong;  // a wake-up is missing
      break;
    }
    queue->clear_event();
    queue->collect([&](std::size_t slot) {
      wrong += out.at(slot).exchange(0) == 1 ? 0U : 1U;
      ++total;
    });
  }
  done = true;
  threads.clear();
  CHECK(wrong == 0);
  CHECK(total == kReturns);
}

TEST_CASE("a mapping begins anywhere and ends where the file does") {
  const UniqueFd fd = memory(10'000);
  const std::string text = "here";
  REQUIRE(::pwrite(fd.get(), text.data(), text.size(), 5001) == 4);
  const auto mapping = SharedMapping::create(fd.get(), 5001, 4);
  REQUIRE(mapping);
  CHECK((*mapping)->bytes().size() == 4);
  CHECK(std::memcmp((*mapping)->bytes().data(), text.data(), 4) == 0);
  CHECK((*SharedMapping::create(fd.get(), 9000, 0))->bytes().size() == 1000);
  CHECK((*SharedMapping::create(fd.get(), 9000, 0xffffffff))->bytes().size() == 1000);
  CHECK_FALSE(SharedMapping::create(fd.get(), 10'000, 1));
  CHECK_FALSE(SharedMapping::create(fd.get(), std::numeric_limits<std::uint64_t>::max(), 1));
  CHECK_FALSE(SharedMapping::create(-1, 0, 1));
}

TEST_CASE("a mapping outlives its fd and notices a truncation") {
  UniqueFd fd = memory(8192);
  const auto open = *SharedMapping::create(fd.get(), 0, 8192);
  CHECK(open->intact());
  const auto copy = *fd.dup();
  fd.reset();
  CHECK(open->bytes()[8191] == std::byte{0});
  REQUIRE(::ftruncate(copy.get(), 4096) == 0);
  CHECK_FALSE(open->intact());

  const UniqueFd sealed = memory(4096);
  REQUIRE(::fcntl(sealed.get(), F_ADD_SEALS, F_SEAL_SHRINK) == 0);
  const auto safe = *SharedMapping::create(sealed.get(), 0, 4096);
  CHECK(::ftruncate(sealed.get(), 1) != 0);
  CHECK(safe->intact());
}

TEST_CASE("planes in one block follow each other, planes in several begin where they say") {
  const std::array one{ChunkView{10, 0, 40, false}};
  const auto nv12 = lay_out_planes(PixelFormat::NV12, {33, 17}, one);
  REQUIRE(nv12);
  CHECK((*nv12)[1].offset_bytes == 10 + 40 * 17);
  CHECK((*nv12)[1].stride_bytes == 40);
  const auto i420 = lay_out_planes(PixelFormat::I420, {33, 17}, one);
  REQUIRE(i420);
  CHECK((*i420)[1].stride_bytes == 20);
  CHECK((*i420)[2].offset_bytes == 10 + 40 * 17 + 20 * 9);
  const std::array three{ChunkView{1, 0, 64, false}, ChunkView{2, 0, 32, false}, ChunkView{3, 0, 0, false}};
  const auto own = lay_out_planes(PixelFormat::I420, {33, 17}, three);
  REQUIRE(own);
  CHECK((*own)[2].block == 2);
  CHECK((*own)[2].offset_bytes == 3);
  CHECK((*own)[2].stride_bytes == 17);
  CHECK_FALSE(lay_out_planes(PixelFormat::I420, {33, 17}, std::span(three).first(2)));
  CHECK_FALSE(lay_out_planes(PixelFormat::I420, {33, 17}, {}));
  CHECK_FALSE(lay_out_planes(PixelFormat::Unknown, {33, 17}, one));
  CHECK_FALSE(lay_out_planes(PixelFormat::BGRx, {0, 17}, one));
}

TEST_CASE("a picture must lie inside its memory and its chunk") {
  constexpr Size kSize{10, 4};
  const std::vector<std::byte> memory_block(40 * 4 + 8);
  const auto view = [&](ChunkView chunk, std::size_t bytes) {
    const std::array block{BlockView{std::span(memory_block).first(bytes), chunk}};
    return view_planes(PixelFormat::BGRx, kSize, block);
  };
  const auto good = view({8, 160, 40, false}, 168);
  REQUIRE(good);
  CHECK((*good)[0].data == memory_block.data() + 8);
  CHECK((*good)[0].stride_bytes == 40);
  CHECK(view({0, 160, 0, false}, 160));
  CHECK_FALSE(view({8, 160, 40, false}, 167));
  CHECK_FALSE(view({8, 159, 40, false}, 168));
  CHECK_FALSE(view({0, 160, 39, false}, 160));
  CHECK_FALSE(view({0, 160, -40, false}, 160));
  CHECK_FALSE(view({0, 0xffffffff, std::numeric_limits<std::int32_t>::max(), false}, 168));
  CHECK_FALSE(view({0xffffffff, 0xffffffff, 40, false}, 168));
  CHECK_FALSE(view({0, 160, std::numeric_limits<std::int32_t>::min(), false}, 168));
}

TEST_CASE("PipeWire's words become kinds") {
  CHECK(stream_error("no more input formats", "x").kind == ErrorKind::Unsupported);
  CHECK(stream_error("Buffer allocation failed", "x").kind == ErrorKind::Unsupported);
  CHECK(stream_error("no target node available", "x").kind == ErrorKind::NotFound);
  CHECK(stream_error("Permission denied", "x").kind == ErrorKind::Denied);
  CHECK(stream_error("", "x").kind == ErrorKind::Lost);
  CHECK(stream_error("connection error", "capture y").message() == "capture y: connection error");
}
