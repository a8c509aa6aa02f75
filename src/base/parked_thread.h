// Threads that stand in a call which does not return.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <thread>

namespace zc {

/// Set by a thread when nothing of its work is left but to end.
using LeftFlag = std::shared_ptr<std::atomic<bool>>;
[[nodiscard]] inline LeftFlag make_left_flag() { return std::make_shared<std::atomic<bool>>(false); }

/// Takes over a thread that a driver does not let go. It cannot be ended from outside, nor joined without waiting for
/// that driver; it is kept, owned, until it has left after all or the process ends, and whatever its function owns
/// lives as long. Nothing else may depend on it any more. Any thread.
void park(std::jthread thread, LeftFlag left);

/// How many still stand there. A process that has some should end by std::_Exit(): the end of static objects, the
/// drivers' own among them, could wait for such a thread for ever. Any thread.
[[nodiscard]] std::size_t parked_threads();

}  // namespace zc
