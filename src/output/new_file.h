#pragma once

#include "base/error.h"
#include "base/unique_fd.h"
#include "output/output_spec.h"

#include <cstddef>
#include <span>
#include <string>

namespace zc {

/// A file under another name until it is whole: who looks for it finds all of it or nothing. Removed when it never is.
class NewFile {
 public:
  /// Made beside `output`, with ".part" in its name. Invalid: `output` exists and is not to be overwritten, or is no
  /// regular file. NoSpace, Denied, NotFound: of its folder.
  [[nodiscard]] static Result<NewFile> create(const FileOutput& output);
  NewFile(NewFile&&) noexcept = default;
  NewFile& operator=(NewFile&&) = delete;
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile();

  /// Its name so far, for who writes by that.
  [[nodiscard]] const std::string& partial() const { return partial_; }
  [[nodiscard]] Result<void> write(std::span<const std::byte> bytes);
  /// Safe on the medium, then under its own name. Nothing is overwritten that came meanwhile, unless it was to be.
  [[nodiscard]] Result<void> finish();

 private:
  NewFile(FileOutput output, std::string partial);

  FileOutput output_;
  std::string partial_;
  UniqueFd fd_;  ///< empty once it has its name
};

}  // namespace zc
