#include "output/new_file.h"

#include "base/file_names.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

namespace zc {
namespace {

constexpr mode_t kNewFileMode = 0666;  // the user's umask decides

std::string operation_on(const FileOutput& output) { return fmt::format("write {}", output.path); }

Result<void> check_place(const FileOutput& output) {
  struct stat there{};
  if (::stat(output.path.c_str(), &there) != 0) return {};  // or it cannot be had, which is told when it is made
  if (S_ISDIR(there.st_mode)) return fail(ErrorKind::Invalid, operation_on(output), "is a folder, not a file");
  if (!S_ISREG(there.st_mode)) {
    return fail(ErrorKind::Invalid, operation_on(output), "is no file that lies on a disk");
  }
  if (output.overwrite) return {};
  return fail(ErrorKind::Invalid, operation_on(output), fmt::format("{} exists; pass --overwrite", output.path));
}

}  // namespace

NewFile::NewFile(FileOutput output, std::string partial) : output_(std::move(output)), partial_(std::move(partial)) {}

NewFile::~NewFile() {
  if (fd_) ::unlink(partial_.c_str());
}

Result<NewFile> NewFile::create(const FileOutput& output) {
  if (auto good = check_place(output); !good) return std::unexpected(std::move(good.error()));
  NewFile file(output, free_path(output.path + ".part"));
  file.fd_.reset(::open(file.partial_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kNewFileMode));
  if (!file.fd_) return fail_errno(errno, operation_on(output));
  return file;
}

Result<void> NewFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(fd_.get(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return fail_errno(put == 0 ? EIO : errno, operation_on(output_));
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
  return {};
}

Result<void> NewFile::finish() {
  // Not every file system can sync a file.
  if (::fdatasync(fd_.get()) != 0 && errno != EINVAL && errno != ENOSYS) {
    return fail_errno(errno, operation_on(output_));
  }
  const unsigned flags = output_.overwrite ? 0U : unsigned{RENAME_NOREPLACE};
  int renamed = ::renameat2(AT_FDCWD, partial_.c_str(), AT_FDCWD, output_.path.c_str(), flags);
  if (renamed != 0 && (errno == EINVAL || errno == ENOSYS) && ::access(output_.path.c_str(), F_OK) != 0) {
    renamed = std::rename(partial_.c_str(), output_.path.c_str());  // a file system without that flag
  }
  if (renamed != 0) return fail_errno(errno, operation_on(output_));
  fd_.reset();
  return {};
}

}  // namespace zc
