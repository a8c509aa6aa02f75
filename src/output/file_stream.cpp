#include "output/file_stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace zc {
namespace {

constexpr std::chrono::milliseconds kFifoRetry{20};
constexpr std::chrono::seconds kFifoWait{10};
constexpr mode_t kNewFileMode = 0666;  // the user's umask decides

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::unexpected<Error> fail_open(int error, const std::string& path) {
  const std::string operation = fmt::format("open {}", path);
  struct stat folder{};
  if (error == ENOENT && ::stat(folder_of(path).c_str(), &folder) != 0) {
    return fail(ErrorKind::NotFound, operation, fmt::format("the folder {} does not exist", folder_of(path)));
  }
  if (error == ENOTDIR) {
    return fail(ErrorKind::Invalid, operation, fmt::format("{} is not a folder", folder_of(path)));
  }
  return fail_errno(error, operation);
}

}  // namespace

FileStream::FileStream(std::string path, UniqueFd fd, bool regular, const Interrupt& interrupt) noexcept
    : path_(std::move(path)), fd_(std::move(fd)), regular_(regular), interrupt_(&interrupt) {}

Result<std::unique_ptr<FileStream>> FileStream::create(const std::string& path, bool overwrite,
                                                       const Interrupt& interrupt) {
  const auto made = [&](UniqueFd fd, bool regular) {
    return std::unique_ptr<FileStream>(new FileStream(path, std::move(fd), regular, interrupt));
  };
  UniqueFd created(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kNewFileMode));
  if (created) {
    static_cast<void>(::flock(created.get(), LOCK_EX | LOCK_NB));  // nobody else can hold a file this new
    auto stream = made(std::move(created), true);
    stream->ours_ = true;
    return stream;
  }
  if (errno != EEXIST && errno != EISDIR) return fail_open(errno, path);

  struct stat existing{};
  if (::stat(path.c_str(), &existing) != 0) return fail_open(errno, path);
  const std::string operation = fmt::format("open {}", path);
  if (S_ISDIR(existing.st_mode)) return fail(ErrorKind::Invalid, operation, "is a folder, not a file");
  if (S_ISFIFO(existing.st_mode)) {
    if (::access(path.c_str(), W_OK) != 0) return fail_errno(errno, operation);
    return made({}, false);
  }
  if (S_ISREG(existing.st_mode) && !overwrite) {
    return fail(ErrorKind::Invalid, operation, fmt::format("{} exists; pass --overwrite", path));
  }
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd) return fail_open(errno, path);
  if (::fstat(fd.get(), &existing) != 0) return fail_errno(errno, operation);
  const bool regular = S_ISREG(existing.st_mode);
  // File systems without locks answer other errors; they record all the same.
  if (regular && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return fail(ErrorKind::Busy, operation, "another program is writing to it");
  }
  return made(std::move(fd), regular);
}

Result<std::unique_ptr<FileStream>> FileStream::standard_output(const Interrupt& interrupt) {
  if (::isatty(STDOUT_FILENO) == 1) {
    return fail(ErrorKind::Invalid, "write to stdout", "it is a terminal; pipe it into a program or a file");
  }
  auto fd = UniqueFd::dup(STDOUT_FILENO);
  if (!fd) return std::unexpected(fd.error());
  // Even when it is a file: someone else's, perhaps appended to, so it is only ever written to in order.
  return std::unique_ptr<FileStream>(new FileStream("stdout", std::move(*fd), false, interrupt));
}

FileStream::~FileStream() {
  struct stat here{};
  struct stat there{};
  const bool unused = regular_ && ours_ && committed_ == 0;
  if (unused && fd_ && ::fstat(fd_.get(), &here) == 0 && ::stat(path_.c_str(), &there) == 0 &&
      here.st_ino == there.st_ino && here.st_dev == there.st_dev) {
    ::unlink(path_.c_str());
  }
}

Result<void> FileStream::begin() {
  if (!regular_) return fd_ ? Result<void>{} : open_fifo();
  ours_ = true;
  if (::ftruncate(fd_.get(), 0) != 0) return fail_errno(errno, fmt::format("empty {}", path_));
  position_ = size_ = committed_ = 0;
  return {};
}

Result<void> FileStream::open_fifo() {
  // Opening a FIFO for writing fails with ENXIO while nobody reads (fifo(7)); blocking instead could not be
  // interrupted.
  const auto deadline = std::chrono::steady_clock::now() + kFifoWait;
  while (true) {
    fd_.reset(::open(path_.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    if (fd_) return {};
    if (errno != ENXIO) return fail_open(errno, path_);
    if (interrupt_->sleep(kFifoRetry)) return fail(ErrorKind::Cancelled, fmt::format("open {}", path_), "stopped");
    if (std::chrono::steady_clock::now() >= deadline) {
      return fail(ErrorKind::Timeout, fmt::format("open {}", path_), "nobody reads from this FIFO");
    }
  }
}

Result<void> FileStream::write(std::span<const std::byte> bytes) {
  return regular_ ? write_file(bytes) : write_pipe(bytes);
}

Result<void> FileStream::write_file(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(position_));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return fail_errno(count == 0 ? EIO : errno, fmt::format("write {}", path_));
    position_ += static_cast<std::uint64_t>(count);
    size_ = std::max(size_, position_);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

Result<void> FileStream::write_pipe(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    switch (interrupt_->wait(fd_.get(), POLLOUT, std::nullopt)) {
      case Interrupt::Wait::Ready: break;
      case Interrupt::Wait::Interrupted:
        return fail(ErrorKind::Cancelled, fmt::format("write {}", path_), "stopped while the reader was not reading");
      case Interrupt::Wait::TimedOut:
      case Interrupt::Wait::Failed: return fail_errno(errno, fmt::format("write {}", path_));
    }
    // stdout may be in blocking mode, which is not ours to change: it is shared with other processes. A pipe that polls
    // writable takes PIPE_BUF bytes without blocking (pipe(7)).
    const ssize_t count = ::write(fd_.get(), bytes.data(), std::min<std::size_t>(bytes.size(), PIPE_BUF));
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count <= 0) return fail_errno(count == 0 ? EIO : errno, fmt::format("write {}", path_));
    size_ += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  return {};
}

Result<void> FileStream::seek(std::uint64_t offset) {
  if (!regular_) return ByteStream::seek(offset);
  position_ = offset;
  return {};
}

Result<void> FileStream::keep() {
  // Not every file system can sync a file.
  if (::fdatasync(fd_.get()) != 0 && errno != EINVAL && errno != ENOSYS) {
    late_ = fail_errno(errno, fmt::format("write {}", path_));
    return late_;
  }
  commit();
  return {};
}

void FileStream::commit() noexcept { committed_ = size_; }

void FileStream::cut_back() noexcept {
  if (!regular_ || !fd_) return;
  // Shrinking needs no space; should it fail all the same, players stop at the half cluster.
  if (::ftruncate(fd_.get(), static_cast<off_t>(committed_)) == 0) size_ = committed_;
  position_ = size_;
}

Result<void> FileStream::close() {
  if (!fd_ || (regular_ && ours_ && committed_ == 0)) return {};  // the destructor removes it
  // NFS and quota file systems may keep a write's error until here. Linux closes the descriptor in any case.
  if (::close(fd_.release()) != 0 && errno != EINTR) return fail_errno(errno, fmt::format("close {}", path_));
  return late_;
}

}  // namespace zc
