// zerocast-vm-kwin-node output|virtual [hidden|embedded|metadata]: asks KWin for a stream of the first output, or of a
// new virtual one, by its own protocol; prints "node ID" and keeps the stream until it is ended.
#include "zkde-screencast-unstable-v1-client-protocol.h"

#include <wayland-client.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string_view>

namespace {

struct Globals {
  zkde_screencast_unstable_v1* screencast = nullptr;
  wl_output* output = nullptr;
  bool ended = false;
};

Globals& globals(void* data) { return *static_cast<Globals*>(data); }

void say(const char* what) {
  std::puts(what);
  std::fflush(stdout);
}

constexpr wl_registry_listener kRegistry{
    [](void* data, wl_registry* registry, std::uint32_t name, const char* interface, std::uint32_t version) {
      Globals& g = globals(data);
      const std::string_view wanted = interface;
      if (wanted == "zkde_screencast_unstable_v1") {
        g.screencast = static_cast<zkde_screencast_unstable_v1*>(
            wl_registry_bind(registry, name, &zkde_screencast_unstable_v1_interface, std::min(version, 3U)));
      } else if (wanted == "wl_output" && g.output == nullptr) {
        g.output = static_cast<wl_output*>(wl_registry_bind(registry, name, &wl_output_interface, 1));
      }
    },
    [](void*, wl_registry*, std::uint32_t) {}};

constexpr zkde_screencast_stream_unstable_v1_listener kStream{
    [](void* data, zkde_screencast_stream_unstable_v1*) {
      say("closed");
      globals(data).ended = true;
    },
    [](void*, zkde_screencast_stream_unstable_v1*, std::uint32_t node) {
      std::printf("node %u\n", node);
      std::fflush(stdout);
    },
    [](void* data, zkde_screencast_stream_unstable_v1*, const char* why) {
      say(why);
      globals(data).ended = true;
    }};

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "output";
  const std::string_view cursor = argc > 2 ? argv[2] : "embedded";
  wl_display* display = wl_display_connect(nullptr);
  if (display == nullptr) {
    say("no Wayland display");
    return 1;
  }
  Globals g;
  wl_registry_add_listener(wl_display_get_registry(display), &kRegistry, &g);
  wl_display_roundtrip(display);
  if (g.screencast == nullptr || g.output == nullptr) {
    say("the compositor has no zkde_screencast_unstable_v1 or no output");
    return 1;
  }
  // enum zkde_screencast_unstable_v1.pointer
  const std::uint32_t pointer = cursor == "hidden" ? 1 : cursor == "metadata" ? 4 : 2;
  zkde_screencast_stream_unstable_v1* stream =
      what == "virtual" ? zkde_screencast_unstable_v1_stream_virtual_output(g.screencast, "zerocast", 640, 360,
                                                                            wl_fixed_from_int(1), pointer)
                        : zkde_screencast_unstable_v1_stream_output(g.screencast, g.output, pointer);
  zkde_screencast_stream_unstable_v1_add_listener(stream, &kStream, &g);
  while (!g.ended && wl_display_dispatch(display) >= 0) {
  }
  return 1;
}
