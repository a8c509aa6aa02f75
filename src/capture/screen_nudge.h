#pragma once

#include "base/clock.h"
#include "base/error.h"

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

namespace zc {

/// Makes every screen of the Wayland compositor change once: a transparent surface of one pixel comes up in its corner,
/// above everything, and is gone with the next frame. Nobody sees it, and no window moves or loses the input.
///
/// For wlroots' desktop portal (up to 0.7, and later ones on a compositor without ext-image-copy-capture): it copies a
/// screen only when that has changed since the portal's last copy (zwlr_screencopy_frame_v1.copy_with_damage), also for
/// the first picture of a new stream, so that a second recording of a screen that stands still gets none. Neither
/// another format nor a stream that pauses makes damage; the compositor keeps the account per client of its own.
///
/// Unsupported: the compositor has no zwlr_layer_shell_v1 (GNOME; it needs none). NotFound: no compositor is found
/// ($WAYLAND_DISPLAY, else the one socket in $XDG_RUNTIME_DIR). Takes `patience` at most.
[[nodiscard]] Result<void> nudge_screens(Nanoseconds patience, const std::stop_token& stop = {});

/// Watches over the first picture of each stream of a desktop: where none comes in time, the screens are nudged, a few
/// times. Any thread.
class ScreenNudge {
 public:
  ScreenNudge() = default;
  ScreenNudge(const ScreenNudge&) = delete;
  ScreenNudge& operator=(const ScreenNudge&) = delete;
  ~ScreenNudge() = default;

  /// A stream has begun.
  void begun();
  /// A picture has come, or none can come any more.
  void done();

 private:
  void watch(const std::stop_token& stop);

  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool wanted_ = false;
  Nanoseconds since_{};
  std::jthread thread_;  // last: it uses everything above
};

}  // namespace zc
