// The importer over tiled dmabufs.
#include "unit/zerocopy/importer_support.h"
#include "unit/zerocopy/tiled_support.h"
#include "zerocopy/vulkan_importer.h"

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

}  // namespace

TEST_CASE("tiled dmabufs come out as the CPU importer's surfaces") {
  auto gpu = make_vulkan_importer({.device = tiled_device()});
  REQUIRE(gpu);
  REQUIRE((*gpu)->configure(kNv12));
  const auto leases = std::make_shared<LeaseCounter>();
  for (std::uint32_t i = 0; i < 8; ++i) {
    const RgbPicture picture({64, 36}, 0, i);
    Frame frame = frame_with(tiled_dmabuf(picture, PixelFormat::BGRx));
    frame.lease = LeaseCounter::lease(leases);
    const auto got = (*gpu)->import(std::move(frame));
    if (!got) FAIL(got.error().message());
    CHECK(leases->returned == static_cast<int>(i) + 1);
    const auto want = importer_for(kNv12)->import(frame_of(picture));
    REQUIRE(want);
    CHECK_FALSE(difference(view_of(*got), view_of(*want)));
  }
  CHECK((*gpu)->route() == "vulkan");
}
