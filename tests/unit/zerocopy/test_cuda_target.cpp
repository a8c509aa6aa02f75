// Surfaces in CUDA memory: their pixels, their pool, and what happens when a step fails.
#include "unit/zerocopy/device_support.h"
#include "zerocopy/cuda/cuda_surface_pool.h"
#include "zerocopy/importer_chain.h"

#include <catch2/generators/catch_generators.hpp>

using namespace zc;
using namespace zc::test;

namespace {

constexpr Size kSize{64, 36};

std::unique_ptr<Importer> device_importer(const SurfaceFormat& target, const GpuImporterOptions& options = {}) {
  const DeviceSetup setup = device_setup();  // skips the test where there is no Vulkan
  auto gpu = gpu_kinds().front().open({.software = true});
  if (!gpu) FAIL(gpu.error().message());
  auto importer = make_gpu_importer(std::move(*gpu), options);
  REQUIRE(importer->configure(target));
  return importer;
}

/// Checks a surface against one in host memory, bit for bit.
void compare(const Surface& got, const Surface& want) {
  REQUIRE(got.format().memory == MemoryKind::Cuda);
  const Surface host = downloaded(got);
  const Difference d = difference(view_of(want), view_of(host));
  CAPTURE(d.component, d.x, d.y, d.a, d.b);
  CHECK_FALSE(d.found);
  CHECK(got.av_frame()->colorspace == want.av_frame()->colorspace);
  CHECK(got.av_frame()->color_range == want.av_frame()->color_range);
  CHECK(got.av_frame()->chroma_location == want.av_frame()->chroma_location);
}

Surface expected(const SurfaceFormat& target, Frame frame) {
  SurfaceFormat host = target;
  host.memory = MemoryKind::Host;
  auto surface = importer_for(host)->import(std::move(frame));
  REQUIRE(surface);
  return std::move(*surface);
}

}  // namespace

TEST_CASE("a dmabuf becomes a surface in CUDA memory with the CPU's bits") {
  for (const PixelFormat target : {PixelFormat::NV12, PixelFormat::P010, PixelFormat::I444}) {
    for (const PixelFormat source : {PixelFormat::BGRx, PixelFormat::RGBA, PixelFormat::xRGB_210LE}) {
      CAPTURE(name(target), name(source));
      const SurfaceFormat format = in_cuda(target, kSize);
      const auto importer = device_importer(format);
      const RgbPicture picture(kSize, 8, 3);
      const auto leases = std::make_shared<LeaseCounter>();
      Frame frame = dmabuf_frame(picture, source);
      CHECK(importer->device_for(frame) != nullptr);
      frame.lease = LeaseCounter::lease(leases);
      const auto surface = importer->import(std::move(frame));
      if (!surface) FAIL(surface.error().message());
      CHECK(leases->returned == 1);
      CHECK(importer->route() == "vulkan+cuda");
      compare(*surface, expected(format, frame_of(picture, source)));
    }
  }
}

TEST_CASE("the frames are laid out as FFmpeg's own, and its pool is ours") {
  const DeviceSetup setup = device_setup();
  for (const PixelFormat format : {PixelFormat::NV12, PixelFormat::P010, PixelFormat::I444}) {
    const auto counters = std::make_shared<CudaCounters>();
    const auto pool = CudaSurfacePool::create(in_cuda(format, {62, 34}), 3, setup.cuda, setup.vulkan, counters);
    REQUIRE(pool);
    auto taken = (*pool)->take();
    REQUIRE(taken);
    const auto ours = (*pool)->publish(std::move(*taken));
    REQUIRE(ours);
    const AVFrame& a = *ours->av_frame();
    const AvFramePtr b(av_frame_alloc());
    REQUIRE(av_hwframe_get_buffer(a.hw_frames_ctx, b.get(), 0) == 0);
    for (unsigned i = 0; i < info(format).planes; ++i) {
      CHECK(a.linesize[i] == b->linesize[i]);
      CHECK(a.data[i] - a.data[0] == b->data[i] - b->data[0]);
    }
    CHECK(counters->imports == 2);
    // The third, and no more.
    const auto third = (*pool)->take();
    REQUIRE(third);
    const auto fourth = (*pool)->take();
    REQUIRE_FALSE(fourth);
    CHECK(fourth.error().kind == ErrorKind::Busy);
  }
}

