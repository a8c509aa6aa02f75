// Decoded pictures in a GPU's memory, read by the importer that needs none: on the stand-in VA driver.
#include "unit/zerocopy/vaapi_support.h"
#include "zerocopy/cpu/device_reader.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <cstdlib>

using namespace zc;
using namespace zc::test;

namespace {

struct UnrefBuffer {
  void operator()(AVBufferRef* buffer) const { av_buffer_unref(&buffer); }
};
using Pool = std::unique_ptr<AVBufferRef, UnrefBuffer>;

/// Frames as a decoder's: larger than the picture, in whole blocks.
Pool pool_of(Size size) {
  const auto device = vaapi_device()->av_device();
  REQUIRE(device);
  Pool pool(av_hwframe_ctx_alloc(device->get()));
  REQUIRE(pool);
  auto& frames = *reinterpret_cast<AVHWFramesContext*>(pool->data);
  frames.format = AV_PIX_FMT_VAAPI;
  frames.sw_format = AV_PIX_FMT_NV12;
  frames.width = static_cast<int>((size.width + 15) / 16 * 16);
  frames.height = static_cast<int>((size.height + 15) / 16 * 16);
  REQUIRE(av_hwframe_ctx_init(pool.get()) == 0);
  return pool;
}

/// A picture whose samples follow from `seed`, there.
AvFramePtr decoded(AVBufferRef* pool, Size size, std::uint32_t seed) {
  auto& frames = *reinterpret_cast<AVHWFramesContext*>(pool->data);
  AvFramePtr host(av_frame_alloc());
  host->format = AV_PIX_FMT_NV12;
  host->width = frames.width;
  host->height = frames.height;
  REQUIRE(av_frame_get_buffer(host.get(), 0) == 0);
  for (int plane = 0; plane < 2; ++plane) {
    for (int y = 0; y < (plane == 0 ? host->height : host->height / 2); ++y) {
      for (int x = 0; x < host->width; ++x) {
        host->data[plane][y * host->linesize[plane] + x] =
            static_cast<std::uint8_t>(seed + static_cast<std::uint32_t>(x * 3 + y * 5 + plane * 90));
      }
    }
  }
  AvFramePtr device(av_frame_alloc());
  REQUIRE(av_hwframe_get_buffer(pool, device.get(), 0) == 0);
  REQUIRE(av_hwframe_transfer_data(device.get(), host.get(), 0) == 0);
  device->width = static_cast<int>(size.width);
  device->height = static_cast<int>(size.height);
  return device;
}

Frame frame_with(AvFramePtr picture, Size size) {
  Frame frame;
  frame.image = std::make_shared<const DeviceImage>(
      DeviceImage{.memory = MemoryKind::Vaapi, .format = PixelFormat::NV12, .size = size, .frame = std::move(picture)});
  frame.colour = kBt709Limited;
  return frame;
}

void check_samples(const Surface& surface, std::uint32_t seed) {
  const YuvView view = view_of(surface);
  const auto expected = [seed](std::uint32_t x, std::uint32_t y, std::uint32_t plane) {
    return static_cast<std::uint8_t>(seed + x * 3 + y * 5 + plane * 90);
  };
  for (const Size at : {Size{0, 0}, Size{7, 3}, Size{view.size.width - 1, view.size.height - 1}}) {
    CHECK(sample(view, 0, at.width, at.height) == expected(at.width, at.height, 0));
    const std::uint32_t x = at.width / 2;
    const std::uint32_t y = at.height / 2;
    CHECK(sample(view, 1, x, y) == expected(x * 2, y, 1));
    CHECK(sample(view, 2, x, y) == expected(x * 2 + 1, y, 1));
  }
}

}  // namespace

TEST_CASE("a picture in a GPU's memory is read back where nothing reads it there") {
  const Size size = GENERATE(Size{320, 180}, Size{64, 48});
  const Pool pool = pool_of(size);
  const auto importer = importer_for({.format = PixelFormat::NV12, .size = size});
  for (std::uint32_t seed = 1; seed < 5; ++seed) {
    const auto surface = importer->import(frame_with(decoded(pool.get(), size, seed), size));
    if (!surface) FAIL(surface.error().message());
    check_samples(*surface, seed);
  }
}

TEST_CASE("a stream that goes on in another size, from another pool, is read on") {
  const auto importer = importer_for({.format = PixelFormat::NV12, .size = {320, 180}});
  for (const Size size : {Size{320, 180}, Size{640, 360}, Size{320, 180}}) {
    const Pool pool = pool_of(size);
    const auto surface = importer->import(frame_with(decoded(pool.get(), size, 9), size));
    if (!surface) FAIL(surface.error().message());
    if (size == Size{320, 180}) check_samples(*surface, 9);
  }
}

TEST_CASE("a picture that is not what it is said to be is refused") {
  const Pool pool = pool_of({64, 48});
  DeviceReader reader;
  DeviceImage image{.memory = MemoryKind::Vaapi, .format = PixelFormat::NV12, .size = {64, 48}, .frame = {}};
  CHECK(reader.read(image).error().kind == ErrorKind::Invalid);
  image.frame = decoded(pool.get(), {64, 48}, 1);
  image.size = {640, 480};
  CHECK(reader.read(image).error().kind == ErrorKind::Invalid);
  image.size = {64, 48};
  CHECK(reader.read(image));
}
