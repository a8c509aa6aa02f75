#pragma once

#include "base/error.h"
#include "base/unique_fd.h"
#include "session/recording.h"

#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>

namespace zc {

/// Before any thread starts, so that all inherit it: SIGINT, SIGTERM, SIGHUP and SIGUSR1 are for Signals.
void block_signals();

/// Takes SIGINT, SIGTERM and SIGHUP, which every thread blocks, on its own thread: the first requests a clean end, the
/// second ends the process at once (what is written stays playable, as after any kill). SIGUSR1 asks for a keyframe.
class Signals {
 public:
  [[nodiscard]] static Result<std::unique_ptr<Signals>> create(std::stop_source stop);
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;
  ~Signals();

  /// Whom SIGUSR1 is for from now on; it outlives its being set. nullptr: nobody.
  void set_recording(Recording* recording);

 private:
  Signals(UniqueFd signal_fd, UniqueFd quit_fd, std::stop_source stop);
  void watch();

  UniqueFd signal_fd_;
  UniqueFd quit_fd_;
  std::stop_source stop_;
  std::mutex mutex_;
  Recording* recording_ = nullptr;
  std::jthread thread_;
};

}  // namespace zc
