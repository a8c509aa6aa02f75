#include "base/private_file.h"

#include "base/clock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <thread>

namespace zc {
namespace {

constexpr std::chrono::seconds kLockPatience{2};

std::optional<std::filesystem::path> absolute_from(const char* variable) {
  const char* value = std::getenv(variable);
  if (value == nullptr || *value != '/') return std::nullopt;
  return std::filesystem::path(value);
}

Result<void> write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(fd, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return fail_errno(errno, "write");
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

}  // namespace

Result<std::filesystem::path> xdg_folder(const char* variable, std::string_view below_home) {
  if (auto named = absolute_from(variable)) return *named;
  const auto home = absolute_from("HOME");
  if (home) return *home / below_home;
  return fail(ErrorKind::NotFound, fmt::format("find ~/{}", below_home),
              fmt::format("neither {} nor HOME holds an absolute path", variable));
}

Result<void> make_private_folders(const std::filesystem::path& folder) {
  std::filesystem::path path;
  for (const auto& part : folder) {
    path /= part;
    if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST && errno != EISDIR) {
      // An unreadable or read-only parent that exists answers EACCES or EROFS: only the last word counts.
      const int why = errno;
      if (struct stat info{}; ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) continue;
      return fail_errno(why, fmt::format("make the folder {}", path.native()));
    }
  }
  return {};
}

Result<std::string> read_small_file(const std::filesystem::path& file, std::size_t max_bytes) {
  const UniqueFd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) return std::string();
    return fail_errno(errno, fmt::format("read {}", file.native()));
  }
  std::string text;
  text.resize(max_bytes);
  std::size_t used = 0;
  while (used < text.size()) {
    const ssize_t got = ::read(fd.get(), text.data() + used, text.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, fmt::format("read {}", file.native()));
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
  }
  text.resize(used);
  return text;
}

Result<UniqueFd> lock_private_file(const std::filesystem::path& file) {
  const std::string name = file.native() + ".lock";
  UniqueFd fd(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return fail_errno(errno, fmt::format("lock {}", file.native()));
  const Nanoseconds deadline = monotonic_now() + kLockPatience;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return fail_errno(errno, fmt::format("lock {}", file.native()));
    if (monotonic_now() > deadline) return fail_errno(EBUSY, fmt::format("lock {}", file.native()));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return fd;
}

Result<void> replace_private_file(const std::filesystem::path& file, std::string_view text) {
  const std::string operation = fmt::format("write {}", file.native());
  const std::string temporary = file.native() + ".new";  // one writer at a time: the lock is held
  ::unlink(temporary.c_str());
  const UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return fail_errno(errno, operation);
  auto written = write_all(fd.get(), text);
  if (written && ::fsync(fd.get()) != 0) written = fail_errno(errno, operation);
  if (written && ::rename(temporary.c_str(), file.c_str()) != 0) written = fail_errno(errno, operation);
  if (!written) {
    ::unlink(temporary.c_str());
    written.error().operation = operation;
    return written;
  }
  // The rename itself is durable once the folder is. Not every file system can sync one; the content is safe anyway.
  const UniqueFd folder(::open(file.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder) static_cast<void>(::fsync(folder.get()));
  return {};
}

}  // namespace zc
