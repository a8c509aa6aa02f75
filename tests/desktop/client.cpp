// zerocast-desktop-client: a full-screen animated wl_shm client. Every picture carries zc::TestMark (frame number, and
// the time at which it will be shown) in its top left corner. It is cheap on purpose: compositor and encoder share the
// machine with it.
#include "base/clock.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "scene.h"
#include "wayland_ptr.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace zc::desktop {
namespace {

constexpr std::array<std::pair<std::string_view, Mode>, 3> kModes{
    {{"full", Mode::Full}, {"band", Mode::Band}, {"static", Mode::Static}}};
constexpr const char* kUsage =
    "usage: zerocast-desktop-client [--mode full|band|static] [--rate HZ]\n"
    "Shows full-screen animation on $WAYLAND_DISPLAY until SIGTERM or SIGINT; prints its frame rate then. It paints "
    "at\n"
    "every frame callback, with --rate at most that often, on a steady beat.\n";

struct Options {
  Mode mode = Mode::Full;
  std::uint32_t rate_hz = 0;  ///< 0: every frame callback
};

/// The client's window and event loop. All of it runs on the main thread; the compositor's events come in through
/// listeners that get `this`, so it never moves.
class Client {
 public:
  explicit Client(Options options) : mode_(options.mode), rate_hz_(options.rate_hz) {}
  /// Runs until a signal arrives on `signals`, the window is closed or the compositor is gone (ErrorKind::Lost).
  Result<void> run(const UniqueFd& signals);
  void report() const;

 private:
  Result<void> open();
  Result<void> start_beat();
  void on_global(std::uint32_t name, std::string_view interface);
  void on_configure(std::uint32_t serial);
  void on_frame(std::uint32_t milliseconds);
  void draw();
  Result<void> dispatch(const UniqueFd& signals);

  static const wl_registry_listener kRegistry;
  static const xdg_wm_base_listener kWmBase;
  static const xdg_surface_listener kXdgSurface;
  static const xdg_toplevel_listener kToplevel;
  static const wl_callback_listener kFrame;
  static const wl_output_listener kOutput;

  Mode mode_;
  std::uint32_t rate_hz_;
  UniqueFd beat_;  ///< timerfd of the steady beat, empty without a rate
  Owned<wl_display> display_;
  Owned<wl_registry> registry_;
  Owned<wl_compositor> compositor_;
  Owned<wl_subcompositor> subcompositor_;
  Owned<wl_shm> shm_;
  Owned<xdg_wm_base> wm_base_;
  Owned<wl_output> output_;
  Owned<wl_surface> surface_;
  Owned<xdg_surface> xdg_surface_;
  Owned<xdg_toplevel> toplevel_;
  std::optional<Scene> scene_;
  Owned<wl_callback> frame_callback_;

