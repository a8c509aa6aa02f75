#include "support/capture_server.h"

#include <ext-foreign-toplevel-list-server-protocol.h>
#include <ext-image-capture-source-server-protocol.h>
#include <ext-image-copy-capture-server-protocol.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <wayland-server.h>
#include <wlr-screencopy-server-protocol.h>
#include <xdg-output-server-protocol.h>

#include <algorithm>
#include <ctime>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace zc::test {
namespace {

constexpr std::uint32_t kFirstColour = 0xff202020;

void destroy_resource(wl_client* /*client*/, wl_resource* resource) { wl_resource_destroy(resource); }

template <class Data>
Data* data_of(wl_resource* resource) {
  return static_cast<Data*>(wl_resource_get_user_data(resource));
}

}  // namespace

struct CaptureServer::Screen {
  CaptureServer* server = nullptr;
  Output output;
  std::vector<std::uint32_t> pixels = {};
  wl_global* global = nullptr;
};

/// What changed since a client's last picture of it: a session of ext's, a manager and output of screencopy's.
struct CaptureServer::Session {
  CaptureServer* server = nullptr;
  Screen* screen = nullptr;
  wl_resource* resource = nullptr;  ///< ext's
  std::vector<Rect> changed = {};
  bool first = true;
  bool has_frame = false;
};

/// One picture that was asked for, or can be.
struct CaptureServer::Copy {
  CaptureServer* server = nullptr;
  Session* session = nullptr;
  wl_resource* resource = nullptr;
  wl_resource* buffer = nullptr;
  std::vector<Rect> stale = {};
  bool asked = false;
  bool with_damage = true;
  Size told = {};  ///< what its buffer is to be; screencopy's
};

struct CaptureRequests {
  using Server = CaptureServer;
  using Screen = CaptureServer::Screen;
  using Session = CaptureServer::Session;
  using Copy = CaptureServer::Copy;

  static wl_resource* make(wl_client* client, const wl_interface& interface, std::uint32_t id, const void* requests,
                           void* data, wl_resource_destroy_func_t gone, int version) {
    wl_resource* resource = wl_resource_create(client, &interface, version, id);
    wl_resource_set_implementation(resource, requests, data, gone);
    return resource;
  }

  static Session* new_session(Server& server, Screen* screen) {
    auto* session = new Session{.server = &server, .screen = screen};
    server.sessions_.push_back(session);
    return session;
  }
  static void end_session(Session* session) {
    std::erase(session->server->sessions_, session);
    for (Copy* copy : session->server->open_) {
      if (copy->session == session) copy->session = nullptr;
    }
    delete session;
  }

  // --- copying ------------------------------------------------------------------------------------------------------

  static bool fail(Copy& copy, std::uint32_t reason) {
    if (is_ext(copy)) {
      ext_image_copy_capture_frame_v1_send_failed(copy.resource, reason);
    } else {
      zwlr_screencopy_frame_v1_send_failed(copy.resource);
    }
    return true;
  }
  static bool is_ext(const Copy& copy) {
    return wl_resource_get_class(copy.resource) == std::string_view("ext_image_copy_capture_frame_v1");
  }

  /// True: it is answered.
  static bool answer(Copy& copy) {
    Session* session = copy.session;
    Screen* screen = session == nullptr ? nullptr : session->screen;
    if (screen == nullptr) return fail(copy, EXT_IMAGE_COPY_CAPTURE_FRAME_V1_FAILURE_REASON_STOPPED);
    Server& server = *copy.server;
    if (server.failures_ > 0) {
      --server.failures_;
      return fail(copy, EXT_IMAGE_COPY_CAPTURE_FRAME_V1_FAILURE_REASON_UNKNOWN);
    }
    wl_shm_buffer* buffer = wl_shm_buffer_get(copy.buffer);
    const Size mode = screen->output.mode;
    if (buffer == nullptr || wl_shm_buffer_get_width(buffer) != static_cast<std::int32_t>(mode.width) ||
        wl_shm_buffer_get_height(buffer) != static_cast<std::int32_t>(mode.height)) {
      if (copy.told == mode) ++server.wrong_;
      return fail(copy, EXT_IMAGE_COPY_CAPTURE_FRAME_V1_FAILURE_REASON_BUFFER_CONSTRAINTS);
    }
    const Rect whole{0, 0, mode.width, mode.height};
    const bool ext = is_ext(copy);
    if (ext && session->first) session->changed = {whole};
    if (session->changed.empty() && copy.with_damage) return false;
    session->first = false;
    // No more than the protocol promises, which shows whether the client keeps the account of its buffers.
    std::vector<Rect> renewed = session->changed;
    renewed.insert(renewed.end(), copy.stale.begin(), copy.stale.end());
    if (!ext) renewed = {whole};
    for (const Rect& rect : renewed) write(*screen, *buffer, intersect(rect, whole));
    send(copy, *screen, ext);
    session->changed.clear();
    return true;
  }

