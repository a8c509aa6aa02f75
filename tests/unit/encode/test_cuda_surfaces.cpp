// Surfaces in CUDA memory, on the software NVIDIA driver: into NVENC as they are, and back to the host.
#include "encode/ffmpeg_encoder.h"
#include "encode/hw_frames.h"
#include "encode/surface_adapter.h"
#include "encode_support.h"
#include "gpu/cuda/av_device.h"
#include "gpu/cuda/context.h"
#include "gpu/cuda/pinned_pool.h"
#include "softgpu/control.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <dlfcn.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
}

using namespace zc;
using namespace zc::test;

namespace {

constexpr Size kSize{320, 192};

class Uploader {
 public:
  Uploader(const std::shared_ptr<const cuda::Context>& context, PixelFormat format) {
    auto device = cuda::make_av_device(context);
    REQUIRE(device);
    const AVPixelFormat layout = format == PixelFormat::P010 ? AV_PIX_FMT_P010LE : AV_PIX_FMT_NV12;
    auto frames = make_hw_frames(**device, AV_PIX_FMT_CUDA, layout, kSize);
    REQUIRE(frames);
    frames_ = std::move(*frames);
  }
  [[nodiscard]] Surface upload(const Surface& picture) const {
    AvFramePtr frame(av_frame_alloc());
    REQUIRE(av_hwframe_get_buffer(frames_.get(), frame.get(), 0) == 0);
    REQUIRE(av_hwframe_transfer_data(frame.get(), picture.av_frame(), 0) == 0);
    SurfaceFormat format = picture.format();
    format.memory = MemoryKind::Cuda;
    Surface surface(std::move(frame), format);
    surface.stream_time = picture.stream_time;
    return surface;
  }

 private:
  AvBufferPtr frames_;
};

softgpu::LiveObjects live_objects() {
  softgpu::LiveObjects live;
  void* library = dlopen("libcuda.so.1", RTLD_LAZY);
  REQUIRE(library != nullptr);
  const auto count = reinterpret_cast<decltype(&softgpu_live_objects)>(dlsym(library, "softgpu_live_objects"));
  REQUIRE(count != nullptr);
  count(&live);
  return live;
}

}  // namespace

TEST_CASE("NVENC encodes what lies in CUDA memory") {
  const std::string name = GENERATE("h264_nvenc", "hevc_nvenc");
  const unsigned depth = GENERATE(8U, 10U);
  if (name == "h264_nvenc" && depth == 10) SKIP("8 bit only");
  CAPTURE(name, depth);
  const auto context = cuda::open_context();
  REQUIRE(context);
  EncoderSettings settings;
  settings.preset = Preset::LowLatency;
  settings.bit_depth = depth;
  auto opened = open_ffmpeg_encoder(*find_encoder_row(name), settings,
                                    {.size = kSize, .rate = {30, 1}, .threads = 2, .device = *context});
  if (!opened) FAIL(opened.error().message());
  Encoder& encoder = **opened;
  CHECK(encoder.input().memory == MemoryKind::Cuda);
  SurfaceFormat host = encoder.input();
  host.memory = MemoryKind::Host;
  const Uploader uploader(*context, host.format);
  CHECK_FALSE(encoder.submit(make_picture(host, 0, {})));

  constexpr std::uint32_t kCount = 20;
  std::vector<Packet> packets;
  for (std::uint32_t number = 0; number < kCount; ++number) {
    REQUIRE(encoder.submit(uploader.upload(make_picture(host, number, at_rate(30)(number)))));
    auto packet = encoder.receive();
    REQUIRE(packet);
    REQUIRE(*packet);
    packets.push_back(std::move(**packet));
  }
  auto decoder = Decoder::open(encoder.stream(), packets);
  REQUIRE(decoder);
  for (std::uint32_t number = 0; number < kCount; ++number) {
    CAPTURE(number);
    auto frame = decoder->next();
    REQUIRE(frame);
    REQUIRE(*frame);
    const auto mark = (*frame)->mark(kSize);
    REQUIRE(mark);
    CHECK(mark->frame == number);
    const PlanarCopy original(make_picture(host, number, at_rate(30)(number)));
    for (unsigned plane = 0; plane < 3; ++plane) {
      CHECK(psnr((*frame)->planes[plane], original.plane(plane), depth) > 32);
    }
  }
}

