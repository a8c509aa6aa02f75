#include "daemon/config_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

namespace zc::daemon {
namespace {

/// Editors write, rename and touch in quick succession.
constexpr Nanoseconds kSettle = std::chrono::milliseconds(200);
constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE;

}  // namespace

Result<std::unique_ptr<ConfigWatch>> ConfigWatch::start(EventLoop& loop, const std::string& path,
                                                        std::function<void()> changed) {
  const std::filesystem::path file(path);
  std::error_code error;
  if (std::filesystem::exists(file, error) && !std::filesystem::is_regular_file(file, error)) {
    // /dev/null, say: everybody writes to it, and it never changes.
    return fail(ErrorKind::NotFound, "watch " + path, "it is no regular file");
  }
  const std::string folder = file.parent_path().empty() ? "." : file.parent_path().string();
  UniqueFd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify) return fail_errno(errno, "watch " + folder);
  if (::inotify_add_watch(inotify.get(), folder.c_str(), kEvents) < 0) return fail_errno(errno, "watch " + folder);
  std::unique_ptr<ConfigWatch> watch(
      new ConfigWatch(loop, std::move(inotify), file.filename().string(), std::move(changed)));
  auto readable = loop.on_readable(watch->inotify_.get(), [watch = watch.get()] { watch->read(); });
  if (!readable) return std::unexpected(std::move(readable.error()));
  watch->readable_ = *std::move(readable);
  return watch;
}

void ConfigWatch::read() {
  alignas(inotify_event) std::array<char, 4096> bytes{};
  bool touched = false;
  while (true) {
    const ssize_t got = ::read(inotify_.get(), bytes.data(), bytes.size());
    if (got <= 0) break;
    for (std::size_t at = 0; at + sizeof(inotify_event) <= static_cast<std::size_t>(got);) {
      inotify_event event{};
      std::memcpy(&event, bytes.data() + at, sizeof event);
      const char* name = bytes.data() + at + sizeof event;
      touched = touched || (event.len > 0 && file_ == name) || (event.mask & IN_Q_OVERFLOW) != 0;
      at += sizeof event + event.len;
    }
  }
  if (!touched) return;
  if (auto timer = loop_.after(kSettle, changed_)) settled_ = *std::move(timer);
}

}  // namespace zc::daemon