  static void write(const Screen& screen, wl_shm_buffer& buffer, const Rect& rect) {
    wl_shm_buffer_begin_access(&buffer);
    auto* bytes = static_cast<char*>(wl_shm_buffer_get_data(&buffer));
    const auto stride = static_cast<std::size_t>(wl_shm_buffer_get_stride(&buffer));
    const Size mode = screen.output.mode;
    for (std::uint32_t row = 0; row < rect.height; ++row) {
      const std::uint32_t y = static_cast<std::uint32_t>(rect.y) + row;
      const std::uint32_t to = screen.server->options_.upside_down ? mode.height - 1 - y : y;
      const std::uint32_t* from = screen.pixels.data() + std::size_t{y} * mode.width + rect.x;
      std::copy_n(from, rect.width, reinterpret_cast<std::uint32_t*>(bytes + to * stride) + rect.x);
    }
    wl_shm_buffer_end_access(&buffer);
  }

  static void send(const Copy& copy, const Screen& screen, bool ext) {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    const auto seconds = static_cast<std::uint32_t>(now.tv_sec);
    const auto ns = static_cast<std::uint32_t>(now.tv_nsec);
    if (ext) {
      ext_image_copy_capture_frame_v1_send_transform(copy.resource,
                                                     static_cast<std::uint32_t>(screen.output.transform));
      for (const Rect& rect : copy.session->changed) {
        ext_image_copy_capture_frame_v1_send_damage(copy.resource, rect.x, rect.y, static_cast<int>(rect.width),
                                                    static_cast<int>(rect.height));
      }
      ext_image_copy_capture_frame_v1_send_presentation_time(copy.resource, 0, seconds, ns);
      ext_image_copy_capture_frame_v1_send_ready(copy.resource);
      return;
    }
    zwlr_screencopy_frame_v1_send_flags(
        copy.resource, screen.server->options_.upside_down ? ZWLR_SCREENCOPY_FRAME_V1_FLAGS_Y_INVERT : 0);
    for (const Rect& rect : copy.session->changed) {
      if (!copy.with_damage) break;
      zwlr_screencopy_frame_v1_send_damage(copy.resource, static_cast<std::uint32_t>(rect.x),
                                           static_cast<std::uint32_t>(rect.y), rect.width, rect.height);
    }
    zwlr_screencopy_frame_v1_send_ready(copy.resource, 0, seconds, ns);
  }

  static void ask(Copy& copy, bool with_damage) {
    if (copy.asked || copy.buffer == nullptr) ++copy.server->wrong_;
    copy.asked = true;
    copy.with_damage = with_damage;
    ++copy.server->copies_;
    if (!answer(copy)) copy.server->waiting_.push_back(&copy);
  }
  static void answer_waiting(Server& server) {
    std::erase_if(server.waiting_, [](Copy* copy) { return answer(*copy); });
  }
  static void end_copy(wl_resource* resource) {
    const std::unique_ptr<Copy> dying(data_of<Copy>(resource));
    std::erase(dying->server->waiting_, dying.get());
    std::erase(dying->server->open_, dying.get());
    if (dying->session != nullptr) dying->session->has_frame = false;
  }

  // --- ext-image-copy-capture ---------------------------------------------------------------------------------------

  static void tell(Session& session) {
    const Size mode = session.screen->output.mode;
    ext_image_copy_capture_session_v1_send_buffer_size(session.resource, mode.width, mode.height);
    ext_image_copy_capture_session_v1_send_shm_format(session.resource, WL_SHM_FORMAT_ARGB8888);
    ext_image_copy_capture_session_v1_send_shm_format(session.resource, WL_SHM_FORMAT_XRGB8888);
    ext_image_copy_capture_session_v1_send_done(session.resource);
  }

