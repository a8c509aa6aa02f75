// zerocast-vm-pattern [RATE_HZ [FIRST [OUTPUT]]]: a full-screen Wayland client that makes torn, stale and reordered
// pictures visible. RATE_HZ 0 draws one picture and stands still; FIRST is the first one's number; OUTPUT is where it
// is shown, by the name that the compositor gives it.
//
// A picture: eight colour bars over the whole height; across them three strips, at the top, in the middle and at the
// bottom, each of sixteen cells that show the picture's number as bits, the highest on the left, white for 1. Strips
// that differ are a torn picture. Between the upper two a grey block moves, so that pictures differ in more than their
// number. tests/vm/check.py reads this. Neither knows any code of zerocast.
#include "xdg-shell-client-protocol.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <wayland-client.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>

namespace {

constexpr std::array<std::uint32_t, 8> kBars{0xffffff, 0xffff00, 0x00ffff, 0x00ff00,
                                             0xff00ff, 0xff0000, 0x0000ff, 0x404040};
constexpr std::uint32_t kBlock = 0x808080;
constexpr int kBits = 16;

// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): a signal handler's
volatile std::sig_atomic_t g_stop = 0;

/// One shared-memory buffer; `busy` while the compositor reads it.
struct Buffer {
  wl_buffer* handle = nullptr;
  std::span<std::uint32_t> pixels;
  int width = 0;
  int height = 0;
  bool busy = false;
};

class Pattern {
 public:
  Pattern(wl_display* display, std::uint32_t first, std::string_view output)
      : display_(display), number_(first), wanted_output_(output) {}

  /// False when the compositor lacks what every desktop has, or the output that is asked for.
  bool open();
  void draw();
  [[nodiscard]] bool closed() const { return closed_; }
  /// The number of the next picture.
  [[nodiscard]] std::uint32_t next() const { return number_; }

 private:
  Buffer* free_buffer();
  bool allocate(Buffer& buffer) const;
  void paint(Buffer& buffer) const;