TEST_CASE("a surface outlives its pool and its importer, and everything goes back") {
  const DeviceSetup setup = device_setup();
  device_importer(in_cuda(PixelFormat::NV12, kSize));  // what the drivers keep for the process, EGL's display say
  const std::size_t fds = open_fds();
  const softgpu::LiveObjects before = live_objects();
  const RgbPicture picture(kSize, 0, 9);
  const SurfaceFormat format = in_cuda(PixelFormat::NV12, kSize);
  {
    Surface kept;
    {
      const auto importer = device_importer(format);
      auto surface = importer->import(dmabuf_frame(picture));
      REQUIRE(surface);
      kept = std::move(*surface);
    }
    CHECK(live_objects().external_memories == before.external_memories + 1);
    compare(kept, expected(format, frame_of(picture)));
  }
  CHECK(live_objects() == before);
  CHECK(open_fds() == fds);
}

TEST_CASE("cursors, still pictures and pictures of other sizes") {
  for (const PixelFormat target : {PixelFormat::NV12, PixelFormat::P010}) {
    const SurfaceFormat format = in_cuda(target, kSize);
    const auto importer = device_importer(format);
    const auto cpu = importer_for({format.format, format.size});
    const auto arrow = random_cursor({20, 16}, 4);
    const auto hand = random_cursor({9, 30}, 5);
    for (int i = 0; i < 40; ++i) {
      const RgbPicture picture(kSize, 8, static_cast<std::uint32_t>(i / 4));
      const auto make = [&](bool dmabuf) {
        Frame f;
        if (i % 4 == 0 || i % 4 == 2) f = dmabuf ? dmabuf_frame(picture) : frame_of(picture);
        if (i % 4 == 2) f.damage = Damage::none();
        if (i % 8 != 6) {
          f.cursor = CursorState{.visible = i % 13 != 5,
                                 .position = {i * 7 % 80 - 8, i * 3 % 50 - 8},
                                 .hotspot = {2, 2},
                                 .bitmap = i % 16 < 8 ? arrow : hand};
        }
        return f;
      };
      CAPTURE(i);
      const auto got = importer->import(make(true));
      const auto want = cpu->import(make(false));
      REQUIRE(got);
      REQUIRE(want);
      compare(*got, *want);
    }
    CHECK(importer->route() == "vulkan+cuda");
    // Another size, letterboxed and scaled in the same pass.
    const RgbPicture large({160, 80}, 0, 2);
    CHECK(importer->import(dmabuf_frame(large)));
    CHECK(importer->route() == "vulkan+cuda");
  }
}

TEST_CASE("nothing changed: the same surface again") {
  const auto importer = device_importer(in_cuda(PixelFormat::NV12, kSize));
  const RgbPicture picture(kSize, 0, 1);
  const auto dmabuf = memfd_dmabuf(picture, PixelFormat::BGRx);
  const auto frame = [&](const Damage& damage) {
    Frame f;
    f.image = dmabuf;
    f.damage = damage;
    return f;
  };
  const auto first = importer->import(frame(Damage::all()));
  const auto again = importer->import(frame(Damage::none()));
  const auto only_cursor = importer->import(Frame{});
  REQUIRE(first);
  REQUIRE(again);
  REQUIRE(only_cursor);
  CHECK(again->av_frame()->data[0] == first->av_frame()->data[0]);
  CHECK(only_cursor->av_frame()->data[0] == first->av_frame()->data[0]);
  // A change that did not make it into a surface is not forgotten.
  Frame bad = frame(Damage::all());
  bad.crop = {1000, 1000, 4, 4};
  CHECK_FALSE(importer->import(std::move(bad)));
  const auto after = importer->import(frame(Damage::none()));
  REQUIRE(after);
  CHECK(after->av_frame()->data[0] != first->av_frame()->data[0]);
}
