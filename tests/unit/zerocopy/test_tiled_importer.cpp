// The importer over tiled dmabufs.
#include "unit/zerocopy/importer_support.h"
#include "unit/zerocopy/tiled_support.h"
#include "zerocopy/open_gpu.h"

#include <catch2/generators/catch_generators.hpp>

using namespace zc;
using namespace zc::test;

namespace {

constexpr SurfaceFormat kNv12{.format = PixelFormat::NV12, .size = {64, 36}};

Frame frame_with(std::shared_ptr<const Dmabuf> dmabuf) {
  Frame frame;
  frame.image = std::move(dmabuf);
  frame.damage = Damage::all();
  return frame;
}

std::unique_ptr<Importer> vulkan_importer(bool strict = false) {
  auto gpu = open_host_gpu(tiled_device(), {.converter = "vulkan"});
  if (!gpu) FAIL(gpu.error().message());
  auto importer = make_gpu_importer(std::move(*gpu), {.strict = strict});
  REQUIRE(importer->configure(kNv12));
  return importer;
}

}  // namespace

TEST_CASE("tiled dmabufs come out as the CPU importer's surfaces") {
  const auto gpu = vulkan_importer();
  const auto leases = std::make_shared<LeaseCounter>();
  for (std::uint32_t i = 0; i < 8; ++i) {
    const RgbPicture picture({64, 36}, 0, i);
    Frame frame = frame_with(tiled_dmabuf(picture, PixelFormat::BGRx));
    frame.lease = LeaseCounter::lease(leases);
    const auto got = gpu->import(std::move(frame));
    if (!got) FAIL(got.error().message());
    CHECK(leases->returned == static_cast<int>(i) + 1);
    const auto want = importer_for(kNv12)->import(frame_of(picture));
    REQUIRE(want);
    CHECK_FALSE(difference(view_of(*got), view_of(*want)));
  }
  CHECK(gpu->route() == "vulkan");
}

TEST_CASE("a refused modifier costs the pictures in it, not the route; the source is to be asked anew once") {
  const bool strict = GENERATE(false, true);
  const auto gpu = vulkan_importer(strict);
  const auto modifiers = [&] { return gpu->offer().formats.front().modifiers; };
  CHECK(modifiers() == std::vector{kRefusedModifier, kTiledModifier, kModifierLinear});
  const RgbPicture picture({64, 36}, 0, 1);
  const auto leases = std::make_shared<LeaseCounter>();
  for (int i = 1; i <= 3; ++i) {
    auto dmabuf = std::make_shared<Dmabuf>();
    dmabuf->size = picture.size();
    dmabuf->format = PixelFormat::BGRx;
    dmabuf->modifier = kRefusedModifier;
    dmabuf->plane_count = 1;
    dmabuf->planes[0] = {memory_file(picture.bytes()), 0, 256};
    Frame frame = frame_with(dmabuf);
    frame.lease = LeaseCounter::lease(leases);
    const auto surface = gpu->import(std::move(frame));
    REQUIRE_FALSE(surface);
    CHECK(surface.error().kind == ErrorKind::Unsupported);
    CHECK(leases->returned == i);
    CHECK(modifiers() == std::vector{kTiledModifier, kModifierLinear});
  }
  CHECK(modifiers() == std::vector{kTiledModifier, kModifierLinear});
  CHECK(gpu->route() == "vulkan");
  const auto tiled = gpu->import(frame_with(tiled_dmabuf(picture, PixelFormat::BGRx)));
  const auto want = importer_for(kNv12)->import(frame_of(picture));
  REQUIRE(tiled);
  REQUIRE(want);
  CHECK_FALSE(difference(view_of(*tiled), view_of(*want)));
  CHECK(modifiers() == std::vector{kTiledModifier, kModifierLinear});
}
