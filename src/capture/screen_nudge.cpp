#include "capture/screen_nudge.h"

#include "base/log.h"
#include "base/process_stats.h"
#include "capture/wayland_client.h"

#include <sys/mman.h>
#include <unistd.h>
#include <wayland-client-core.h>
#include <wayland-client-protocol.h>
// The protocol has a parameter of a name that C++ keeps for itself.
#define namespace name_space
#include <wlr-layer-shell-client-protocol.h>
#undef namespace

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
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

template <class Proxy, auto Destroy>
using Owned = std::unique_ptr<Proxy, WaylandDestroy<Destroy>>;

/// It has been able to go since version 3.
void let_go_of(zwlr_layer_shell_v1* shell) {
  if (zwlr_layer_shell_v1_get_version(shell) >= 3) {
    zwlr_layer_shell_v1_destroy(shell);
  } else {
    wl_proxy_destroy(reinterpret_cast<wl_proxy*>(shell));
  }
}

/// The pixel on one screen. Stays where it is: its listeners know the address.
struct Shown {
  Owned<wl_surface, &wl_surface_destroy> surface;
  Owned<zwlr_layer_surface_v1, &zwlr_layer_surface_v1_destroy> layer;
  Owned<wl_callback, &wl_callback_destroy> frame;
  wl_buffer* pixel = nullptr;
  bool mapped = false;
  bool painted = false;

  void configured(std::uint32_t serial);
};

void Shown::configured(std::uint32_t serial) {
  static constexpr wl_callback_listener kPainted{
      .done = [](void* data, wl_callback* /*callback*/, std::uint32_t /*time*/) {
        static_cast<Shown*>(data)->painted = true;
      }};
  zwlr_layer_surface_v1_ack_configure(layer.get(), serial);
  if (std::exchange(mapped, true)) return;
  wl_surface_attach(surface.get(), pixel, 0, 0);
  wl_surface_damage(surface.get(), 0, 0, 1, 1);
  frame.reset(wl_surface_frame(surface.get()));
  if (frame) wl_callback_add_listener(frame.get(), &kPainted, this);
  wl_surface_commit(surface.get());
}

/// One run against one compositor.
class Nudge {
 public:
  Nudge(WaylandClient& client, Nanoseconds deadline) : client_(client), deadline_(deadline) {}

  Result<void> run() {
    if (auto found = client_.find_globals(deadline_); !found) return found;
    bind();
    if (!compositor_ || !shm_ || !layer_shell_ || outputs_.empty()) {
      return fail(ErrorKind::Unsupported, kOperation, "the compositor has no layers to put anything in");
    }
    if (auto made = make_pixel(); !made) return made;
    for (const auto& output : outputs_) show(output.get());
    if (auto sent = client_.wait(deadline_, [&] { return all(&Shown::mapped); }); !sent) return sent;
    // A screen that does not paint is not waited for.
    const Nanoseconds soon = std::min(deadline_, monotonic_now() + kFramePatience);
    const auto painted = client_.wait(soon, [&] { return all(&Shown::painted); });
    if (!painted && painted.error().kind != ErrorKind::Timeout) return painted;
    shown_.clear();
    return client_.roundtrip(deadline_);
  }

 private:
  [[nodiscard]] bool all(bool Shown::* what) const {
    return std::ranges::all_of(shown_, [&](const Shown& one) { return one.*what; });
  }

  void bind() {
    for (const WaylandClient::Global& global : client_.globals()) {
      const auto is = [&](const wl_interface& interface) { return global.interface == interface.name; };
      if (is(wl_compositor_interface))
        compositor_.reset(client_.bind<wl_compositor>(global, wl_compositor_interface, 1));
      if (is(wl_shm_interface)) shm_.reset(client_.bind<wl_shm>(global, wl_shm_interface, 1));
      if (is(zwlr_layer_shell_v1_interface)) {
        layer_shell_.reset(
            client_.bind<zwlr_layer_shell_v1>(global, zwlr_layer_shell_v1_interface, std::min(global.version, 3U)));
      }
      if (is(wl_output_interface)) outputs_.emplace_back(client_.bind<wl_output>(global, wl_output_interface, 1));
    }
  }

  Result<void> make_pixel() {
    const UniqueFd memory(::memfd_create("zerocast-pixel", MFD_CLOEXEC));
    if (!memory || ::ftruncate(memory.get(), 4) != 0) return fail_errno(errno, kOperation);
    const Owned<wl_shm_pool, &wl_shm_pool_destroy> pool(wl_shm_create_pool(shm_.get(), memory.get(), 4));
    if (pool) pixel_.reset(wl_shm_pool_create_buffer(pool.get(), 0, 1, 1, 4, WL_SHM_FORMAT_ARGB8888));
    if (!pixel_) return fail_errno(ENOMEM, kOperation);
    return {};
  }

  void show(wl_output* output) {
    static constexpr zwlr_layer_surface_v1_listener kListener{
        .configure = [](void* data, zwlr_layer_surface_v1* /*layer*/, std::uint32_t serial, std::uint32_t /*width*/,
                        std::uint32_t /*height*/) { static_cast<Shown*>(data)->configured(serial); },
        .closed = [](void* /*data*/, zwlr_layer_surface_v1* /*layer*/) {}};
    Shown& one = shown_.emplace_back();
    one.pixel = pixel_.get();
    one.surface.reset(wl_compositor_create_surface(compositor_.get()));
    const Owned<wl_region, &wl_region_destroy> nowhere(wl_compositor_create_region(compositor_.get()));
    wl_surface_set_input_region(one.surface.get(), nowhere.get());
    one.layer.reset(zwlr_layer_shell_v1_get_layer_surface(layer_shell_.get(), one.surface.get(), output,
                                                          ZWLR_LAYER_SHELL_V1_LAYER_OVERLAY, "zerocast"));
    zwlr_layer_surface_v1_add_listener(one.layer.get(), &kListener, &one);
    zwlr_layer_surface_v1_set_size(one.layer.get(), 1, 1);
    zwlr_layer_surface_v1_set_anchor(one.layer.get(),
                                     ZWLR_LAYER_SURFACE_V1_ANCHOR_TOP | ZWLR_LAYER_SURFACE_V1_ANCHOR_LEFT);
    zwlr_layer_surface_v1_set_exclusive_zone(one.layer.get(), -1);
    wl_surface_commit(one.surface.get());
  }

  WaylandClient& client_;
  const Nanoseconds deadline_;
  Owned<wl_compositor, &wl_compositor_destroy> compositor_;
  Owned<wl_shm, &wl_shm_destroy> shm_;
  Owned<zwlr_layer_shell_v1, &let_go_of> layer_shell_;
  std::vector<Owned<wl_output, &wl_output_destroy>> outputs_;
  Owned<wl_buffer, &wl_buffer_destroy> pixel_;
  std::deque<Shown> shown_;
};

}  // namespace

Result<void> nudge_screens(Nanoseconds patience, const std::stop_token& stop) {
  auto client = WaylandClient::connect(stop);
  if (!client) return std::unexpected(std::move(client.error()));
  return Nudge(*client, monotonic_now() + patience).run();
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
