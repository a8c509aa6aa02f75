#include "capture/screen_nudge.h"

#include "base/log.h"
#include "base/process_stats.h"
#include "capture/wayland_wire.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace zc {
namespace {

constexpr const char* kOperation = "make the screen change";

/// After so long without a first picture. The first is longer than compositors need that give one by themselves.
constexpr std::array<Nanoseconds, 3> kTries = {std::chrono::milliseconds(300), std::chrono::milliseconds(1200),
                                               std::chrono::milliseconds(3000)};
constexpr Nanoseconds kPatience = std::chrono::seconds(1);
/// A screen that shows nothing (it is off) sends no frame.
constexpr Nanoseconds kFramePatience = std::chrono::milliseconds(200);

// Requests and events, by their place in wayland.xml and wlr-layer-shell-unstable-v1.xml.
namespace display {
constexpr std::uint16_t kSync = 0, kGetRegistry = 1, kError = 0;
}
namespace registry {
constexpr std::uint16_t kBind = 0, kGlobal = 0;
}
namespace callback {
constexpr std::uint16_t kDone = 0;
}
namespace compositor {
constexpr std::uint16_t kCreateSurface = 0, kCreateRegion = 1;
}
namespace shm {
constexpr std::uint16_t kCreatePool = 0;
}
namespace shm_pool {
constexpr std::uint16_t kCreateBuffer = 0;
constexpr std::uint32_t kArgb8888 = 0;
}  // namespace shm_pool
namespace surface {
constexpr std::uint16_t kDestroy = 0, kAttach = 1, kDamage = 2, kFrame = 3, kSetInputRegion = 5, kCommit = 6;
}
namespace layer_shell {
constexpr std::uint16_t kGetLayerSurface = 0;
constexpr std::uint32_t kOverlay = 3;
}  // namespace layer_shell
namespace layer_surface {
constexpr std::uint16_t kSetSize = 0, kSetAnchor = 1, kSetExclusiveZone = 2, kAckConfigure = 6, kDestroy = 7;
constexpr std::uint16_t kConfigure = 0;
constexpr std::uint32_t kTopLeft = 1 | 4;
}  // namespace layer_surface

/// One run against one compositor.
class Nudge {
 public:
  Nudge(WaylandWire& wire, Nanoseconds deadline) : wire_(wire), deadline_(deadline) {}

  Result<void> run() {
    if (auto found = find_globals(); !found) return found;
    if (compositor_ == 0 || shm_ == 0 || layer_shell_ == 0 || outputs_.empty()) {
      return fail(ErrorKind::Unsupported, kOperation, "the compositor has no layers to put anything in");
    }
    if (auto made = make_pixel(); !made) return made;
    for (const std::uint32_t output : outputs_) show(output);
    if (auto sent = wait_until(deadline_, [&] { return all(&Shown::mapped); }); !sent) return sent;
    // A screen that does not paint is not waited for.
    const Nanoseconds soon = std::min(deadline_, monotonic_now() + kFramePatience);
    const auto painted = wait_until(soon, [&] { return all(&Shown::painted); });
    if (!painted && painted.error().kind != ErrorKind::Timeout) return painted;
    for (const Shown& one : shown_) {
      wire_.request(one.layer, layer_surface::kDestroy);
      wire_.request(one.surface, surface::kDestroy);
    }
    return roundtrip();
  }

 private:
  struct Shown {
    std::uint32_t surface = 0, layer = 0, frame = 0;
    bool mapped = false, painted = false;
  };

  [[nodiscard]] bool all(bool Shown::* what) const {
    return std::ranges::all_of(shown_, [&](const Shown& one) { return one.*what; });
  }

  Result<void> find_globals() {
    registry_ = wire_.new_id();
    wire_.request(kWaylandDisplay, display::kGetRegistry, registry_);
    return roundtrip();
  }

  Result<void> roundtrip() {
    sync_ = wire_.new_id();
    wire_.request(kWaylandDisplay, display::kSync, sync_);
    return wait_until(deadline_, [&] { return sync_ == 0; });
  }

  Result<void> make_pixel() {
    UniqueFd memory(::memfd_create("zerocast-pixel", MFD_CLOEXEC));
    if (!memory || ::ftruncate(memory.get(), 4) != 0) return fail_errno(errno, kOperation);
    const std::uint32_t pool = wire_.new_id();
    wire_.request_with_fd(std::move(memory), shm_, shm::kCreatePool, pool, 4);
    pixel_ = wire_.new_id();
    wire_.request(pool, shm_pool::kCreateBuffer, pixel_, 0, 1, 1, 4, shm_pool::kArgb8888);
    return {};
  }

