// Tiled dmabufs to FFmpeg's Vulkan frames, on lavapipe with the test layer's modifiers.
#include "unit/zerocopy/tiled_support.h"
#include "unit/zerocopy/vulkan_video_support.h"

#include <catch2/generators/catch_generators.hpp>

using namespace zc;
using namespace zc::test;

namespace {

constexpr Size kSize{64, 36};

/// FFmpeg's device, under the layer. FFmpeg before 6.1 gives its images a modifier wherever the device has any, and the
/// layer has none for theirs.
std::shared_ptr<VulkanDevice> tiled_adopted() {
  static_cast<void>(tiled_device());  // puts the layer in front
  const auto device = adopted_device();
  if (!device->gpu().missing_for(VulkanUse::TiledDmabuf).empty()) SKIP("FFmpeg does not enable DRM modifiers");
  const auto importer = video_importer(device);
  if (!importer) SKIP(importer.error().message());
  return device;
}

Frame frame_with(std::shared_ptr<const Dmabuf> dmabuf) {
  Frame frame;
  frame.image = std::move(dmabuf);
  frame.damage = Damage::all();
  return frame;
}

Surface expected(const RgbPicture& picture, const SurfaceFormat& format) {
  SurfaceFormat host = format;
  host.memory = MemoryKind::Host;
  auto made = importer_for(host)->import(frame_of(picture));
  if (!made) FAIL(made.error().message());
  return std::move(*made);
}

}  // namespace

TEST_CASE("tiled dmabufs become FFmpeg's Vulkan frames with the CPU's bits") {
  const auto importer = video_importer(tiled_adopted());
  REQUIRE(importer);
  const SurfaceFormat format = in_vulkan(GENERATE(PixelFormat::NV12, PixelFormat::P010), kSize);
  REQUIRE((*importer)->configure(format));
  for (std::uint32_t i = 0; i < 8; ++i) {
    const RgbPicture picture(kSize, 0, i);
    const auto leases = std::make_shared<LeaseCounter>();
    Frame frame = frame_with(tiled_dmabuf(picture, PixelFormat::BGRx));
    CHECK((*importer)->device_for(frame) != nullptr);
    frame.lease = LeaseCounter::lease(leases);
    const auto got = (*importer)->import(std::move(frame));
    if (!got) FAIL(got.error().message());
    CHECK(leases->returned == 1);
    CHECK(got->format().memory == MemoryKind::Vulkan);
    CHECK_FALSE(difference(view_of(read_back(*got)), view_of(expected(picture, format))));
  }
  CHECK((*importer)->route() == "vulkan+vulkan-video");
}

TEST_CASE("a refused modifier costs its pictures, not the route, and is offered no more") {
  const auto made = video_importer(tiled_adopted());
  REQUIRE(made);
  Importer& importer = **made;
  const SurfaceFormat format = in_vulkan(PixelFormat::NV12, kSize);
  REQUIRE(importer.configure(format));
  const auto modifiers = [&] { return importer.offer().formats.front().modifiers; };
  CHECK(modifiers() == std::vector{kRefusedModifier, kTiledModifier, kModifierLinear});
  const RgbPicture picture(kSize, 0, 1);
  for (int i = 0; i < 3; ++i) {
    auto dmabuf = std::make_shared<Dmabuf>();
    dmabuf->size = picture.size();
    dmabuf->format = PixelFormat::BGRx;
    dmabuf->modifier = kRefusedModifier;
    dmabuf->plane_count = 1;
    dmabuf->planes[0] = {memory_file(picture.bytes()), 0, 256};
    const auto surface = importer.import(frame_with(dmabuf));
    REQUIRE_FALSE(surface);
    CHECK(surface.error().kind == ErrorKind::Unsupported);
    CHECK(modifiers() == std::vector{kTiledModifier, kModifierLinear});
  }
  CHECK(modifiers() == std::vector{kTiledModifier, kModifierLinear});
  const auto tiled = importer.import(frame_with(tiled_dmabuf(picture, PixelFormat::BGRx)));
  if (!tiled) FAIL(tiled.error().message());
  CHECK_FALSE(difference(view_of(read_back(*tiled)), view_of(expected(picture, format))));
}
