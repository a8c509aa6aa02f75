#pragma once

#include "base/error.h"
#include "capture/cursor_mode.h"
#include "capture/file_sound.h"
#include "capture/portal_choice.h"
#include "capture/source.h"
#include "capture/source_spec.h"
#include "media/geometry.h"

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace zc {

struct SourceOptions {
  /// A node draws its pointer, or sends it, as it likes.
  CursorMode cursor = CursorMode::Embedded;
  /// Portal only: how long the desktop remembers what the user chose. UntilRevoked keeps a restore token in
  /// RestoreTokens::in_state_home(); Never neither reads nor writes it.
  Persist persist = Persist::UntilRevoked;
  /// Portal only: which restore token, RestoreTokens::good_slot().
  std::string restore_slot = "default";
  /// Only this part of the desktop, in its logical px.
  std::optional<Rect> region = {};
  /// Media files only: pictures come as fast as they are taken, none is left out, and their times are the file's. Else
  /// they come at their times.
  bool unpaced = false;
  /// Media files only: the clock begins when the first picture has been taken. Nothing is lost while an encoder is
  /// opened for it. Not for whoever keeps a picture until the next one.
  bool from_first = false;
  /// Media files only: who hears them, at the same pace. Null: nobody.
  std::shared_ptr<FileSound> sound = {};
  /// Ends the waits in Source::start(), which may be as long as a person thinks about a dialog.
  std::stop_token stop;
};

/// Makes the source, without contacting anything yet: that is Source::start().
/// Invalid: a slot name that cannot be one; a region of a source that has no place on the desktop.
[[nodiscard]] Result<std::unique_ptr<Source>> make_source(const SourceSpec& spec, const SourceOptions& options = {});

}  // namespace zc
