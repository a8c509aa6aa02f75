#include "zerocopy/device/device_converter.h"
#include "zerocopy/device/vulkan_route.h"
#include "zerocopy/gl/egl_copy_route.h"
#include "zerocopy/gl/egl_route.h"

#include <array>

namespace zc {
namespace {

constexpr std::array kRoutes = {
    DeviceRoute{"vulkan", make_vulkan_route, ""},
    DeviceRoute{"egl", make_egl_route, ""},
    DeviceRoute{"egl-copy", make_egl_copy_route, "egl"},
};

}  // namespace

std::span<const DeviceRoute> device_routes() { return kRoutes; }

}  // namespace zc
