#pragma once

#include "base/unique_fd.h"
#include "ipc/channel.h"
#include "ipc/message.h"
#include "session/recording.h"
#include "worker/reporter.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

namespace zc {

/// Reads the daemon's requests on a thread of its own, carries them out and has them answered. A daemon that is gone
/// means Stop.
class RequestServer {
 public:
  RequestServer(const Channel& channel, Reporter& reporter);
  RequestServer(const RequestServer&) = delete;
  RequestServer& operator=(const RequestServer&) = delete;
  ~RequestServer();

  /// Requested by Stop.
  [[nodiscard]] std::stop_token stop_token() const { return stop_.get_token(); }
  /// Whom requests are for from now on; it outlives its being set. nullptr: nobody yet, or nobody any more.
  void serve(Recording* recording);

 private:
  struct Aside {
    std::shared_ptr<std::atomic<bool>> over;
    std::jthread thread;
  };

  void run();
  void carry_out(Request request);
  [[nodiscard]] Result<std::string> do_now(const Request& request);
  /// Saves a replay or a snapshot, removes a sink or adds a layer, which may take as long as a disk or a person does;
  /// or waits until everything is let go of.
  void do_aside(Request request);
  [[nodiscard]] static Result<std::string> take_time(Recording& recording, const Request& request);
  void stop();

  const Channel& channel_;
  Reporter& reporter_;
  UniqueFd quit_;  ///< eventfd
  std::stop_source stop_;
  std::mutex mutex_;
  Recording* recording_ = nullptr;
  bool paused_by_user_ = false;
  bool asleep_ = false;
  bool has_slept_ = false;  ///< before there was a recording
  std::vector<Aside> aside_;
  std::jthread thread_;  // last: it uses everything above
};

}  // namespace zc