  static void create_frame(wl_client* client, wl_resource* resource, std::uint32_t id) {
    static constexpr struct ext_image_copy_capture_frame_v1_interface kFrame{
        .destroy = &destroy_resource,
        .attach_buffer = [](wl_client*, wl_resource* r, wl_resource* buffer) { data_of<Copy>(r)->buffer = buffer; },
        .damage_buffer =
            [](wl_client*, wl_resource* r, std::int32_t x, std::int32_t y, std::int32_t width, std::int32_t height) {
              if (x < 0 || y < 0 || width <= 0 || height <= 0) {
                ++data_of<Copy>(r)->server->wrong_;
                return;
              }
              data_of<Copy>(r)->stale.push_back(
                  {x, y, static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height)});
            },
        .capture = [](wl_client*, wl_resource* r) { ask(*data_of<Copy>(r), true); }};
    Session* session = data_of<Session>(resource);
    if (std::exchange(session->has_frame, true)) ++session->server->wrong_;
    auto* copy = new Copy{.server = session->server, .session = session};
    session->server->open_.push_back(copy);
    copy->resource = make(client, ext_image_copy_capture_frame_v1_interface, id, &kFrame, copy, &end_copy, 1);
  }

  static void create_session(wl_client* client, wl_resource* manager, std::uint32_t id, wl_resource* source,
                             std::uint32_t options) {
    static constexpr struct ext_image_copy_capture_session_v1_interface kSession{&create_frame, &destroy_resource};
    Server& server = *data_of<Server>(manager);
    if (options > 1) ++server.wrong_;
    Session* session = new_session(server, data_of<Screen>(source));
    session->resource = make(
        client, ext_image_copy_capture_session_v1_interface, id, &kSession, session,
        [](wl_resource* r) { end_session(data_of<Session>(r)); }, 1);
    tell(*session);
  }

  static void make_source(wl_client* client, std::uint32_t id, Screen* screen) {
    static constexpr struct ext_image_capture_source_v1_interface kSource{&destroy_resource};
    make(client, ext_image_capture_source_v1_interface, id, &kSource, screen, nullptr, 1);
  }

  static void list_windows(wl_client* client, wl_resource* list) {
    static constexpr struct ext_foreign_toplevel_handle_v1_interface kHandle{&destroy_resource};
    wl_resource* handle =
        make(client, ext_foreign_toplevel_handle_v1_interface, 0, &kHandle, data_of<Server>(list), nullptr, 1);
    ext_foreign_toplevel_list_v1_send_toplevel(list, handle);
    ext_foreign_toplevel_handle_v1_send_identifier(handle, "window-1");
    ext_foreign_toplevel_handle_v1_send_title(handle, "A window");
    ext_foreign_toplevel_handle_v1_send_app_id(handle, "org.example.Window");
    ext_foreign_toplevel_handle_v1_send_done(handle);
  }

  // --- wlr-screencopy -----------------------------------------------------------------------------------------------

  static void capture_output(wl_client* client, wl_resource* manager, std::uint32_t id, std::int32_t /*cursor*/,
                             wl_resource* output) {
    static constexpr struct zwlr_screencopy_frame_v1_interface kFrame{
        .copy =
            [](wl_client*, wl_resource* r, wl_resource* buffer) {
              data_of<Copy>(r)->buffer = buffer;
              ask(*data_of<Copy>(r), false);
            },
        .destroy = &destroy_resource,
        .copy_with_damage =
            [](wl_client*, wl_resource* r, wl_resource* buffer) {
              data_of<Copy>(r)->buffer = buffer;
              ask(*data_of<Copy>(r), true);
            }};
    Server& server = *data_of<Server>(manager);
    Screen* screen = data_of<Screen>(output);
    const auto known = std::ranges::find(server.sessions_, screen, &Session::screen);
    auto* copy =
        new Copy{.server = &server, .session = known != server.sessions_.end() ? *known : new_session(server, screen)};
    copy->told = screen->output.mode;
    server.open_.push_back(copy);
    copy->resource = make(client, zwlr_screencopy_frame_v1_interface, id, &kFrame, copy, &end_copy, 3);
    zwlr_screencopy_frame_v1_send_buffer(copy->resource, WL_SHM_FORMAT_XRGB8888, copy->told.width, copy->told.height,
                                         copy->told.width * 4);
    zwlr_screencopy_frame_v1_send_buffer_done(copy->resource);
  }

  // --- outputs ------------------------------------------------------------------------------------------------------

  static void bind_output(wl_client* client, void* data, std::uint32_t version, std::uint32_t id) {
    static constexpr struct wl_output_interface kOutput{&destroy_resource};
    auto* screen = static_cast<Screen*>(data);
    const Output& output = screen->output;
    wl_resource* r = make(client, wl_output_interface, id, &kOutput, screen, nullptr, static_cast<int>(version));
    wl_output_send_geometry(r, output.place.x, output.place.y, 0, 0, 0, "test", "test",
                            static_cast<std::int32_t>(output.transform));
    wl_output_send_mode(r, WL_OUTPUT_MODE_CURRENT, static_cast<int>(output.mode.width),
                        static_cast<int>(output.mode.height), 60'000);
    wl_output_send_name(r, output.name.c_str());
    wl_output_send_description(r, "a stand-in");
    wl_output_send_done(r);
  }
  using Output = CaptureServer::Output;

  static void get_xdg_output(wl_client* client, wl_resource* /*manager*/, std::uint32_t id, wl_resource* output) {
    static constexpr struct zxdg_output_v1_interface kXdg{&destroy_resource};
    const Output& told = data_of<Screen>(output)->output;
    wl_resource* r = make(client, zxdg_output_v1_interface, id, &kXdg, nullptr, nullptr, 3);
    zxdg_output_v1_send_logical_position(r, told.place.x, told.place.y);
    zxdg_output_v1_send_logical_size(r, static_cast<int>(told.place.width), static_cast<int>(told.place.height));
  }

  static constexpr struct zxdg_output_manager_v1_interface kXdgManager{&destroy_resource, &get_xdg_output};
  static constexpr struct ext_image_copy_capture_manager_v1_interface kExt{&create_session, nullptr, &destroy_resource};
  static constexpr struct ext_output_image_capture_source_manager_v1_interface kSources{
      [](wl_client* c, wl_resource*, std::uint32_t id, wl_resource* output) {
        make_source(c, id, data_of<Screen>(output));
      },
      &destroy_resource};
  static constexpr struct ext_foreign_toplevel_image_capture_source_manager_v1_interface kWindowSources{
      [](wl_client* c, wl_resource* r, std::uint32_t id, wl_resource*) {
        make_source(c, id, data_of<Server>(r)->screens_.front().get());
      },
      &destroy_resource};
  static constexpr struct ext_foreign_toplevel_list_v1_interface kWindows{
      [](wl_client*, wl_resource* r) { ext_foreign_toplevel_list_v1_send_finished(r); }, &destroy_resource};
  static constexpr struct zwlr_screencopy_manager_v1_interface kScreencopy{&capture_output, nullptr, &destroy_resource};

  template <const wl_interface& Interface, const auto& Requests>
  static void offer(Server& server, int version) {
    wl_global_create(server.display_.get(), &Interface, version, &server,
                     [](wl_client* client, void* data, std::uint32_t bound, std::uint32_t id) {
                       wl_resource* r = make(client, Interface, id, &Requests, data, nullptr, static_cast<int>(bound));
                       if (&Interface == &ext_foreign_toplevel_list_v1_interface) list_windows(client, r);
                     });
  }

  static void offer_all(Server& server) {
    wl_display_init_shm(server.display_.get());
    offer<zxdg_output_manager_v1_interface, kXdgManager>(server, 3);
    for (const Output& output : server.options_.outputs) {
      auto screen = std::make_unique<Screen>(Screen{.server = &server, .output = output});
      screen->pixels.assign(output.mode.area(), kFirstColour);
      screen->global = wl_global_create(server.display_.get(), &wl_output_interface, 4, screen.get(), &bind_output);
      server.screens_.push_back(std::move(screen));
    }
    if (server.options_.protocol == Server::Protocol::Ext) {
      offer<ext_image_copy_capture_manager_v1_interface, kExt>(server, 1);
      offer<ext_output_image_capture_source_manager_v1_interface, kSources>(server, 1);
    }
    if (server.options_.protocol == Server::Protocol::Screencopy) {
      offer<zwlr_screencopy_manager_v1_interface, kScreencopy>(server, 3);
    }
    if (server.options_.window) {
      offer<ext_foreign_toplevel_image_capture_source_manager_v1_interface, kWindowSources>(server, 1);
      offer<ext_foreign_toplevel_list_v1_interface, kWindows>(server, 1);
    }
  }

  static void paint(Server& server, std::size_t index, const Rect& rect, std::uint32_t colour) {
    Screen& screen = *server.screens_.at(index);
    const Size mode = screen.output.mode;
    const Rect inside = intersect(rect, {0, 0, mode.width, mode.height});
    for (std::uint32_t row = 0; row < inside.height; ++row) {
      std::fill_n(screen.pixels.begin() + (inside.y + static_cast<std::int32_t>(row)) * static_cast<long>(mode.width) +
                      inside.x,
                  inside.width, colour);
    }
    for (Session* session : server.sessions_) {
      if (session->screen == &screen) session->changed.push_back(inside);
    }
    answer_waiting(server);
  }
};

