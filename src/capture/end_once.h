#pragma once

#include "capture/screen_nudge.h"
#include "capture/source.h"
#include "media/geometry.h"

#include <mutex>
#include <optional>

namespace zc {

/// A part of the desktop, in a stream that shows this place on it.
struct PlacedRegion {
  Rect region;  ///< logical px
  Rect place;   ///< logical px
};

/// Stands between a desktop's stream and the session that gave it on one side, each with its thread, and the listener
/// on the other: one call at a time, and none after the end. Sees to the first picture of a still screen, and crops.
class EndOnce final : public SourceListener {
 public:
  explicit EndOnce(SourceListener& listener, std::optional<PlacedRegion> region = std::nullopt)
      : listener_(listener), region_(region) {}

  void on_frame(Frame frame) override;
  void on_state(SourceState state, const Error* error) override;

 private:
  SourceListener& listener_;
  const std::optional<PlacedRegion> region_;
  std::mutex mutex_;
  bool ended_ = false;
  bool awaited_ = false;  ///< the first picture of a stream is
  ScreenNudge nudge_;
};

}  // namespace zc
