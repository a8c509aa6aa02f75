#pragma once

#include "base/error.h"
#include "base/unique_fd.h"
#include "output/byte_stream.h"
#include "output/interrupt.h"

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

namespace zc {

/// A regular file, FIFO, device or stdout. create() claims the path before anything else happens; one thread makes
/// every later call. Writing past a limit or to a reader that went away must come back as an error: the program ignores
/// SIGXFSZ and SIGPIPE.
class FileStream final : public ByteStream {
 public:
  /// Opens `path` without changing what is there. A regular file that exists is Invalid unless `overwrite`, Busy when
  /// another recording holds it; a directory, missing folder or unwritable path is one clear line. A FIFO, device or
  /// socket is taken as it is.
  /// `interrupt` (outliving the stream) wakes waits for a pipe's reader; regular files are never interrupted.
  [[nodiscard]] static Result<std::unique_ptr<FileStream>> create(const std::string& path, bool overwrite,
                                                                  const Interrupt& interrupt);
  /// A second descriptor of stdout. Invalid when it is a terminal.
  [[nodiscard]] static Result<std::unique_ptr<FileStream>> standard_output(const Interrupt& interrupt);
  /// Removes a file that this stream made (or emptied) and in which nothing was ever committed.
  ~FileStream() override;
  FileStream(const FileStream&) = delete;
  FileStream& operator=(const FileStream&) = delete;
  FileStream(FileStream&&) = delete;
  FileStream& operator=(FileStream&&) = delete;

  /// Before the first write: empties a file that is being overwritten; waits, 10 s at most, for a FIFO's reader. Again:
  /// a regular file begins anew.
  [[nodiscard]] Result<void> begin();
  [[nodiscard]] Result<void> write(std::span<const std::byte> bytes) override;
  [[nodiscard]] bool seekable() const override { return regular_; }
  [[nodiscard]] Result<void> seek(std::uint64_t offset) override;
  [[nodiscard]] std::uint64_t size() const override { return size_; }
  [[nodiscard]] Result<void> keep() override;

  /// The file as it is now plays: it is kept, and cut_back() comes back to here.
  void commit() noexcept;
  /// Drops what came after the last commit().
  void cut_back() noexcept;
  /// Closes; an error that the file system kept until now is reported. Idempotent.
  [[nodiscard]] Result<void> close();

 private:
  FileStream(std::string path, UniqueFd fd, bool regular, const Interrupt& interrupt) noexcept;
  [[nodiscard]] Result<void> open_fifo();
  [[nodiscard]] Result<void> write_file(std::span<const std::byte> bytes);
  [[nodiscard]] Result<void> write_pipe(std::span<const std::byte> bytes);

  std::string path_;
  UniqueFd fd_;  ///< empty: a FIFO without a reader yet
  bool regular_;
  bool ours_ = false;  ///< made or emptied here: removed when nothing is committed
  const Interrupt* interrupt_;
  std::uint64_t position_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t committed_ = 0;
  Result<void> late_;  ///< an error of earlier writes, told by keep()
};

}  // namespace zc