  void show(std::uint32_t output) {
    Shown one{.surface = wire_.new_id()};
    wire_.request(compositor_, compositor::kCreateSurface, one.surface);
    const std::uint32_t nowhere = wire_.new_id();
    wire_.request(compositor_, compositor::kCreateRegion, nowhere);
    wire_.request(one.surface, surface::kSetInputRegion, nowhere);
    one.layer = wire_.new_id();
    wire_.request(layer_shell_, layer_shell::kGetLayerSurface, one.layer, one.surface, output, layer_shell::kOverlay,
                  std::string_view("zerocast"));
    wire_.request(one.layer, layer_surface::kSetSize, 1, 1);
    wire_.request(one.layer, layer_surface::kSetAnchor, layer_surface::kTopLeft);
    wire_.request(one.layer, layer_surface::kSetExclusiveZone, -1);
    wire_.request(one.surface, surface::kCommit);
    shown_.push_back(one);
  }

  void configured(Shown& one, std::uint32_t serial) {
    wire_.request(one.layer, layer_surface::kAckConfigure, serial);
    if (std::exchange(one.mapped, true)) return;
    one.frame = wire_.new_id();
    wire_.request(one.surface, surface::kAttach, pixel_, 0, 0);
    wire_.request(one.surface, surface::kDamage, 0, 0, 1, 1);
    wire_.request(one.surface, surface::kFrame, one.frame);
    wire_.request(one.surface, surface::kCommit);
  }

  template <class Done>
  Result<void> wait_until(Nanoseconds deadline, Done&& done) {
    while (!done()) {
      auto event = wire_.next(deadline);
      if (!event) return std::unexpected(std::move(event.error()));
      if (auto handled = handle(*event); !handled) return handled;
    }
    return {};
  }

  Result<void> handle(WaylandEvent& event) {
    if (event.object == kWaylandDisplay && event.opcode == display::kError) {
      static_cast<void>(event.number());
      static_cast<void>(event.number());
      return fail(ErrorKind::Unsupported, kOperation, std::string(event.text()));
    }
    if (event.object == registry_ && event.opcode == registry::kGlobal) bind(event);
    if (event.object == sync_ && event.opcode == callback::kDone) sync_ = 0;
    for (Shown& one : shown_) {
      if (event.object == one.layer && event.opcode == layer_surface::kConfigure) configured(one, event.number());
      if (one.frame != 0 && event.object == one.frame && event.opcode == callback::kDone) one.painted = true;
    }
    return {};
  }

  void bind(WaylandEvent& event) {
    const std::uint32_t name = event.number();
    const std::string_view interface = event.text();
    const auto take = [&] {
      const std::uint32_t id = wire_.new_id();
      wire_.request(registry_, registry::kBind, name, interface, 1, id);
      return id;
    };
    if (interface == "wl_compositor" && compositor_ == 0) compositor_ = take();
    if (interface == "wl_shm" && shm_ == 0) shm_ = take();
    if (interface == "zwlr_layer_shell_v1" && layer_shell_ == 0) layer_shell_ = take();
    if (interface == "wl_output") outputs_.push_back(take());
  }

  WaylandWire& wire_;
  const Nanoseconds deadline_;
  std::uint32_t registry_ = 0, sync_ = 0, compositor_ = 0, shm_ = 0, layer_shell_ = 0, pixel_ = 0;
  std::vector<std::uint32_t> outputs_;
  std::vector<Shown> shown_;
};

}  // namespace

Result<void> nudge_screens(Nanoseconds patience, const std::stop_token& stop) {
  auto wire = WaylandWire::connect(stop);
  if (!wire) return std::unexpected(std::move(wire.error()));
  return Nudge(*wire, monotonic_now() + patience).run();
}

void ScreenNudge::begun() {
  {
    const std::lock_guard lock(mutex_);
    wanted_ = true;
    since_ = monotonic_now();
    if (!thread_.joinable()) {
      thread_ = std::jthread([this](const std::stop_token& stop) {
        name_this_thread("zc-nudge");
        watch(stop);
      });
    }
  }
  changed_.notify_all();
}

void ScreenNudge::done() {
  const std::lock_guard lock(mutex_);
  wanted_ = false;
}

void ScreenNudge::watch(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (changed_.wait(lock, stop, [this] { return wanted_; })) {
    const Nanoseconds since = since_;
    const auto over = [&] { return !wanted_ || since_ != since; };
    for (const Nanoseconds after : kTries) {
      const std::chrono::steady_clock::time_point due(since + after);
      if (changed_.wait_until(lock, stop, due, over) || stop.stop_requested()) break;
      lock.unlock();
      const auto nudged = nudge_screens(kPatience, stop);
      if (nudged) {
        logger("capture").debug("no picture came from a screen that stands still: it was made to change");
      } else {
        logger("capture").debug("{}", nudged.error().message());
      }
      lock.lock();
    }
    if (since_ == since) wanted_ = false;
  }
}

}  // namespace zc
