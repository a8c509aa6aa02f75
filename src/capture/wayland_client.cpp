#include "capture/wayland_client.h"

#include "base/log.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <wayland-client.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <optional>

namespace zc {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOperation = "talk to the Wayland compositor";
/// A stop is looked for so often.
constexpr Nanoseconds kLook = std::chrono::milliseconds(50);

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::optional<std::string> socket_path() {
  std::string name = environment("WAYLAND_DISPLAY");
  const std::string folder = environment("XDG_RUNTIME_DIR");
  if (name.starts_with('/')) return name;
  if (folder.empty()) return std::nullopt;
  if (!name.empty()) return folder + "/" + name;
  // A service of the user may not have been told.
  std::optional<std::string> only;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    const std::string file = entry->path().filename();
    if (!file.starts_with("wayland-") || file.ends_with(".lock") || !entry->is_socket(error)) continue;
    if (only) return std::nullopt;
    only = entry->path();
  }
  return only;
}

/// What libwayland would print, last in this thread.
thread_local std::string
    last_words;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables): its handler has no data

void keep_words(const char* format, va_list arguments) {
  std::array<char, 512> words{};
  static_cast<void>(std::vsnprintf(words.data(), words.size(), format, arguments));
  last_words = words.data();
  while (last_words.ends_with('\n')) last_words.pop_back();
}

}  // namespace

void WaylandClient::Disconnect::operator()(wl_display* display) const { wl_display_disconnect(display); }
void WaylandClient::DestroyRegistry::operator()(wl_registry* registry) const { wl_registry_destroy(registry); }

Result<WaylandClient> WaylandClient::connect(std::stop_token stop) {
  static std::once_flag once;
  std::call_once(once, [] { wl_log_set_handler_client(&keep_words); });
  const auto path = socket_path();
  if (!path) return fail(ErrorKind::NotFound, kOperation, "its socket is not known (WAYLAND_DISPLAY is not set)");
  // Not by wl_display_connect(), which would wait for one that accepts nobody.
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path->size() >= sizeof address.sun_path) return fail(ErrorKind::NotFound, kOperation, *path + " is too long");
  path->copy(address.sun_path, path->size());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno(errno, kOperation);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail(ErrorKind::NotFound, kOperation, fmt::format("nothing answers at {}", *path));
  }
  wl_display* display = wl_display_connect_to_fd(socket.release());
  if (display == nullptr) return fail_errno(errno, kOperation);
  return WaylandClient(display, std::move(stop));
}

Result<void> WaylandClient::find_globals(Nanoseconds deadline) {
  static constexpr wl_registry_listener kListener{
      .global =
          [](void* data, wl_registry* /*registry*/, std::uint32_t name, const char* interface, std::uint32_t version) {
            static_cast<std::vector<Global>*>(data)->push_back({name, interface, version});
          },
      .global_remove =
          [](void* data, wl_registry* /*registry*/, std::uint32_t name) {
            std::erase_if(*static_cast<std::vector<Global>*>(data), [&](const Global& g) { return g.name == name; });
          }};
  registry_.reset(wl_display_get_registry(display_.get()));
  if (!registry_) return fail_errno(ENOMEM, kOperation);
  wl_registry_add_listener(registry_.get(), &kListener, globals_.get());
  return roundtrip(deadline);
}

const WaylandClient::Global* WaylandClient::find(std::string_view interface) const {
  const auto found = std::ranges::find(*globals_, interface, &Global::interface);
  return found == globals_->end() ? nullptr : &*found;
}

void* WaylandClient::bind_proxy(const Global& global, const wl_interface& interface, std::uint32_t version) {
  return wl_registry_bind(registry_.get(), global.name, &interface, version);
}

std::unexpected<Error> WaylandClient::broken() const {
  const int code = wl_display_get_error(display_.get());
  if (code == EPIPE || code == ECONNRESET || code == 0) return fail(ErrorKind::Lost, kOperation, "it has hung up");
  return fail(ErrorKind::Unsupported, kOperation, fmt::format("it refuses a request: {}", last_words));
}

Result<void> WaylandClient::wait(Nanoseconds deadline, const std::function<bool()>& done) {
  wl_display* display = display_.get();
  while (true) {
    if (wl_display_dispatch_pending(display) < 0) return broken();
    if (done()) return {};
    if (stop_.stop_requested()) return fail(ErrorKind::Cancelled, kOperation, "stopped");
    const Nanoseconds left = deadline - monotonic_now();
    if (left <= Nanoseconds{}) return fail(ErrorKind::Timeout, kOperation, "it does not answer");
    if (wl_display_prepare_read(display) != 0) continue;  // more events are there
    // Where it takes nothing any more, its last words are read all the same.
    static_cast<void>(wl_display_flush(display));
    std::array<pollfd, 2> waiting{pollfd{wl_display_get_fd(display), POLLIN, 0}, pollfd{wake_, POLLIN, 0}};
    const Nanoseconds nap = wake_ >= 0 ? std::min<Nanoseconds>(left, std::chrono::hours(1)) : std::min(left, kLook);
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(nap).count();
    if (::poll(waiting.data(), waiting.size(), static_cast<int>(ms)) <= 0 || waiting[0].revents == 0) {
      wl_display_cancel_read(display);
    } else if (wl_display_read_events(display) < 0) {
      return broken();
    }
  }
}

Result<void> WaylandClient::roundtrip(Nanoseconds deadline) {
  static constexpr wl_callback_listener kListener{
      .done = [](void* data, wl_callback* /*callback*/, std::uint32_t /*number*/) {
        *static_cast<bool*>(data) = true;
      }};
  bool answered = false;
  const std::unique_ptr<wl_callback, WaylandDestroy<wl_callback_destroy>> callback(wl_display_sync(display_.get()));
  if (!callback) return fail_errno(ENOMEM, kOperation);
  wl_callback_add_listener(callback.get(), &kListener, &answered);
  return wait(deadline, [&] { return answered; });
}

}  // namespace zc