  wl_display* display_;
  wl_compositor* compositor_ = nullptr;
  wl_shm* shm_ = nullptr;
  xdg_wm_base* shell_ = nullptr;
  wl_surface* surface_ = nullptr;
  int width_ = 640;
  int height_ = 360;
  std::uint32_t number_;
  std::string_view wanted_output_;  ///< empty: whichever the compositor chooses
  wl_output* output_ = nullptr;     ///< of that name
  bool configured_ = false;
  bool closed_ = false;
  std::array<Buffer, 4> buffers_;
};

Pattern& self(void* data) { return *static_cast<Pattern*>(data); }

bool Pattern::open() {
  static constexpr wl_output_listener kOutput{
      .geometry = [](void*, wl_output*, std::int32_t, std::int32_t, std::int32_t, std::int32_t, std::int32_t,
                     const char*, const char*, std::int32_t) {},
      .mode = [](void*, wl_output*, std::uint32_t, std::int32_t, std::int32_t, std::int32_t) {},
      .done = [](void*, wl_output*) {},
      .scale = [](void*, wl_output*, std::int32_t) {},
      .name =
          [](void* data, wl_output* output, const char* name) {
            if (self(data).wanted_output_ == name) self(data).output_ = output;
          },
      .description = [](void*, wl_output*, const char*) {}};
  static constexpr wl_registry_listener kRegistry{
      [](void* data, wl_registry* registry, std::uint32_t name, const char* interface, std::uint32_t) {
        Pattern& p = self(data);
        const std::string_view wanted = interface;
        const auto bind = [&](const wl_interface& type, std::uint32_t version) {
          return wl_registry_bind(registry, name, &type, version);
        };
        if (wanted == "wl_compositor") p.compositor_ = static_cast<wl_compositor*>(bind(wl_compositor_interface, 4));
        if (wanted == "wl_shm") p.shm_ = static_cast<wl_shm*>(bind(wl_shm_interface, 1));
        if (wanted == "xdg_wm_base") p.shell_ = static_cast<xdg_wm_base*>(bind(xdg_wm_base_interface, 1));
        if (wanted == "wl_output" && !p.wanted_output_.empty()) {
          auto* output = static_cast<wl_output*>(bind(wl_output_interface, WL_OUTPUT_NAME_SINCE_VERSION));
          wl_output_add_listener(output, &kOutput, data);
        }
      },
      [](void*, wl_registry*, std::uint32_t) {}};
  static constexpr xdg_wm_base_listener kShell{
      [](void*, xdg_wm_base* shell, std::uint32_t serial) { xdg_wm_base_pong(shell, serial); }};
  static constexpr xdg_surface_listener kSurface{[](void* data, xdg_surface* surface, std::uint32_t serial) {
    xdg_surface_ack_configure(surface, serial);
    self(data).configured_ = true;
  }};
  static constexpr xdg_toplevel_listener kToplevel{
      [](void* data, xdg_toplevel*, std::int32_t width, std::int32_t height, wl_array*) {
        if (width <= 0 || height <= 0) return;
        self(data).width_ = width;
        self(data).height_ = height;
      },
      [](void* data, xdg_toplevel*) { self(data).closed_ = true; },
      [](void*, xdg_toplevel*, std::int32_t, std::int32_t) {}, [](void*, xdg_toplevel*, wl_array*) {}};

  wl_registry* registry = wl_display_get_registry(display_);
  wl_registry_add_listener(registry, &kRegistry, this);
  wl_display_roundtrip(display_);
  if (!wanted_output_.empty()) wl_display_roundtrip(display_);  // the outputs' names
  if (compositor_ == nullptr || shm_ == nullptr || shell_ == nullptr) return false;
  if (!wanted_output_.empty() && output_ == nullptr) return false;
  xdg_wm_base_add_listener(shell_, &kShell, this);
  surface_ = wl_compositor_create_surface(compositor_);
  xdg_surface* surface = xdg_wm_base_get_xdg_surface(shell_, surface_);
  xdg_surface_add_listener(surface, &kSurface, this);
  xdg_toplevel* toplevel = xdg_surface_get_toplevel(surface);
  xdg_toplevel_add_listener(toplevel, &kToplevel, this);
  xdg_toplevel_set_title(toplevel, "pattern");
  xdg_toplevel_set_app_id(toplevel, "pattern");
  xdg_toplevel_set_fullscreen(toplevel, output_);
  wl_surface_commit(surface_);
  while (!configured_) {
    if (wl_display_dispatch(display_) < 0) return false;
  }
  return true;
}

bool Pattern::allocate(Buffer& buffer) const {
  if (buffer.handle != nullptr) {
    wl_buffer_destroy(buffer.handle);
    ::munmap(buffer.pixels.data(), buffer.pixels.size_bytes());
    buffer = {};
  }
  const std::size_t count = static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_);
  const int fd = ::memfd_create("pattern", MFD_CLOEXEC);
  if (fd < 0) return false;
  void* memory = MAP_FAILED;
  if (::ftruncate(fd, static_cast<off_t>(count * 4)) == 0) {
    memory = ::mmap(nullptr, count * 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  }
  if (memory == MAP_FAILED) {
    ::close(fd);
    return false;
  }
  wl_shm_pool* pool = wl_shm_create_pool(shm_, fd, static_cast<std::int32_t>(count * 4));
  buffer.handle = wl_shm_pool_create_buffer(pool, 0, width_, height_, width_ * 4, WL_SHM_FORMAT_XRGB8888);
  wl_shm_pool_destroy(pool);
  ::close(fd);
  buffer.pixels = {static_cast<std::uint32_t*>(memory), count};
  buffer.width = width_;
  buffer.height = height_;
  static constexpr wl_buffer_listener kListener{
      [](void* data, wl_buffer*) { static_cast<Buffer*>(data)->busy = false; }};
  wl_buffer_add_listener(buffer.handle, &kListener, &buffer);
  return true;
}

Buffer* Pattern::free_buffer() {
  auto* const found = std::ranges::find(buffers_, false, &Buffer::busy);
  if (found == buffers_.end()) return nullptr;
  if ((found->handle == nullptr || found->width != width_ || found->height != height_) && !allocate(*found))
    return nullptr;
  return &*found;
}

void Pattern::paint(Buffer& buffer) const {
  const auto row = [&](int y) {
    const auto width = static_cast<std::size_t>(width_);
    return buffer.pixels.subspan(static_cast<std::size_t>(y) * width, width);
  };
  for (int x = 0; x < width_; ++x)
    row(0)[static_cast<std::size_t>(x)] = kBars.at(static_cast<std::size_t>(x * 8 / width_));
  for (int y = 1; y < height_; ++y) std::ranges::copy(row(0), row(y).begin());
  const int block_width = width_ / 10;
  const int block_x = static_cast<int>(number_ * 7 % static_cast<std::uint32_t>(width_ - block_width));
  for (int y = height_ / 5; y < height_ / 3; ++y) {
    std::ranges::fill(row(y).subspan(static_cast<std::size_t>(block_x), static_cast<std::size_t>(block_width)), kBlock);
  }
  const int strip = height_ / 12;
  for (const int top : {0, (height_ - strip) / 2, height_ - strip}) {
    for (int x = 0; x < width_; ++x) {
      const int bit = kBits - 1 - x * kBits / width_;
      row(top)[static_cast<std::size_t>(x)] = (number_ >> static_cast<unsigned>(bit) & 1U) != 0 ? 0xffffff : 0;
    }
    for (int y = top + 1; y < top + strip; ++y) std::ranges::copy(row(top), row(y).begin());
  }
}

void Pattern::draw() {
  Buffer* buffer = free_buffer();
  if (buffer == nullptr) return;  // the compositor holds all
  paint(*buffer);
  wl_surface_attach(surface_, buffer->handle, 0, 0);
  wl_surface_damage_buffer(surface_, 0, 0, width_, height_);
  wl_surface_commit(surface_);
  buffer->busy = true;
  ++number_;
}

int run(long rate, std::uint32_t first, std::string_view output) {
  wl_display* display = wl_display_connect(nullptr);
  if (display == nullptr) {
    std::puts("no Wayland display");
    return 1;
  }
  Pattern pattern(display, first, output);
  if (!pattern.open()) {
    std::puts("the compositor has no wl_shm, no xdg-shell, or no output of that name");
    return 1;
  }
  pattern.draw();
  const int timer = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  if (rate > 0) {
    const long period = 1'000'000'000L / rate;
    const timespec each{period / 1'000'000'000L, period % 1'000'000'000L};
    const itimerspec times{each, each};
    ::timerfd_settime(timer, 0, &times, nullptr);
  }
  std::array<pollfd, 2> waits{{{wl_display_get_fd(display), POLLIN, 0}, {timer, POLLIN, 0}}};
  while (g_stop == 0 && !pattern.closed()) {
    if (wl_display_dispatch_pending(display) < 0 || wl_display_flush(display) < 0) break;
    if (::poll(waits.data(), waits.size(), -1) < 0) continue;
    if (waits[0].revents != 0 && wl_display_dispatch(display) < 0) break;
    std::uint64_t expirations = 0;
    if (waits[1].revents != 0 && ::read(timer, &expirations, sizeof expirations) == sizeof expirations) pattern.draw();
  }
  std::printf("the next picture would be %u\n", pattern.next());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const long rate = argc > 1 ? std::strtol(argv[1], nullptr, 10) : 30;
  for (const int number : {SIGTERM, SIGINT}) std::signal(number, [](int) { g_stop = 1; });
  return run(rate, argc > 2 ? static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10)) : 0,
             argc > 3 ? argv[3] : "");
}
