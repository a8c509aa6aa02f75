#include "session/parked_thread.h"

#include <mutex>
#include <utility>
#include <vector>

namespace zc {
namespace {

struct Parked {
  std::mutex mutex;
  std::vector<std::jthread> threads;
};

/// Never destroyed: a jthread's destructor would wait.
Parked& parked() {
  static auto* const kParked = new Parked;
  return *kParked;
}

}  // namespace

void park(std::jthread thread) {
  const std::lock_guard lock(parked().mutex);
  parked().threads.push_back(std::move(thread));
}

std::size_t parked_threads() {
  const std::lock_guard lock(parked().mutex);
  return parked().threads.size();
}

}  // namespace zc
