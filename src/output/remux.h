#pragma once

#include "base/error.h"
#include "output/container.h"
#include "output/output_spec.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace zc {

/// A recording that is there, whole or cut off where it was being written: Matroska, MP4 or MPEG-TS. One thread makes
/// every call.
class RecordedFile {
 public:
  /// Nothing that the file might name is opened. Invalid: it is no such recording. NotFound, Denied: of the path.
  [[nodiscard]] static Result<std::unique_ptr<RecordedFile>> open(const std::string& path);
  ~RecordedFile();
  RecordedFile(const RecordedFile&) = delete;
  RecordedFile& operator=(const RecordedFile&) = delete;

  /// Once. Copies every stream that the container takes into a new file, packet by packet, from time zero on; an MP4 is
  /// a plain one. It is written beside `output` and renamed when it is whole and safe on the medium. What was left out,
  /// a line each. Invalid: nothing is in this file; `output` exists and is not to be overwritten, is no regular file or
  /// is this one. Unsupported: the container takes none of the streams. Cancelled: `stopped`, which is asked between
  /// packets. NoSpace, Denied, NotFound: of the output.
  [[nodiscard]] Result<std::vector<std::string>> copy_to(const FileOutput& output, Container container,
                                                         const std::function<bool()>& stopped);

 private:
  struct Impl;
  explicit RecordedFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace zc
