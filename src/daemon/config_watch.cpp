#include "daemon/config_watch.h"

#include "base/log.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
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

/// As many as the kernel follows.
constexpr std::size_t kMostLinks = 40;

/// The file, then what each link leads to.
std::vector<std::filesystem::path> links_from(std::filesystem::path file) {
  std::vector<std::filesystem::path> links;
  std::error_code error;
  while (links.size() < kMostLinks) {
    links.push_back(file);
    const auto target = std::filesystem::read_symlink(file, error);
    if (error) break;  // no link: the end
    file = file.parent_path() / target;
  }
  return links;
}

}  // namespace

Result<std::unique_ptr<ConfigWatch>> ConfigWatch::start(EventLoop& loop, const std::string& path,
                                                        std::function<void()> changed) {
  const std::filesystem::path file(path);
  std::error_code error;
  if (std::filesystem::exists(file, error) && !std::filesystem::is_regular_file(file, error)) {
    // /dev/null, say: everybody writes to it, and it never changes.
    return fail(ErrorKind::NotFound, "watch " + path, "it is no regular file");
  }
  std::unique_ptr<ConfigWatch> watch(new ConfigWatch(loop, file, std::move(changed)));
  if (auto watched = watch->watch(); !watched) return std::unexpected(std::move(watched.error()));
  return watch;
}

Result<void> ConfigWatch::watch() {
  UniqueFd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify) return fail_errno(errno, "watch " + file_.native());
  std::vector<std::filesystem::path> links = links_from(file_);
  std::vector<Name> names;
  for (const std::filesystem::path& link : links) {
    const std::string folder = link.parent_path().empty() ? "." : link.parent_path().native();
    const int watch = ::inotify_add_watch(inotify.get(), folder.c_str(), kEvents);
    if (watch < 0 && names.empty()) return fail_errno(errno, "watch " + folder);
    if (watch < 0) break;  // a link to a folder that is not there
    names.push_back({watch, link.filename().native()});
  }
  auto readable = loop_.on_readable(inotify.get(), [this] { read(); });
  if (!readable) return std::unexpected(std::move(readable.error()));
  readable_ = *std::move(readable);
  inotify_ = std::move(inotify);
  links_ = std::move(links);
  names_ = std::move(names);
  return {};
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
      const char* name = event.len > 0 ? bytes.data() + at + sizeof event : "";
      const auto ours = [&](const Name& one) { return one.watch == event.wd && one.name == name; };
      touched = touched || std::ranges::any_of(names_, ours) || (event.mask & IN_Q_OVERFLOW) != 0;
      at += sizeof event + event.len;
    }
  }
  if (!touched) return;
  if (links_from(file_) != links_) {
    if (auto watched = watch(); !watched) logger("daemon").warn("{}", watched.error().message());
  }
  if (auto timer = loop_.after(kSettle, changed_)) settled_ = *std::move(timer);
}

}  // namespace zc::daemon
