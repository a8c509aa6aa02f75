#include "support/wayland_server.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <wayland-server.h>
// The protocol has a parameter of a name that C++ keeps for itself.
#define namespace name_space
#include <wlr-layer-shell-server-protocol.h>
#undef namespace
#include <linux-dmabuf-server-protocol.h>

#include <cstring>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace zc::test {
namespace {

constexpr std::uint32_t kSerial = 1000;

void destroy_resource(wl_client* /*client*/, wl_resource* resource) { wl_resource_destroy(resource); }

struct Surface {
  WaylandServer* server = nullptr;
  wl_resource* layer = nullptr;
  wl_resource* frame = nullptr;
  bool input_free = false, placed = false, acked = false, shown = false;
  std::optional<wl_resource*> attached;
};

}  // namespace

/// What the requests do.
struct WaylandRequests {
  template <class Data>
  static Data& of(wl_resource* resource) {
    return *static_cast<Data*>(wl_resource_get_user_data(resource));
  }
  static wl_resource* make(wl_client* client, const wl_interface& interface, std::uint32_t id, const void* requests,
                           void* data, wl_resource_destroy_func_t gone = nullptr, int version = 1) {
    wl_resource* resource = wl_resource_create(client, &interface, version, id);
    wl_resource_set_implementation(resource, requests, data, gone);
    return resource;
  }

  static void commit(Surface& s) {
    if (!s.attached) {  // the first commit has no buffer, and gets its configure
      if (s.layer != nullptr) zwlr_layer_surface_v1_send_configure(s.layer, kSerial, 1, 1);
      return;
    }
    wl_shm_buffer* pixel = wl_shm_buffer_get(*s.attached);
    const bool one = pixel != nullptr && wl_shm_buffer_get_width(pixel) == 1 && wl_shm_buffer_get_height(pixel) == 1 &&
                     wl_shm_buffer_get_format(pixel) == WL_SHM_FORMAT_ARGB8888;
    if (!one || !s.acked || !s.placed || !s.input_free) ++s.server->wrong_;
    if (!s.shown) ++s.server->shown_;
    s.shown = true;
    if (s.frame != nullptr && s.server->options_.paints) {
      wl_callback_send_done(s.frame, 1);
      wl_resource_destroy(std::exchange(s.frame, nullptr));
    }
  }

  static void create_surface(wl_client* client, wl_resource* compositor, std::uint32_t id) {
    static constexpr struct wl_surface_interface kRequests{
        .destroy = &destroy_resource,
        .attach = [](wl_client*, wl_resource* r, wl_resource* buffer, std::int32_t,
                     std::int32_t) { of<Surface>(r).attached = buffer; },
        .damage = [](wl_client*, wl_resource*, std::int32_t, std::int32_t, std::int32_t, std::int32_t) {},
        .frame =
            [](wl_client* c, wl_resource* r, std::uint32_t callback) {
              of<Surface>(r).frame = make(c, wl_callback_interface, callback, nullptr, nullptr);
            },
        .set_opaque_region = [](wl_client*, wl_resource*, wl_resource*) {},
        // Nothing is ever added to a region here.
        .set_input_region = [](wl_client*, wl_resource* r,
                               wl_resource* region) { of<Surface>(r).input_free = region != nullptr; },
        .commit = [](wl_client*, wl_resource* r) { commit(of<Surface>(r)); },
        .set_buffer_transform = nullptr,
        .set_buffer_scale = nullptr,
        .damage_buffer = nullptr,
        .offset = nullptr,
    };
    auto surface = std::make_unique<Surface>();
    surface->server = &of<WaylandServer>(compositor);
    make(client, wl_surface_interface, id, &kRequests, surface.release(), [](wl_resource* r) {
      const std::unique_ptr<Surface> dying(&of<Surface>(r));
      if (dying->shown) ++dying->server->gone_;
    });
  }

  static void create_region(wl_client* client, wl_resource* /*compositor*/, std::uint32_t id) {
    static constexpr struct wl_region_interface kRequests{
        .destroy = &destroy_resource,
        .add = [](wl_client* c, wl_resource* r, std::int32_t, std::int32_t, std::int32_t,
                  std::int32_t) { wl_client_post_implementation_error(c, "region %p is not empty", (void*)r); },
        .subtract = [](wl_client*, wl_resource*, std::int32_t, std::int32_t, std::int32_t, std::int32_t) {},
    };
    make(client, wl_region_interface, id, &kRequests, nullptr);
  }

