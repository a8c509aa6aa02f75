// The GPU pass against the CPU path, sample by sample, on whatever Vulkan device there is.
#include "unit/zerocopy/importer_support.h"
#include "unit/zerocopy/vulkan_support.h"
#include "zerocopy/surface_layout.h"
#include "zerocopy/vulkan/dmabuf_sources.h"

#include <catch2/generators/catch_generators.hpp>

using namespace zc;
using namespace zc::test;

namespace {

constexpr std::array kRgbFormats = {
    PixelFormat::BGRx,       PixelFormat::BGRA,       PixelFormat::RGBx,       PixelFormat::RGBA,
    PixelFormat::xRGB,       PixelFormat::ARGB,       PixelFormat::xBGR,       PixelFormat::ABGR,
    PixelFormat::xRGB_210LE, PixelFormat::ARGB_210LE, PixelFormat::xBGR_210LE, PixelFormat::ABGR_210LE,
    PixelFormat::RGBx_102LE, PixelFormat::RGBA_102LE, PixelFormat::BGRx_102LE, PixelFormat::BGRA_102LE};
struct Scene {
  PixelFormat source = PixelFormat::BGRx;
  PixelFormat target = PixelFormat::NV12;
  Size picture{64, 36};
  Size surface{64, 36};
  std::size_t padding = 0;  ///< bytes at each row's end
  std::size_t offset = 0;   ///< bytes before the first row
  Rect crop{};
  Transform transform = Transform::Normal;
  ColourDescription colour = kBt709Limited;
};

/// What the CPU importer makes of the same frame.
Surface expected(const Scene& scene, const RgbPicture& picture) {
  Frame frame = frame_of(picture, scene.source);
  frame.crop = scene.crop;
  frame.transform = scene.transform;
  auto surface = importer_for({scene.target, scene.surface, scene.colour})->import(std::move(frame));
  REQUIRE(surface);
  return std::move(*surface);
}

class Bench {
 public:
  Bench() : device(vulkan_device()), pass_(std::move(*ConversionPass::create(device))) {}

  /// Checks buffer source (and image source where the format has one) against the CPU path.
  void compare(const Scene& scene) {
    const RgbPicture picture(scene.picture, scene.padding, 3);
    const Surface want = expected(scene, picture);
    const auto plan = make_picture_plan(scene.source, scene.picture, scene.crop, scene.transform, scene.surface);
    REQUIRE(plan);
    CAPTURE(name(scene.source), name(scene.target), scene.surface.width, scene.surface.height, scene.padding,
            scene.offset, static_cast<int>(scene.transform), scene.crop.x, scene.crop.y);
    const VulkanBuffer source = host_buffer(device, picture.bytes(), scene.offset);
    check({.buffer = &source, .plane = {scene.offset, picture.stride()}}, *plan, scene, want);
    if (vk_format(scene.source) == VK_FORMAT_UNDEFINED || scene.padding != 0) return;
    auto image = VulkanImage::create(device, scene.source, scene.picture);
    REQUIRE(image);
    const VulkanBuffer packed = host_buffer(device, picture.bytes());
    REQUIRE(pass_->upload(packed, *image, kSoon));
    check({.image = &*image}, *plan, scene, want);
  }

  std::shared_ptr<VulkanDevice> device;

 private:
  void check(const ConversionPass::Source& source, const PicturePlan& plan, const Scene& scene, const Surface& want) {
    const SurfaceLayout layout = surface_layout(scene.target, scene.surface, 64);
    auto target = VulkanBuffer::create_host(device, layout.bytes);
    REQUIRE(target);
    std::memset(target->mapped(), 0x5a, target->bytes());
    const auto done = pass_->run(source, plan, *target, layout, scene.colour, kSoon);
    if (!done) FAIL(done.error().message());
    REQUIRE(target->invalidate());
    const Difference d = difference(zc::test::view_of(want), zc::test::view_of(*target, layout));
    CAPTURE(source.image != nullptr, d.component, d.x, d.y, d.a, d.b);
    CHECK_FALSE(d.found);
  }
  std::unique_ptr<ConversionPass> pass_;
};

}  // namespace

