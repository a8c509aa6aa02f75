// Threads that stand in a call which does not return.
#pragma once

#include <cstddef>
#include <thread>

namespace zc {

/// Takes over a thread that a driver does not let go. It cannot be ended from outside, nor joined without waiting for
/// that driver; it is kept, owned, until the process ends, and whatever its function owns lives as long. Nothing else
/// may depend on it any more. Any thread.
void park(std::jthread thread);

/// How many are kept. A process that has some should end by std::_Exit(): the end of static objects, the drivers' own
/// among them, could wait for such a thread for ever.
[[nodiscard]] std::size_t parked_threads();

}  // namespace zc