  static void get_layer_surface(wl_client* client, wl_resource* shell, std::uint32_t id, wl_resource* surface,
                                wl_resource* output, std::uint32_t layer, const char* name) {
    static constexpr struct zwlr_layer_surface_v1_interface kRequests{
        .set_size = [](wl_client*, wl_resource* r, std::uint32_t width,
                       std::uint32_t height) { expect(r, width == 1 && height == 1); },
        .set_anchor = [](wl_client*, wl_resource* r, std::uint32_t anchor) { expect(r, (anchor & ~15U) == 0); },
        .set_exclusive_zone = [](wl_client*, wl_resource* r, std::int32_t zone) { expect(r, zone == -1); },
        .set_margin = nullptr,
        .set_keyboard_interactivity = nullptr,
        .get_popup = nullptr,
        .ack_configure =
            [](wl_client*, wl_resource* r, std::uint32_t serial) {
              of<Surface>(r).acked = true;
              expect(r, serial == kSerial);
            },
        .destroy = &destroy_resource,
        .set_layer = nullptr,
    };
    Surface& s = of<Surface>(surface);
    s.layer = make(client, zwlr_layer_surface_v1_interface, id, &kRequests, &s);
    s.placed = output != nullptr && layer == ZWLR_LAYER_SHELL_V1_LAYER_OVERLAY && name == std::string_view("zerocast");
    if (&of<WaylandServer>(shell) != s.server) ++s.server->wrong_;
  }
  static void expect(wl_resource* layer, bool right) {
    if (!right) ++of<Surface>(layer).server->wrong_;
  }

  static void get_feedback(wl_client* client, wl_resource* dmabuf, std::uint32_t id) {
    static constexpr struct zwp_linux_dmabuf_feedback_v1_interface kRequests{.destroy = &destroy_resource};
    const WaylandServer::Options& options = of<WaylandServer>(dmabuf).options_;
    if (options.refuses) {
      wl_resource_post_error(dmabuf, 7, "no");
      return;
    }
    wl_resource* feedback = make(client, zwp_linux_dmabuf_feedback_v1_interface, id, &kRequests, nullptr, nullptr, 4);
    const int table = ::memfd_create("table", MFD_CLOEXEC);
    zwp_linux_dmabuf_feedback_v1_send_format_table(feedback, table, 0);
    ::close(table);
    if (options.device) {
      dev_t device = *options.device;
      wl_array bytes{.size = sizeof device, .alloc = sizeof device, .data = &device};
      zwp_linux_dmabuf_feedback_v1_send_main_device(feedback, &bytes);
      zwp_linux_dmabuf_feedback_v1_send_tranche_target_device(feedback, &bytes);
    }
    zwp_linux_dmabuf_feedback_v1_send_tranche_done(feedback);
    zwp_linux_dmabuf_feedback_v1_send_done(feedback);
  }

  /// A global whose requests are in that table.
  template <const wl_interface& Interface, const auto& Requests>
  static void offer(WaylandServer& server, int version) {
    wl_global_create(server.display_.get(), &Interface, version, &server,
                     [](wl_client* client, void* data, std::uint32_t bound, std::uint32_t id) {
                       make(client, Interface, id, &Requests, data, nullptr, static_cast<int>(bound));
                     });
  }

  static constexpr struct wl_compositor_interface kCompositor{&create_surface, &create_region};
  static constexpr struct wl_output_interface kOutput{};
  static constexpr struct zwlr_layer_shell_v1_interface kLayerShell{&get_layer_surface, &destroy_resource};
  static constexpr struct zwp_linux_dmabuf_v1_interface kDmabuf{&destroy_resource, nullptr, &get_feedback, nullptr};

  static void offer_all(WaylandServer& server) {
    const WaylandServer::Options& options = server.options_;
    offer<wl_compositor_interface, kCompositor>(server, 4);
    wl_display_init_shm(server.display_.get());
    for (int i = 0; i < options.outputs; ++i) offer<wl_output_interface, kOutput>(server, 1);
    if (options.layers) offer<zwlr_layer_shell_v1_interface, kLayerShell>(server, 4);
    if (options.dmabuf_version > 0) {
      offer<zwp_linux_dmabuf_v1_interface, kDmabuf>(server, static_cast<int>(options.dmabuf_version));
    }
  }
};

void WaylandServer::Destroy::operator()(wl_display* display) const {
  wl_display_destroy_clients(display);
  wl_display_destroy(display);
}

WaylandServer::WaylandServer(const std::string& path, Options options)
    : options_(options), display_(wl_display_create()) {
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(listener, 4) != 0 ||
      wl_display_add_socket_fd(display_.get(), listener) != 0) {
    throw std::runtime_error("no Wayland socket at " + path);
  }
  WaylandRequests::offer_all(*this);
  if (!options_.answers) return;
  thread_ = std::jthread([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      wl_event_loop_dispatch(wl_display_get_event_loop(display_.get()), 20);
      wl_display_flush_clients(display_.get());
    }
  });
}

WaylandServer::~WaylandServer() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

}  // namespace zc::test
