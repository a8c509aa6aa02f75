#pragma once

#include "base/error.h"
#include "base/unique_fd.h"
#include "daemon/event_loop.h"

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace zc::daemon {

/// Tells when a file, or what it is a symbolic link to, was written, put in place, or removed, a moment after the last
/// of several changes. Of the loop's thread.
class ConfigWatch {
 public:
  /// NotFound: the file's folder does not exist, or the file is a device or the like.
  [[nodiscard]] static Result<std::unique_ptr<ConfigWatch>> start(EventLoop& loop, const std::string& path,
                                                                  std::function<void()> changed);
  ConfigWatch(const ConfigWatch&) = delete;
  ConfigWatch& operator=(const ConfigWatch&) = delete;
  ~ConfigWatch() = default;

 private:
  /// A name in a folder that is watched.
  struct Name {
    int watch = -1;
    std::string name;
  };

  ConfigWatch(EventLoop& loop, std::filesystem::path file, std::function<void()> changed)
      : loop_(loop), file_(std::move(file)), changed_(std::move(changed)) {}
  /// The folders of the file and of each link's target, as they are now.
  [[nodiscard]] Result<void> watch();
  void read();

  EventLoop& loop_;
  const std::filesystem::path file_;
  const std::function<void()> changed_;
  std::vector<std::filesystem::path> links_;  ///< file_, and what each leads to
  std::vector<Name> names_;                   ///< of links_
  UniqueFd inotify_;
  EventSource readable_;
  EventSource settled_;
};

}  // namespace zc::daemon
