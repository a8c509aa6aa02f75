// Owning pointers for the client's Wayland objects.
#pragma once

#include "xdg-shell-client-protocol.h"

#include <wayland-client.h>

#include <memory>

namespace zc::desktop {

/// One overload per type: the protocol's destructors are static inline functions, which cannot be template arguments of
/// a type that several files share.
struct Destroy {
  void operator()(wl_display* p) const noexcept { wl_display_disconnect(p); }
  void operator()(wl_registry* p) const noexcept { wl_registry_destroy(p); }
  void operator()(wl_compositor* p) const noexcept { wl_compositor_destroy(p); }
  void operator()(wl_subcompositor* p) const noexcept { wl_subcompositor_destroy(p); }
  void operator()(wl_shm* p) const noexcept { wl_shm_destroy(p); }
  void operator()(wl_shm_pool* p) const noexcept { wl_shm_pool_destroy(p); }
  void operator()(wl_buffer* p) const noexcept { wl_buffer_destroy(p); }
  void operator()(wl_output* p) const noexcept { wl_output_destroy(p); }
  void operator()(wl_callback* p) const noexcept { wl_callback_destroy(p); }
  void operator()(wl_surface* p) const noexcept { wl_surface_destroy(p); }
  void operator()(wl_subsurface* p) const noexcept { wl_subsurface_destroy(p); }
  void operator()(xdg_wm_base* p) const noexcept { xdg_wm_base_destroy(p); }
  void operator()(xdg_surface* p) const noexcept { xdg_surface_destroy(p); }
  void operator()(xdg_toplevel* p) const noexcept { xdg_toplevel_destroy(p); }
};

template <typename T>
using Owned = std::unique_ptr<T, Destroy>;

}  // namespace zc::desktop