TEST_CASE("every format gives the bits of the CPU path") {
  Bench bench;
  for (const PixelFormat source : kRgbFormats) bench.compare({.source = source, .target = PixelFormat::NV12});
  for (const PixelFormat target : kTargets) {
    bench.compare({.source = PixelFormat::RGBx, .target = target});
    bench.compare({.source = PixelFormat::xRGB_210LE, .target = target});
  }
}

TEST_CASE("every matrix and range gives the bits of the CPU path") {
  Bench bench;
  for (const ColourMatrix matrix : {ColourMatrix::BT601, ColourMatrix::BT709, ColourMatrix::BT2020}) {
    for (const ColourRange range : {ColourRange::Limited, ColourRange::Full}) {
      bench.compare({.padding = 16, .colour = {.matrix = matrix, .range = range}});
    }
  }
  const ColourDescription full{.matrix = ColourMatrix::BT2020, .range = ColourRange::Full};
  bench.compare({.target = PixelFormat::P010, .padding = 16, .colour = full});
  bench.compare({.target = PixelFormat::I444, .padding = 16, .colour = full});
}

TEST_CASE("any size, stride and offset") {
  Bench bench;
  for (const Size size : {Size{2, 2}, Size{8, 2}, Size{16, 4}, Size{62, 34}, Size{66, 38}, Size{130, 10}}) {
    for (const std::size_t padding : {0U, 4U, 16U, 3U}) {
      for (const std::size_t offset : {0U, 16U, 8U, 2U}) {
        bench.compare({.picture = size, .surface = size, .padding = padding, .offset = offset});
      }
    }
  }
}

TEST_CASE("odd sizes: on an odd surface, and padded on an even one") {
  Bench bench;
  for (const PixelFormat target : kTargets) {
    bench.compare({.target = target, .picture = {33, 17}, .surface = {33, 17}});
    bench.compare({.target = target, .picture = {33, 17}, .surface = {34, 18}});
    bench.compare({.target = target, .picture = {33, 17}, .surface = {32, 16}});
    bench.compare({.target = target, .picture = {32, 16}, .surface = {33, 17}});
    bench.compare({.target = target, .picture = {1, 1}, .surface = {2, 2}});
  }
}

TEST_CASE("a crop may begin at any pixel of the buffer") {
  Bench bench;
  for (std::int32_t x = 0; x < 6; ++x) {
    bench.compare({.surface = {40, 20}, .crop = {x, x / 2, 40, 20}});
    bench.compare({.target = PixelFormat::I444, .surface = {24, 14}, .padding = 8, .crop = {x, 3, 24, 14}});
  }
}

TEST_CASE("every orientation, with a crop") {
  Bench bench;
  for (unsigned t = 0; t < 8; ++t) {
    const auto transform = static_cast<Transform>(t);
    const Size shown = swaps_axes(transform) ? Size{26, 50} : Size{50, 26};
    bench.compare({.surface = shown, .crop = {5, 7, 50, 26}, .transform = transform});
    bench.compare(
        {.target = PixelFormat::I010, .surface = shown, .padding = 12, .crop = {5, 7, 50, 26}, .transform = transform});
  }
}

TEST_CASE("bars are black in the target's range") {
  Bench bench;
  for (const PixelFormat target : kTargets) {
    for (const ColourRange range : {ColourRange::Limited, ColourRange::Full}) {
      const ColourDescription colour{.matrix = ColourMatrix::BT709, .range = range};
      bench.compare({.target = target, .surface = {90, 36}, .padding = 16, .colour = colour});
      bench.compare({.target = target, .surface = {64, 60}, .padding = 16, .colour = colour});
    }
  }
}

