#include "base/parked_thread.h"

#include <mutex>
#include <utility>
#include <vector>

namespace zc {
namespace {

struct Parked {
  std::jthread thread;
  LeftFlag left;
};

struct Park {
  std::mutex mutex;
  std::vector<Parked> threads;
};

/// Never destroyed: a jthread's destructor would wait.
Park& the_park() {
  static auto* const kPark = new Park;
  return *kPark;
}

}  // namespace

void park(std::jthread thread, LeftFlag left) {
  const std::lock_guard lock(the_park().mutex);
  the_park().threads.push_back({std::move(thread), std::move(left)});
}

std::size_t parked_threads() {
  const std::lock_guard lock(the_park().mutex);
  std::erase_if(the_park().threads, [](const Parked& parked) { return parked.left->load(std::memory_order_acquire); });
  return the_park().threads.size();
}

}  // namespace zc
