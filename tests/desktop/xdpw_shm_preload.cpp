// Preload for xdg-desktop-portal-wlr 0.7.0 on a compositor that offers shared memory only.
//
// That version fails every ScreenCast.Start unless zwlr_screencopy_frame_v1 announced a linux_dmabuf format: in
// xdpw's wlr_screencast.c the check for "dmabuf formats are there" compares the portal's version instead of whether a
// GBM device was opened. A compositor on the pixman renderer never announces one. Told of one, xdpw finds no GBM device
// for it and streams shared memory as it should. 0.7.1 needs no help.
//
// So: wrap the listener that xdpw adds to each screencopy frame, and announce XRGB8888 as dmabuf before the real
// wl_shm announcement of the same size goes through.
#include <dlfcn.h>
#include <wayland-client.h>

#include <cstdint>
#include <cstring>

namespace {

constexpr std::uint32_t kDrmFormatXrgb8888 = 0x34325258;  // "XR24", drm_fourcc.h

using Handler = void (*)();
using AddListener = int (*)(wl_proxy*, Handler*, void*);

/// zwlr_screencopy_frame_v1_listener, version 3, in the order of the protocol's events.
struct ScreencopyListener {
  void (*buffer)(void* data, void* frame, std::uint32_t format, std::uint32_t width, std::uint32_t height,
                 std::uint32_t stride_bytes);
  Handler flags;
  Handler ready;
  Handler failed;
  Handler damage;
  void (*linux_dmabuf)(void* data, void* frame, std::uint32_t fourcc, std::uint32_t width, std::uint32_t height);
  Handler buffer_done;
};

/// xdpw has one such listener and one thread.
struct Wrapped {
  ScreencopyListener original{};
  ScreencopyListener listener{};
};

Wrapped& wrapped() {
  static Wrapped state;
  return state;
}

void announce_both(void* data, void* frame, std::uint32_t format, std::uint32_t width, std::uint32_t height,
                   std::uint32_t stride_bytes) {
  wrapped().original.linux_dmabuf(data, frame, kDrmFormatXrgb8888, width, height);
  wrapped().original.buffer(data, frame, format, width, height, stride_bytes);
}

}  // namespace

extern "C" int wl_proxy_add_listener(wl_proxy* proxy, Handler* implementation, void* data) {
  static const auto next = reinterpret_cast<AddListener>(::dlsym(RTLD_NEXT, "wl_proxy_add_listener"));
  if (std::strcmp(wl_proxy_get_class(proxy), "zwlr_screencopy_frame_v1") == 0) {
    wrapped().original = *reinterpret_cast<const ScreencopyListener*>(implementation);
    wrapped().listener = wrapped().original;
    wrapped().listener.buffer = announce_both;
    implementation = reinterpret_cast<Handler*>(&wrapped().listener);
  }
  return next(proxy, implementation, data);
}
