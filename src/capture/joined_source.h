#pragma once

#include "capture/source.h"
#include "media/geometry.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace zc {

/// One of several sources that become one picture.
struct JoinedPart {
  std::unique_ptr<Source> source;
  std::optional<Rect> place;  ///< on the desktop, logical px; unset: to the right of what there is
  std::string name;           ///< for messages: "monitor DP-1 (1920x1080 at 0,0)"
};

struct JoinedOptions {
  std::string kind;         ///< SourceInfo's
  std::string description;  ///< likewise
  /// Only this part of the desktop, logical px, with parts that all have places; unset: all of it.
  std::optional<Rect> region;
};

/// Several sources as one picture in shared memory (DesktopPicture), a copy of what changes in each: those with a place
/// where they are on the desktop, the others beside them from left to right, their upper edges in line. What no source
/// shows is black. The picture has its first when each part has, or a second after the first of them: who has shown
/// nothing by then is black, or beside the others not there, until it does. No more pictures come than the fastest part
/// gives. The pointer is what the parts draw themselves.
///
/// start() fails as the first of its parts that does. Later a part that ends leaves its place black, which the log
/// says; the whole ends with the last one, as that did.
[[nodiscard]] std::unique_ptr<Source> make_joined_source(std::vector<JoinedPart> parts, JoinedOptions options);

}  // namespace zc