TEST_CASE("what the pass cannot do it refuses") {
  const auto device = vulkan_device();
  const auto pass = ConversionPass::create(device);
  REQUIRE(pass);
  const RgbPicture picture({64, 36}, 0, 1);
  const VulkanBuffer source = host_buffer(device, picture.bytes());
  const SurfaceLayout layout = surface_layout(PixelFormat::NV12, {64, 36}, 64);
  const auto target = VulkanBuffer::create_host(device, layout.bytes);
  REQUIRE(target);
  const auto run = [&](PixelFormat format, Size size, const SourcePlane& plane, const SurfaceLayout& to) {
    const auto plan = make_picture_plan(format, size, {}, Transform::Normal, to.size);
    REQUIRE(plan);
    const auto done = (*pass)->run({.buffer = &source, .plane = plane}, *plan, *target, to, kBt709Limited, kSoon);
    REQUIRE_FALSE(done);
    return done.error().kind;
  };
  CHECK(run(PixelFormat::NV12, {64, 36}, {0, 64}, layout) == ErrorKind::Unsupported);
  CHECK(run(PixelFormat::BGRx, {2, 2000}, {0, 8}, layout) == ErrorKind::Unsupported);  // shrunk beyond kMaxShrink
  CHECK(run(PixelFormat::BGRx, {64, 36}, {4, 256}, layout) == ErrorKind::Invalid);     // beyond the end
  CHECK(run(PixelFormat::BGRx, {64, 36}, {0, 256}, surface_layout(PixelFormat::NV12, {64, 36}, 128)) ==
        ErrorKind::Invalid);
  CHECK(run(PixelFormat::BGRx, {64, 36}, {0, 256}, surface_layout(PixelFormat::I444, {64, 36}, 64)) ==
        ErrorKind::Invalid);
  CHECK_FALSE((*pass)->pending());
}

TEST_CASE("a GPU that does not answer costs the timeout, not more, and may come back") {
  const auto device = vulkan_device();
  const VulkanDeviceFunctions& fn = device->fn();
  VkSemaphoreTypeCreateInfo type{};
  type.sType = VK_STRUCTURE_TYPE_SEMAPHORE_TYPE_CREATE_INFO;
  type.semaphoreType = VK_SEMAPHORE_TYPE_TIMELINE;
  VkSemaphoreCreateInfo info{};
  info.sType = VK_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO;
  info.pNext = &type;
  VkSemaphore semaphore = VK_NULL_HANDLE;
  REQUIRE(fn.CreateSemaphore(device->handle(), &info, nullptr, &semaphore) == VK_SUCCESS);
  const VkOwned<VkSemaphore> owned(device->handle(), semaphore, fn.DestroySemaphore);

  const auto pass = ConversionPass::create(device);
  REQUIRE(pass);
  const RgbPicture picture({64, 36}, 0, 1);
  const VulkanBuffer source = host_buffer(device, picture.bytes());
  const SurfaceLayout layout = surface_layout(PixelFormat::NV12, {64, 36}, 64);
  const auto target = VulkanBuffer::create_host(device, layout.bytes);
  REQUIRE(target);
  const auto plan = make_picture_plan(PixelFormat::BGRx, {64, 36}, {}, Transform::Normal, {64, 36});
  REQUIRE(plan);
  /// Waits for the semaphore, and does nothing.
  class Wait final : public PassTail {
   public:
    explicit Wait(VkSemaphore semaphore) : point_{GpuPoint{semaphore, 1}} {}
    void record(VkCommandBuffer /*command*/) const override {}
    [[nodiscard]] GpuSync sync() const override { return {.waits = point_, .signals = {}}; }
    void submitted() override { ++times; }
    int times = 0;

   private:
    std::array<GpuPoint, 1> point_;
  };
  Wait reached(semaphore);
  const auto run = [&](PassTail* tail) {
    return (*pass)->run({.buffer = &source, .plane = {0, 256}}, *plan, *target, layout, kBt709Limited,
                        tail == nullptr ? kSoon : Nanoseconds(std::chrono::milliseconds(30)), nullptr, tail);
  };
  const auto stuck = run(&reached);
  REQUIRE_FALSE(stuck);
  CHECK(stuck.error().kind == ErrorKind::Timeout);
  CHECK(reached.times == 1);
  CHECK((*pass)->pending());
  const auto still = (*pass)->settle(std::chrono::milliseconds(1));
  REQUIRE_FALSE(still);
  CHECK(still.error().kind == ErrorKind::Timeout);

  VkSemaphoreSignalInfo signal{};
  signal.sType = VK_STRUCTURE_TYPE_SEMAPHORE_SIGNAL_INFO;
  signal.semaphore = semaphore;
  signal.value = 1;
  REQUIRE(fn.SignalSemaphore(device->handle(), &signal) == VK_SUCCESS);
  REQUIRE((*pass)->settle(kSoon));
  CHECK_FALSE((*pass)->pending());
  CHECK(run(nullptr));
}