TEST_CASE("a software row is opened for host memory whatever the pictures could lie in") {
  const auto context = cuda::open_context();
  REQUIRE(context);
  const auto encoder = open_ffmpeg_encoder(*find_encoder_row("libx264"), {},
                                           {.size = kSize, .rate = {30, 1}, .threads = 1, .device = *context});
  REQUIRE(encoder);
  CHECK((*encoder)->input().memory == MemoryKind::Host);
}

TEST_CASE("a picture in CUDA memory becomes what a software encoder takes") {
  const PixelFormat from = GENERATE(PixelFormat::NV12, PixelFormat::P010);
  const bool split = GENERATE(false, true);
  const PixelFormat planes = from == PixelFormat::NV12 ? PixelFormat::I420 : PixelFormat::I010;
  const auto context = cuda::open_context();
  REQUIRE(context);
  const SurfaceFormat host{from, kSize};
  const Uploader uploader(*context, from);
  SurfaceFormat device = host;
  device.memory = MemoryKind::Cuda;
  auto adapter = SurfaceAdapter::create(device, {split ? planes : from, kSize});
  REQUIRE(adapter);
  const bool pinned = GENERATE(true, false);
  if (!pinned) adapter->use_pageable_memory();
  const Surface picture = make_picture(host, 7, std::chrono::milliseconds(7));
  const auto adapted = adapter->adapt(uploader.upload(picture));
  if (!adapted) FAIL(adapted.error().message());
  CHECK(adapted->format().memory == MemoryKind::Host);
  CHECK(adapted->stream_time == picture.stream_time);
  const PlanarCopy before(picture);
  const PlanarCopy after(*adapted);
  for (unsigned plane = 0; plane < 3; ++plane) {
    const DecodedPlane& a = before.plane(plane);
    CHECK(std::equal(a.data, a.data + a.stride_bytes * a.size.height, after.plane(plane).data));
  }
}

TEST_CASE(
    "pictures from CUDA memory are read into page-locked memory: once each, in a few places that are used again") {
  const auto context = cuda::open_context();
  REQUIRE(context);
  const SurfaceFormat host{PixelFormat::NV12, kSize};
  SurfaceFormat device = host;
  device.memory = MemoryKind::Cuda;
  const Uploader uploader(*context, PixelFormat::NV12);
  REQUIRE(live_objects().host_allocations == 0);
  std::optional<Surface> last;
  {
    auto adapter = SurfaceAdapter::create(device, host);
    REQUIRE(adapter);
    std::set<const std::uint8_t*> places;
    for (std::uint32_t number = 0; number < 20; ++number) {
      const auto adapted = adapter->adapt(uploader.upload(make_picture(host, number, at_rate(30)(number))));
      REQUIRE(adapted);
      places.insert(adapted->av_frame()->data[0]);
      const PlanarCopy before(make_picture(host, number, at_rate(30)(number)));
      const PlanarCopy after(*adapted);
      const DecodedPlane& luma = before.plane(0);
      CHECK(std::equal(luma.data, luma.data + luma.stride_bytes * luma.size.height, after.plane(0).data));
    }
    CHECK(places.size() == 1);
    CHECK(live_objects().host_allocations == 1);
    // Held by an encoder: further places, up to the limit, then ordinary memory.
    std::vector<Surface> held;
    for (std::uint32_t number = 0; number < 2 * SurfaceAdapter::kPinnedPictures; ++number) {
      auto adapted = adapter->adapt(uploader.upload(make_picture(host, number, at_rate(30)(number))));
      REQUIRE(adapted);
      held.push_back(std::move(*adapted));
    }
    CHECK(live_objects().host_allocations == SurfaceAdapter::kPinnedPictures);
    places.clear();
    for (const Surface& surface : held) places.insert(surface.av_frame()->data[0]);
    CHECK(places.size() == held.size());
    last = std::move(held.front());
  }
  // The adapter is gone, a picture of it is not.
  CHECK(live_objects().host_allocations > 0);
  last.reset();
  CHECK(live_objects().host_allocations == 0);
}

TEST_CASE("a driver without page-locked memory, or with none left, is no obstacle") {
  const auto context = cuda::open_context();
  REQUIRE(context);
  auto pool = cuda::PinnedPool::create(*context, 4096, 1);
  REQUIRE(pool);
  auto only = pool->take();
  REQUIRE(only);
  CHECK(pool->take().error().kind == ErrorKind::Busy);
  only->reset();
  CHECK(pool->take());
}
