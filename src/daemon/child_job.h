// A command of zerocast's own, run beside the daemon for what it prints.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "daemon/event_loop.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace zc::daemon {

/// Of the loop's thread. Its end kills the process.
class ChildJob {
 public:
  struct Outcome {
    int exit_code = -1;  ///< -1: killed by a signal, or by us when its time was over
    std::string out;     ///< all of stdout
    std::string errors;  ///< all of stderr
  };
  using Done = std::function<void(Outcome)>;

  /// `done` is called once, from the loop; it may end the job.
  [[nodiscard]] static Result<std::unique_ptr<ChildJob>> start(EventLoop& loop, const std::string& program,
                                                               const std::vector<std::string>& arguments,
                                                               Nanoseconds limit, Done done);
  ChildJob(const ChildJob&) = delete;
  ChildJob& operator=(const ChildJob&) = delete;
  ~ChildJob();

 private:
  struct Stream {
    UniqueFd pipe;
    EventSource source;
    std::string text;
  };
  ChildJob() = default;
  void read(Stream& stream);
  void finish_if_over();

  pid_t child_ = -1;
  Stream out_;
  Stream errors_;
  EventSource exit_;
  EventSource limit_;
  Outcome outcome_;
  Done done_;
};

}  // namespace zc::daemon
