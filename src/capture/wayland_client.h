#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/unique_fd.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct wl_display;
struct wl_interface;
struct wl_proxy;
struct wl_registry;

namespace zc {

/// A connection to the Wayland compositor that waits no longer than it is told. One thread.
class WaylandClient {
 public:
  /// What the compositor offers.
  struct Global {
    std::uint32_t name = 0;
    std::string interface;
    std::uint32_t version = 0;
  };

  /// $WAYLAND_DISPLAY, else the one wayland-N in $XDG_RUNTIME_DIR. NotFound: there is none, or several.
  [[nodiscard]] static Result<WaylandClient> connect(std::stop_token stop = {});

  /// Asks for the globals. Errors as wait().
  [[nodiscard]] Result<void> find_globals(Nanoseconds deadline);
  /// Those that are there now: later ones come and go in wait().
  [[nodiscard]] const std::vector<Global>& globals() const { return *globals_; }
  /// The first of that interface; null: the compositor has none.
  [[nodiscard]] const Global* find(std::string_view interface) const;
  /// The caller's to destroy, before this.
  template <class Interface>
  [[nodiscard]] Interface* bind(const Global& global, const wl_interface& interface, std::uint32_t version) {
    return static_cast<Interface*>(bind_proxy(global, interface, version));
  }

  /// Sends what is queued and hands events to their listeners until it is done. Timeout; Cancelled; Lost: the
  /// compositor has hung up; Unsupported: it refuses a request. The first look at `done` is before any sleep, and one
  /// follows whenever something has come.
  [[nodiscard]] Result<void> wait(Nanoseconds deadline, const std::function<bool()>& done);
  /// While `fd` is readable, wait() does not sleep; whoever stops it makes it readable, too. Borrowed; -1: none.
  void wake_by(int fd) { wake_ = fd; }
  /// Until everything asked so far is answered.
  [[nodiscard]] Result<void> roundtrip(Nanoseconds deadline);

 private:
  struct Disconnect {
    void operator()(wl_display* display) const;
  };
  struct DestroyRegistry {
    void operator()(wl_registry* registry) const;
  };
  WaylandClient(wl_display* display, std::stop_token stop)
      : stop_(std::move(stop)), globals_(std::make_unique<std::vector<Global>>()), display_(display) {}
  [[nodiscard]] void* bind_proxy(const Global& global, const wl_interface& interface, std::uint32_t version);
  [[nodiscard]] std::unexpected<Error> broken() const;

  std::stop_token stop_;
  int wake_ = -1;
  std::unique_ptr<std::vector<Global>> globals_;  ///< where the registry's listener finds it
  std::unique_ptr<wl_display, Disconnect> display_;
  std::unique_ptr<wl_registry, DestroyRegistry> registry_;
};

/// Owns a proxy of the scanner's types.
template <auto Destroy>
struct WaylandDestroy {
  void operator()(auto* proxy) const { Destroy(proxy); }
};

}  // namespace zc
