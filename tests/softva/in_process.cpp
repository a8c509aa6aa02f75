// Linked into tests beside render_node.cpp: libva loads the stand-in in this process and in what it starts.
#include <cstdlib>

namespace {

[[gnu::constructor]] void choose_driver() {
  ::setenv("LIBVA_DRIVERS_PATH", SOFTVA_DIR, 1);
  ::setenv("LIBVA_DRIVER_NAME", "softva", 1);
}

}  // namespace