TEST_CASE("a dmabuf is imported once, found by its object, and let go with it") {
  const auto device = vulkan_device(VulkanUse::LinearDmabuf);
  DmabufSources sources(device);
  const RgbPicture picture({64, 36}, 0, 1);
  {
    // The first import ever may open descriptors the driver keeps.
    const auto warm = memfd_dmabuf(picture, PixelFormat::BGRx);
    REQUIRE(sources.find_or_import(warm));
  }
  sources.trim();
  CHECK(sources.size() == 0);
  const std::size_t fds = open_fds();
  const auto imports = device->counters().imports.load();
  for (int i = 0; i < 10'000; ++i) {
    const auto dmabuf = memfd_dmabuf(picture, PixelFormat::BGRx);
    const auto first = sources.find_or_import(dmabuf);
    const auto again = sources.find_or_import(dmabuf);
    if (!first || !again || first->buffer != again->buffer || sources.size() > 2) FAIL("import " << i);
  }
  CHECK(device->counters().imports.load() == imports + 10'000);
  sources.trim();
  CHECK(sources.size() == 0);
  CHECK(open_fds() == fds);
}

TEST_CASE("a dmabuf's pixels arrive, from any place in it") {
  const auto device = vulkan_device(VulkanUse::LinearDmabuf);
  DmabufSources sources(device);
  const auto pass = ConversionPass::create(device);
  REQUIRE(pass);
  for (const std::uint32_t offset : {0U, 4096U, 20U, 6U}) {
    const Scene scene{.padding = 8, .offset = offset};
    const RgbPicture picture(scene.picture, scene.padding, offset);
    const auto dmabuf = memfd_dmabuf(picture, scene.source, offset);
    const auto source = sources.find_or_import(dmabuf);
    if (!source) FAIL(source.error().message());
    const auto plan = make_picture_plan(scene.source, scene.picture, {}, Transform::Normal, scene.surface);
    const SurfaceLayout layout = surface_layout(scene.target, scene.surface, 256);
    const auto target = VulkanBuffer::create_host(device, layout.bytes);
    REQUIRE(target);
    REQUIRE((*pass)->run(*source, *plan, *target, layout, scene.colour, kSoon));
    CHECK_FALSE(difference(zc::test::view_of(expected(scene, picture)), zc::test::view_of(*target, layout)));
  }
}

TEST_CASE("what is recorded once for a source and a target stays theirs, in any order, also when there are many") {
  const auto device = vulkan_device();
  const auto pass = std::move(*ConversionPass::create(device));
  constexpr Size kEdge{16, 8};
  constexpr std::uint32_t kEach = 10;  // a hundred pairs: more than are kept
  const auto plan = make_picture_plan(PixelFormat::BGRx, kEdge, {}, Transform::Normal, kEdge);
  REQUIRE(plan);
  const SurfaceLayout layout = surface_layout(PixelFormat::NV12, kEdge, 64);
  std::vector<RgbPicture> pictures;
  std::vector<VulkanBuffer> sources;
  std::vector<VulkanBuffer> targets;
  for (std::uint32_t i = 0; i < kEach; ++i) {
    pictures.emplace_back(kEdge, 0, i);
    sources.push_back(host_buffer(device, pictures.back().bytes()));
    auto target = VulkanBuffer::create_host(device, layout.bytes);
    REQUIRE(target);
    targets.push_back(std::move(*target));
  }
  std::minstd_rand random(7);
  for (int i = 0; i < 400; ++i) {
    const std::size_t from = random() % kEach;
    VulkanBuffer& target = targets.at(random() % (i < 200 ? 3 : kEach));
    if (i % 50 == 49) {  // gone, and another in its place, perhaps with its handle
      sources.at(from) = {};
      sources.at(from) = host_buffer(device, pictures.at(from).bytes());
    }
    const SourcePlane plane{0, pictures.at(from).stride()};
    REQUIRE(pass->run({.buffer = &sources.at(from), .plane = plane}, *plan, target, layout, kBt709Limited, kSoon));
    REQUIRE(target.invalidate());
    const YuvPicture want = converted(pictures.at(from), PixelFormat::BGRx, PixelFormat::NV12);
    CAPTURE(i, from);
    REQUIRE_FALSE(difference(want.view(), zc::test::view_of(target, layout)));
  }
}