  Size wanted_{1280, 720};  ///< what the compositor configured last
  Size shown_{};
  bool due_ = false;     ///< the compositor wants a picture: a frame callback or a new size came
  bool on_beat_ = true;  ///< the beat allows one
  bool running_ = true;
  std::optional<Error> failure_;
  std::uint32_t frames_ = 0;
  Nanoseconds refresh_{};     ///< the output's
  Nanoseconds next_frame_{};  ///< when the output can show another picture at the earliest
  Nanoseconds first_{};
  Nanoseconds last_{};
};

const wl_registry_listener Client::kRegistry = {
    .global = [](void* self, wl_registry*, std::uint32_t name, const char* interface,
                 std::uint32_t) { static_cast<Client*>(self)->on_global(name, interface); },
    .global_remove = [](void*, wl_registry*, std::uint32_t) {}};

const xdg_wm_base_listener Client::kWmBase = {
    .ping = [](void*, xdg_wm_base* base, std::uint32_t serial) { xdg_wm_base_pong(base, serial); }};

const xdg_surface_listener Client::kXdgSurface = {.configure = [](void* self, xdg_surface*, std::uint32_t serial) {
  static_cast<Client*>(self)->on_configure(serial);
}};

const xdg_toplevel_listener Client::kToplevel = {
    .configure =
        [](void* self, xdg_toplevel*, std::int32_t width, std::int32_t height, wl_array*) {
          if (width > 0 && height > 0)
            static_cast<Client*>(self)->wanted_ = {static_cast<std::uint32_t>(width),
                                                   static_cast<std::uint32_t>(height)};
        },
    .close = [](void* self, xdg_toplevel*) { static_cast<Client*>(self)->running_ = false; },
    .configure_bounds = [](void*, xdg_toplevel*, std::int32_t, std::int32_t) {},
    .wm_capabilities = [](void*, xdg_toplevel*, wl_array*) {}};

const wl_callback_listener Client::kFrame = {.done = [](void* self, wl_callback*, std::uint32_t milliseconds) {
  static_cast<Client*>(self)->on_frame(milliseconds);
}};

const wl_output_listener Client::kOutput = {
    .geometry = [](void*, wl_output*, std::int32_t, std::int32_t, std::int32_t, std::int32_t, std::int32_t, const char*,
                   const char*, std::int32_t) {},
    .mode =
        [](void* self, wl_output*, std::uint32_t flags, std::int32_t, std::int32_t, std::int32_t millihertz) {
          if ((flags & WL_OUTPUT_MODE_CURRENT) != 0 && millihertz > 0)
            static_cast<Client*>(self)->refresh_ = Nanoseconds(1'000'000'000'000 / millihertz);
        },
    .done = [](void*, wl_output*) {},
    .scale = [](void*, wl_output*, std::int32_t) {},
    .name = [](void*, wl_output*, const char*) {},
    .description = [](void*, wl_output*, const char*) {}};

void Client::on_global(std::uint32_t name, std::string_view interface) {
  const auto bind = [&](const wl_interface& type, std::uint32_t version) {
    return wl_registry_bind(registry_.get(), name, &type, version);
  };
  if (interface == wl_compositor_interface.name)
    compositor_.reset(static_cast<wl_compositor*>(bind(wl_compositor_interface, 4)));
  else if (interface == wl_subcompositor_interface.name)
    subcompositor_.reset(static_cast<wl_subcompositor*>(bind(wl_subcompositor_interface, 1)));
  else if (interface == wl_shm_interface.name)
    shm_.reset(static_cast<wl_shm*>(bind(wl_shm_interface, 1)));
  else if (interface == xdg_wm_base_interface.name)
    wm_base_.reset(static_cast<xdg_wm_base*>(bind(xdg_wm_base_interface, 1)));
  else if (interface == wl_output_interface.name && !output_) {
    output_.reset(static_cast<wl_output*>(bind(wl_output_interface, 2)));
    wl_output_add_listener(output_.get(), &kOutput, this);
  }
}

/// The compositor has just begun a frame, whose time it tells in milliseconds of CLOCK_MONOTONIC, without the upper
/// bits.
void Client::on_frame(std::uint32_t milliseconds) {
  frame_callback_.reset();
  due_ = true;
  const Nanoseconds now = monotonic_now();
  const auto now_ms = static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  const auto ago = std::chrono::milliseconds(static_cast<std::int32_t>(now_ms - milliseconds));
  next_frame_ = now - ago + refresh_;
}

Result<void> Client::start_beat() {
  if (rate_hz_ == 0) return {};
  beat_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  const timespec period{.tv_sec = rate_hz_ == 1 ? 1 : 0, .tv_nsec = 1'000'000'000 / rate_hz_ % 1'000'000'000};
  const itimerspec beat{.it_interval = period, .it_value = period};
  if (!beat_ || ::timerfd_settime(beat_.get(), 0, &beat, nullptr) != 0) return fail_errno(errno, "start a timer");
  return {};
}

Result<void> Client::open() {
  display_.reset(wl_display_connect(nullptr));
  if (!display_) return fail_errno(errno, "connect to the Wayland display");
  registry_.reset(wl_display_get_registry(display_.get()));
  wl_registry_add_listener(registry_.get(), &kRegistry, this);
  if (wl_display_roundtrip(display_.get()) < 0) return fail_errno(errno, "ask the compositor for its globals");
  if (!compositor_ || !subcompositor_ || !shm_ || !wm_base_)
    return fail(ErrorKind::Unsupported, "open a window",
                "the compositor lacks wl_compositor, wl_subcompositor, wl_shm or xdg_wm_base");
  xdg_wm_base_add_listener(wm_base_.get(), &kWmBase, this);
  surface_.reset(wl_compositor_create_surface(compositor_.get()));
  xdg_surface_.reset(xdg_wm_base_get_xdg_surface(wm_base_.get(), surface_.get()));
  xdg_surface_add_listener(xdg_surface_.get(), &kXdgSurface, this);
  toplevel_.reset(xdg_surface_get_toplevel(xdg_surface_.get()));
  xdg_toplevel_add_listener(toplevel_.get(), &kToplevel, this);
  xdg_toplevel_set_title(toplevel_.get(), "zerocast desktop client");
  xdg_toplevel_set_app_id(toplevel_.get(), "zerocast-desktop-client");
  xdg_toplevel_set_fullscreen(toplevel_.get(), nullptr);
  wl_surface_commit(surface_.get());
  return {};
}

void Client::on_configure(std::uint32_t serial) {
  xdg_surface_ack_configure(xdg_surface_.get(), serial);
  if (scene_ && shown_ == wanted_) return;
  scene_.reset();
  auto scene = Scene::create({compositor_.get(), subcompositor_.get(), shm_.get()}, *surface_, mode_, wanted_);
  if (!scene) {
    failure_ = scene.error();
    return;
  }
  scene_.emplace(std::move(*scene));
  shown_ = wanted_;
  due_ = true;
}

void Client::draw() {
  const Nanoseconds now = monotonic_now();
  if (!scene_ || !scene_->draw(*surface_, TestMark{frames_, std::max(now, next_frame_)})) return;
  due_ = false;
  on_beat_ = !beat_;
  if (frames_ == 0) first_ = now;
  last_ = now;
  ++frames_;
  if (mode_ != Mode::Static && !frame_callback_) {
    frame_callback_.reset(wl_surface_frame(surface_.get()));
    wl_callback_add_listener(frame_callback_.get(), &kFrame, this);
  }
  wl_surface_commit(surface_.get());
}

/// One turn of the loop: waits for the compositor, the beat or a signal and runs what came in.
Result<void> Client::dispatch(const UniqueFd& signals) {
  wl_display* display = display_.get();
  while (wl_display_prepare_read(display) != 0) wl_display_dispatch_pending(display);
  wl_display_flush(display);
  std::array<pollfd, 3> fds{{{.fd = wl_display_get_fd(display), .events = POLLIN, .revents = 0},
                             {.fd = signals.get(), .events = POLLIN, .revents = 0},
                             {.fd = beat_.get(), .events = POLLIN, .revents = 0}}};
  const int ready = ::poll(fds.data(), fds.size(), -1);
  if (ready > 0 && fds[0].revents != 0) {
    if (wl_display_read_events(display) < 0) return fail_errno(errno, "read the compositor's events");
  } else {
    wl_display_cancel_read(display);
  }
  if (ready < 0 && errno != EINTR) return fail_errno(errno, "wait for the compositor");
  if (fds[1].revents != 0) running_ = false;
  std::uint64_t beats = 0;  // missed ones are not made up for
  if (fds[2].revents != 0 && ::read(beat_.get(), &beats, sizeof beats) > 0) on_beat_ = true;
  if (wl_display_dispatch_pending(display) < 0)
    return fail(ErrorKind::Lost, "show the animation", "the compositor is gone");
  return {};
}

Result<void> Client::run(const UniqueFd& signals) {
  if (auto opened = open(); !opened) return opened;
  if (auto started = start_beat(); !started) return started;
  while (running_) {
    if (auto turn = dispatch(signals); !turn) return turn;
    if (failure_) return std::unexpected(*failure_);
    const bool first = frames_ == 0;
    if (due_ && on_beat_) draw();
    if (first && frames_ > 0) {
      fmt::print("ready\n");
      std::fflush(stdout);
    }
  }
  return {};
}

void Client::report() const {
  const double seconds = std::chrono::duration<double>(last_ - first_).count();
  fmt::print("{} frames of {}x{} in {:.2f} s, {:.2f} fps\n", frames_, shown_.width, shown_.height, seconds,
             seconds > 0 ? (frames_ - 1) / seconds : 0.0);
}

std::optional<Options> parse(std::span<char*> arguments) {
  Options options;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    if (i + 1 == arguments.size()) return std::nullopt;
    const std::string_view name = arguments[i];
    const std::string_view value = arguments[i + 1];
    if (name == "--mode") {
      const auto* const row = std::ranges::find(kModes, value, [](const auto& mode) { return mode.first; });
      if (row == kModes.end()) return std::nullopt;
      options.mode = row->second;
    } else if (name == "--rate") {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), options.rate_hz);
      if (error != std::errc{} || end != value.data() + value.size() || options.rate_hz > 1000) return std::nullopt;
    } else {
      return std::nullopt;
    }
  }
  return options;
}

int main_with(int argc, char** argv) {
  const auto options = parse(std::span(argv, static_cast<std::size_t>(argc)).subspan(1));
  if (!options) {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  const UniqueFd signals(::signalfd(-1, &set, SFD_CLOEXEC));
  Client client(*options);
  const auto result = client.run(signals);
  client.report();
  if (!result) fmt::print(stderr, "zerocast-desktop-client: {}\n", result.error().message());
  return result ? 0 : 1;
}

}  // namespace
}  // namespace zc::desktop

int main(int argc, char** argv) {
  try {
    return zc::desktop::main_with(argc, argv);
  } catch (const std::exception& error) {  // fmt and std::vector: out of memory, a closed stdout
    std::fputs(error.what(), stderr);
    return 1;
  }
}
