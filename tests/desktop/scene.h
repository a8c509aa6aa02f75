// The animated client's surfaces: a scrolling wallpaper and, in its corner, the machine-readable mark.
#pragma once

#include "media/test_mark.h"
#include "shm_pool.h"
#include "wayland_ptr.h"

#include <array>
#include <cstdint>
#include <vector>

namespace zc::desktop {

enum class Mode : std::uint8_t {
  Full,    ///< the whole screen moves at every frame
  Band,    ///< a band of kBandRows rows and the mark change, the rest is still
  Static,  ///< one picture, then silence
};

inline constexpr std::uint32_t kBandRows = 64;

/// The globals a scene is made from; all outlive it.
struct Globals {
  wl_compositor* compositor = nullptr;
  wl_subcompositor* subcompositor = nullptr;
  wl_shm* shm = nullptr;
};

/// A piece of the wallpaper that moves up by kStepRows per step and costs nothing to paint: every step is a wl_buffer
/// over the same memory at another row, made once. The memory never changes, so the compositor may hold any of them.
class Scroller {
 public:
  static constexpr std::uint32_t kStepRows = 4;

  static Result<Scroller> create(wl_shm& shm, Size size);
  /// Attaches and damages the picture of `step` (any number, it wraps); the caller commits.
  void attach(wl_surface& surface, std::uint32_t step) const;

 private:
  Scroller(ShmPool pool, std::vector<Owned<wl_buffer>> steps, Size size)
      : pool_(std::move(pool)), steps_(std::move(steps)), size_(size) {}
  ShmPool pool_;
  std::vector<Owned<wl_buffer>> steps_;
  Size size_;
};

/// The mark's own small buffers, painted anew for each frame. Stays where it is (the compositor's listener points to
/// it).
class MarkPainter {
 public:
  /// `picture` is the size of the whole screen, which decides the size of the mark's cells.
  static Result<std::unique_ptr<MarkPainter>> create(wl_shm& shm, Size picture);
  /// Paints `mark` into a buffer that the compositor does not hold, attaches and damages it; the caller commits.
  /// False when it holds all of them: try at the next release.
  bool attach(wl_surface& surface, const TestMark& mark);

 private:
  struct Slot {
    Owned<wl_buffer> buffer;
    std::span<std::byte> pixels;
    bool held = false;
  };
  MarkPainter(ShmPool pool, Size picture, Size size) : pool_(std::move(pool)), picture_(picture), size_(size) {}
  static const wl_buffer_listener kListener;

  ShmPool pool_;
  Size picture_;
  Size size_;
  std::array<Slot, 4> slots_{};
};

/// Everything on screen for one size of the window. Made anew when the window's size changes.
class Scene {
 public:
  /// `root` is the window's surface and outlives the scene.
  static Result<Scene> create(const Globals& globals, wl_surface& root, Mode mode, Size size);

  /// Attaches and commits the sub-surfaces' next picture and attaches the root's; the caller asks for the frame
  /// callback and commits the root, which makes all of it appear at once. False when the compositor holds every mark
  /// buffer: nothing was changed.
  bool draw(wl_surface& root, const TestMark& mark);

 private:
  struct Child {
    Owned<wl_surface> surface;
    Owned<wl_subsurface> role;  // declared after its surface: destroyed first
  };
  static Child child(const Globals& globals, wl_surface& root, std::int32_t x, std::int32_t y);

  Scene(Mode mode, Scroller wallpaper, std::unique_ptr<MarkPainter> painter)
      : mode_(mode), wallpaper_(std::move(wallpaper)), painter_(std::move(painter)) {}

  Mode mode_;
  Scroller wallpaper_;
  std::optional<Scroller> band_;
  std::unique_ptr<MarkPainter> painter_;
  Child band_child_;
  Child mark_child_;
  bool root_drawn_ = false;
};

}  // namespace zc::desktop