void CaptureServer::Destroy::operator()(wl_display* display) const {
  wl_display_destroy_clients(display);
  wl_display_destroy(display);
}

CaptureServer::CaptureServer(const std::string& path, Options options)
    : options_(std::move(options)), display_(wl_display_create()) {
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(listener, 4) != 0 ||
      wl_display_add_socket_fd(display_.get(), listener) != 0) {
    throw std::runtime_error("no Wayland socket at " + path);
  }
  CaptureRequests::offer_all(*this);
  thread_ = std::jthread([this](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      pollfd waiting{wl_event_loop_get_fd(wl_display_get_event_loop(display_.get())), POLLIN, 0};
      static_cast<void>(::poll(&waiting, 1, 20));
      locked([] {});
    }
  });
}

CaptureServer::~CaptureServer() {
  thread_.request_stop();
  thread_.join();
  display_.reset();  // its clients' resources go first, and know the rest
  for (Session* session : std::exchange(sessions_, {})) delete session;
}

void CaptureServer::locked(const std::function<void()>& work) {
  const std::lock_guard lock(mutex_);
  wl_event_loop_dispatch(wl_display_get_event_loop(display_.get()), 0);
  work();
  wl_display_flush_clients(display_.get());
  clients_ = wl_list_length(wl_display_get_client_list(display_.get()));
}

