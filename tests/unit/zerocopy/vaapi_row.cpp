#include "unit/zerocopy/vaapi_support.h"

#include "unit/zerocopy/driver_calls.h"
#include "unit/zerocopy/importer_rows.h"

namespace zc::test {

/// Vulkan's calls are hooked; the stand-in fails by itself, see test_vaapi_target.cpp.
std::unique_ptr<Importer> VaapiRow::make(std::size_t limit) {
  static const bool hooked = [] {
    DriverCalls::hook(*tiled_device());
    return true;
  }();
  REQUIRE(hooked);
  auto gpu = vaapi_gpu();
  // An importer whose GPU is gone takes VA-API's memory for no target: the chain goes on.
  return make_gpu_importer(gpu ? std::move(*gpu) : Gpu{}, {.surface_limit = limit});
}
Frame VaapiRow::frame(const RgbPicture& picture) { return dmabuf_frame(picture); }
void leave_thread() {}  // nothing of VA-API or Vulkan is bound to one

}  // namespace zc::test
