// Helpers of the EGL converter's tests: its device (llvmpipe where there is no GPU) and surfaces in memory shared with
// it.
#pragma once

#include "unit/zerocopy/importer_support.h"
#include "unit/zerocopy/vulkan_support.h"
#include "zerocopy/converter.h"
#include "zerocopy/gl/egl_converter.h"
#include "zerocopy/gl/gl_device.h"
#include "zerocopy/surface_layout.h"
#include "zerocopy/vulkan/conversion_pass.h"

#include <array>
#include <memory>
#include <utility>

namespace zc::test {

inline constexpr std::array kRgbFormats = {
    PixelFormat::BGRx,       PixelFormat::BGRA,       PixelFormat::RGBx,       PixelFormat::RGBA,
    PixelFormat::xRGB,       PixelFormat::ARGB,       PixelFormat::xBGR,       PixelFormat::ABGR,
    PixelFormat::xRGB_210LE, PixelFormat::ARGB_210LE, PixelFormat::xBGR_210LE, PixelFormat::ABGR_210LE,
    PixelFormat::RGBx_102LE, PixelFormat::RGBA_102LE, PixelFormat::BGRx_102LE, PixelFormat::BGRA_102LE};

/// One device for the whole program, on the GPU of vulkan_device(). Skips the test where there is none.
inline std::shared_ptr<GlDevice> gl_device() {
  static const auto device = open_gl_device(*vulkan_device(VulkanUse::Export));
  if (!device) SKIP("no EGL device: " << device.error().message());
  return *device;
}

/// A surface's memory as the pool makes it, and the way back to the CPU.
class SharedTarget {
 public:
  SharedTarget(PixelFormat format, Size size) : layout(surface_layout(format, size, 256)) {
    auto made = VulkanBuffer::create_exportable(vulkan_device(VulkanUse::Export), layout.bytes);
    auto host = VulkanBuffer::create_host(vulkan_device(VulkanUse::Export), layout.bytes);
    REQUIRE(made);
    REQUIRE(host);
    buffer = std::move(*made);
    readback_ = std::move(*host);
  }
  /// The surface as it is now.
  [[nodiscard]] YuvView view() const {
    static const auto pass = std::move(*ConversionPass::create(vulkan_device(VulkanUse::Export)));
    REQUIRE(pass->copy(buffer, readback_, layout.bytes, kSoon));
    REQUIRE(readback_.invalidate());
    return view_of(readback_, layout);
  }

  SurfaceLayout layout;
  VulkanBuffer buffer;

 private:
  VulkanBuffer readback_;
};

/// The whole of `dmabuf` through `converter`, 1:1 in BT.709 limited.
inline Result<void> convert_whole(Converter& converter, const std::shared_ptr<const Dmabuf>& dmabuf,
                                  const SharedTarget& target) {
  const auto plan = make_picture_plan(dmabuf->format, dmabuf->size, {}, Transform::Normal, target.layout.size);
  REQUIRE(plan);
  return converter.convert(
      {.dmabuf = dmabuf, .plan = *plan, .colour = kBt709Limited, .target = target.buffer, .layout = target.layout});
}

}  // namespace zc::test