void CaptureServer::paint(std::size_t output, const Rect& rect, std::uint32_t colour) {
  locked([&] { CaptureRequests::paint(*this, output, rect, colour); });
}

void CaptureServer::resize(std::size_t output, Size size, std::uint32_t colour) {
  locked([&] {
    Screen& screen = *screens_.at(output);
    screen.output.mode = size;
    screen.pixels.assign(size.area(), colour);
    for (Session* session : sessions_) {
      if (session->screen == &screen && session->resource != nullptr) CaptureRequests::tell(*session);
    }
    CaptureRequests::paint(*this, output, {0, 0, size.width, size.height}, colour);
  });
}

void CaptureServer::unplug(std::size_t output) {
  locked([&] {
    Screen& screen = *screens_.at(output);
    wl_global_remove(std::exchange(screen.global, nullptr));
    for (Session* session : sessions_) {
      if (session->screen != &screen) continue;
      session->screen = nullptr;
      if (session->resource != nullptr) ext_image_copy_capture_session_v1_send_stopped(session->resource);
    }
    CaptureRequests::answer_waiting(*this);
  });
}

void CaptureServer::stop_sessions() {
  locked([&] {
    for (Session* session : sessions_) {
      session->screen = nullptr;
      ext_image_copy_capture_session_v1_send_stopped(session->resource);
    }
    CaptureRequests::answer_waiting(*this);
  });
}

std::vector<std::uint32_t> CaptureServer::picture(std::size_t output) {
  std::vector<std::uint32_t> pixels;
  locked([&] { pixels = screens_.at(output)->pixels; });
  return pixels;
}

}  // namespace zc::test
