// Media files as a source.
#pragma once

#include "base/error.h"
#include "capture/file_spec.h"
#include "capture/source.h"

#include <memory>
#include <stop_token>

namespace zc {

struct FileSourceOptions {
  bool unpaced = false;     ///< as SourceOptions'
  bool from_first = false;  ///< likewise
  std::stop_token stop;     ///< ends the waits in start()
};

/// The pictures of a file, or of a list's files one after the other, at their own times. Comes to its own end
/// (Cancelled) behind the last one. What is damaged is left out and told once, with how much it was; a file of a list
/// that cannot be decoded at all likewise. A size that changes on the way changes here as well. Files are decoded on
/// the GPU where the offer takes pictures in its memory, else in software.
///
/// start(): NotFound, Denied, Invalid: of the first file, or of the list. Unsupported: nothing decodes it, or the offer
/// takes no pictures of its memory.
/// Pictures that are late by more than half a second are left out (SourceStats::skipped), unless it is unpaced.
[[nodiscard]] Result<std::unique_ptr<Source>> make_file_source(const FileSpec& spec, FileSourceOptions options = {});

}  // namespace zc
