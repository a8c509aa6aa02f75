// Media files as a source.
#pragma once

#include "base/error.h"
#include "capture/file_sound.h"
#include "capture/file_spec.h"
#include "capture/source.h"

#include <memory>
#include <stop_token>

namespace zc {

struct FileSourceOptions {
  bool unpaced = false;                   ///< as SourceOptions'
  bool from_first = false;                ///< likewise
  std::stop_token stop;                   ///< ends the waits in start()
  std::shared_ptr<FileSound> sound = {};  ///< who hears it; of the same pace. Null: nobody
};

/// The pictures of a file, or of a list's files one after the other, at their own times. Comes to its own end
/// (Cancelled) behind the last one. What is damaged is left out and told once, with how much it was; a file of a list
/// that cannot be decoded at all likewise. A size that changes on the way changes here as well. Files are decoded on
/// the GPU where the offer takes pictures in its memory, else in software.
///
/// Its sound is played beside them, from the first picture that is shown to the end of the last one, and silence where
/// there is none.
///
/// start(): NotFound, Denied, Invalid: of the first file, or of the list. Unsupported: nothing decodes it, or the offer
/// takes no pictures of its memory; or its sound is wanted, and it is no list and has none.
/// Pictures that are late by more than half a second are left out (SourceStats::skipped), unless it is unpaced.
[[nodiscard]] Result<std::unique_ptr<Source>> make_file_source(const FileSpec& spec, FileSourceOptions options = {});

}  // namespace zc
