#include "worker/continuation.h"

#include "base/file_names.h"

#include <variant>

namespace zc {

void continue_files(std::vector<OutputSpec>& outputs) {
  for (OutputSpec& output : outputs) {
    if (auto* file = std::get_if<FileOutput>(&output.target)) {
      file->path = free_path(file->path);
      file->overwrite = false;
    }
  }
}

}  // namespace zc
