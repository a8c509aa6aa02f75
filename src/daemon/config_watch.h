#pragma once

#include "base/error.h"
#include "base/unique_fd.h"
#include "daemon/event_loop.h"

#include <functional>
#include <memory>
#include <string>

namespace zc::daemon {

/// Tells when a file was written, put in place, or removed, a moment after the last of several changes. Of the loop's
/// thread.
class ConfigWatch {
 public:
  /// NotFound: the file's folder does not exist, or the file is a device or the like.
  [[nodiscard]] static Result<std::unique_ptr<ConfigWatch>> start(EventLoop& loop, const std::string& path,
                                                                  std::function<void()> changed);
  ConfigWatch(const ConfigWatch&) = delete;
  ConfigWatch& operator=(const ConfigWatch&) = delete;
  ~ConfigWatch() = default;

 private:
  ConfigWatch(EventLoop& loop, UniqueFd inotify, std::string file, std::function<void()> changed)
      : loop_(loop), inotify_(std::move(inotify)), file_(std::move(file)), changed_(std::move(changed)) {}
  void read();

  EventLoop& loop_;
  UniqueFd inotify_;
  const std::string file_;  ///< name in the folder
  const std::function<void()> changed_;
  EventSource readable_;
  EventSource settled_;
};

}  // namespace zc::daemon
