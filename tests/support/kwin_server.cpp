#include "support/kwin_server.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <wayland-server.h>
#include <zkde-screencast-unstable-v1-server-protocol.h>

#include <stdexcept>
#include <utility>

namespace zc::test {
namespace {

void destroy_resource(wl_client* /*client*/, wl_resource* resource) { wl_resource_destroy(resource); }

}  // namespace

struct KWinRequests {
  static KWinServer& of(wl_resource* resource) {
    return *static_cast<KWinServer*>(wl_resource_get_user_data(resource));
  }

  static void begin(wl_client* client, wl_resource* manager, std::uint32_t id, std::string what) {
    static constexpr struct zkde_screencast_stream_unstable_v1_interface kStream{&destroy_resource};
    KWinServer& server = of(manager);
    server.asked_.push_back(std::move(what));
    wl_resource* stream =
        wl_resource_create(client, &zkde_screencast_stream_unstable_v1_interface, wl_resource_get_version(manager), id);
    wl_resource_set_implementation(stream, &kStream, &server, [](wl_resource* r) {
      std::erase(of(r).open_, r);
      --of(r).streams_;
    });
    server.open_.push_back(stream);
    ++server.streams_;
    if (server.options_.refusal) {
      zkde_screencast_stream_unstable_v1_send_failed(stream, server.options_.refusal->c_str());
    } else {
      zkde_screencast_stream_unstable_v1_send_created(stream, server.options_.node);
    }
  }

  static constexpr struct zkde_screencast_unstable_v1_interface kManager{
      .stream_output =
          [](wl_client* c, wl_resource* r, std::uint32_t id, wl_resource* output, std::uint32_t pointer) {
            const auto* name = static_cast<const char*>(wl_resource_get_user_data(output));
            begin(c, r, id, fmt::format("output {} pointer {}", name, pointer));
          },
      .stream_window =
          [](wl_client* c, wl_resource* r, std::uint32_t id, const char* uuid, std::uint32_t pointer) {
            begin(c, r, id, fmt::format("window {} pointer {}", uuid, pointer));
          },
      .destroy = &destroy_resource,
      .stream_virtual_output =
          [](wl_client* c, wl_resource* r, std::uint32_t id, const char* name, std::int32_t width, std::int32_t height,
             wl_fixed_t scale, std::uint32_t pointer) {
            begin(c, r, id,
                  fmt::format("virtual {} {}x{} scale {} pointer {}", name, width, height, wl_fixed_to_double(scale),
                              pointer));
          },
      .stream_region =
          [](wl_client* c, wl_resource* r, std::uint32_t id, std::int32_t x, std::int32_t y, std::uint32_t width,
             std::uint32_t height, wl_fixed_t scale, std::uint32_t pointer) {
            begin(c, r, id,
                  fmt::format("region {},{} {}x{} scale {} pointer {}", x, y, width, height, wl_fixed_to_double(scale),
                              pointer));
          }};

  static void bind_manager(wl_client* client, void* data, std::uint32_t version, std::uint32_t id) {
    wl_resource* r = wl_resource_create(client, &zkde_screencast_unstable_v1_interface, static_cast<int>(version), id);
    wl_resource_set_implementation(r, &kManager, data, nullptr);
  }

  template <int Number>
  static void bind_output(wl_client* client, void* /*data*/, std::uint32_t version, std::uint32_t id) {
    static constexpr struct wl_output_interface kOutput{&destroy_resource};
    static constexpr const char* kName = Number == 1 ? "DP-1" : "DP-2";
    wl_resource* r = wl_resource_create(client, &wl_output_interface, static_cast<int>(version), id);
    wl_resource_set_implementation(r, &kOutput, const_cast<char*>(kName), nullptr);
    wl_output_send_geometry(r, Number == 1 ? 0 : 640, 0, 0, 0, 0, "test", "test", 0);
    wl_output_send_mode(r, WL_OUTPUT_MODE_CURRENT, 640 * Number, 360 * Number, 60'000);
    wl_output_send_scale(r, Number);
    wl_output_send_name(r, kName);
    wl_output_send_done(r);
  }
};

void KWinServer::Destroy::operator()(wl_display* display) const {
  wl_display_destroy_clients(display);
  wl_display_destroy(display);
}

KWinServer::KWinServer(const std::string& path, Options options)
    : options_(std::move(options)), display_(wl_display_create()) {
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(listener, 4) != 0 ||
      wl_display_add_socket_fd(display_.get(), listener) != 0) {
    throw std::runtime_error("no Wayland socket at " + path);
  }
  wl_global_create(display_.get(), &wl_output_interface, 4, this, &KWinRequests::bind_output<1>);
  wl_global_create(display_.get(), &wl_output_interface, 4, this, &KWinRequests::bind_output<2>);
  if (options_.version > 0) {
    wl_global_create(display_.get(), &zkde_screencast_unstable_v1_interface, options_.version, this,
                     &KWinRequests::bind_manager);
  }
  thread_ = std::jthread([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      pollfd waiting{wl_event_loop_get_fd(wl_display_get_event_loop(display_.get())), POLLIN, 0};
      static_cast<void>(::poll(&waiting, 1, 20));
      locked([] {});
    }
  });
}

KWinServer::~KWinServer() {
  thread_.request_stop();
  thread_.join();
  display_.reset();  // its clients' resources know the rest
}

void KWinServer::locked(const std::function<void()>& work) {
  const std::lock_guard lock(mutex_);
  wl_event_loop_dispatch(wl_display_get_event_loop(display_.get()), 0);
  work();
  wl_display_flush_clients(display_.get());
}

std::vector<std::string> KWinServer::asked() {
  std::vector<std::string> all;
  locked([&] { all = asked_; });
  return all;
}

void KWinServer::close() {
  locked([this] {
    for (wl_resource* stream : open_) zkde_screencast_stream_unstable_v1_send_closed(stream);
  });
}

}  // namespace zc::test
