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
#include <stdint.h>
#include <string.h>
#include <wayland-client.h>

#define DRM_FORMAT_XRGB8888 0x34325258U

typedef void (*Handler)(void);

// zwlr_screencopy_frame_v1_listener, version 3, in the order of the protocol's events.
struct ScreencopyListener {
  void (*buffer)(void* data, void* frame, uint32_t format, uint32_t width, uint32_t height, uint32_t stride);
  Handler flags;
  Handler ready;
  Handler failed;
  Handler damage;
  void (*linux_dmabuf)(void* data, void* frame, uint32_t fourcc, uint32_t width, uint32_t height);
  Handler buffer_done;
};

static const struct ScreencopyListener* original;  // xdpw's own, a static object there
static struct ScreencopyListener wrapped;

static void announce_both(void* data, void* frame, uint32_t format, uint32_t width, uint32_t height, uint32_t stride) {
  original->linux_dmabuf(data, frame, DRM_FORMAT_XRGB8888, width, height);
  original->buffer(data, frame, format, width, height, stride);
}

int wl_proxy_add_listener(struct wl_proxy* proxy, Handler* implementation, void* data) {
  static int (*next)(struct wl_proxy*, Handler*, void*);
  if (next == NULL) {
    void* symbol = dlsym(RTLD_NEXT, "wl_proxy_add_listener");
    memcpy(&next, &symbol, sizeof next);
  }
  if (strcmp(wl_proxy_get_class(proxy), "zwlr_screencopy_frame_v1") == 0) {
    original = (const struct ScreencopyListener*)(const void*)implementation;
    wrapped = *original;
    wrapped.buffer = announce_both;
    implementation = (Handler*)(void*)&wrapped;
  }
  return next(proxy, implementation, data);
}
