// Dmabufs to surfaces in VA-API memory, on the stand-in VA driver: right pixels whatever the surfaces are like, nothing
// left behind, a way on from every failure.
#include "unit/zerocopy/vaapi_support.h"
#include "zerocopy/vaapi/surface_memory.h"

#include <catch2/generators/catch_generators_range.hpp>

#include <deque>
#include <set>

using namespace zc;
using namespace zc::test;

namespace {

constexpr Size kSize{64, 48};

/// What the CPU's importer makes of a frame in host memory.
Surface expected(Frame frame, const SurfaceFormat& format) {
  SurfaceFormat host = format;
  host.memory = MemoryKind::Host;
  auto made = importer_for(host)->import(std::move(frame));
  if (!made) FAIL(made.error().message());
  return std::move(*made);
}

void compare(const Surface& got, const Surface& want) {
  const Surface host = readable(got);
  const Difference d = difference(view_of(want), view_of(host));
  CAPTURE(d.component, d.x, d.y, d.a, d.b);
  CHECK_FALSE(d.found);
}

struct Way {
  explicit Way(SurfaceFormat format = in_vaapi(PixelFormat::NV12, kSize), GpuImporterOptions options = {},
               std::string_view converter = "vulkan")
      : importer(vaapi_importer(std::move(options), converter)), target(format) {
    const auto configured = importer->configure(target);
    if (!configured) FAIL(configured.error().message());
  }
  /// One picture in, checked; its lease comes back once.
  void show(std::uint32_t number, bool cursor = false, bool shared_memory = false) {
    const RgbPicture picture(kSize, 0, number);
    const auto leases = std::make_shared<LeaseCounter>();
    Frame frame = shared_memory ? frame_of(picture) : dmabuf_frame(picture);
    Frame plain = frame_of(picture);
    frame.cursor = CursorState{
        .visible = cursor, .position = {static_cast<std::int32_t>(number % 50), 9}, .hotspot = {}, .bitmap = arrow};
    plain.cursor = frame.cursor;
    frame.lease = LeaseCounter::lease(leases);
    auto surface = importer->import(std::move(frame));
    if (!surface) FAIL(number << ": " << surface.error().message());
    CHECK(leases->returned == 1);
    compare(*surface, expected(std::move(plain), target));
    held.push_back(std::move(*surface));
    if (held.size() > 3) held.pop_front();
  }

  std::unique_ptr<Importer> importer;
  SurfaceFormat target;
  std::deque<Surface> held;
  std::shared_ptr<const CursorBitmap> arrow = random_cursor({12, 10}, 3);
};

/// Surfaces that are written where they are; two kinds that are not.
constexpr std::array kLayouts = {"", "narrow", "apart"};

}  // namespace

TEST_CASE("pictures have the CPU's bits, in whatever layout the driver has its surfaces") {
  const char* layout = GENERATE(from_range(kLayouts));
  const PixelFormat format = GENERATE(PixelFormat::NV12, PixelFormat::P010);
  const PixelFormat source = GENERATE(PixelFormat::BGRx, PixelFormat::RGBA, PixelFormat::xRGB_210LE);
  const ColourDescription colour = GENERATE(
      kBt709Limited,
      ColourDescription{ColourMatrix::BT601, ColourRange::Full, ColourPrimaries::BT601, TransferFunction::BT709});
  CAPTURE(layout, name(format), name(source), colour.matrix == ColourMatrix::BT601);
  const VaFaults faults(layout);
  const SurfaceFormat target = in_vaapi(format, kSize, colour);
  const Way way(target);
  const RgbPicture picture(kSize, 32, 4);
  const Frame asked = dmabuf_frame(picture, source);
  const auto device = way.importer->device_for(asked);
  REQUIRE(device);
  CHECK(device->memory() == MemoryKind::Vaapi);
  const auto surface = way.importer->import(dmabuf_frame(picture, source));
  if (!surface) FAIL(surface.error().message());
  CHECK(surface->format() == target);
  CHECK(surface->av_frame()->format == AV_PIX_FMT_VAAPI);
  CHECK(way.importer->route() == "vulkan+vaapi");
  const Surface want = expected(frame_of(picture, source), target);
  compare(*surface, want);
  CHECK(surface->av_frame()->colorspace == want.av_frame()->colorspace);
  CHECK(surface->av_frame()->color_range == want.av_frame()->color_range);
}

TEST_CASE("OpenGL ES makes the picture, and a copy by Vulkan places it") {
  const char* layout = GENERATE(from_range(kLayouts));
  CAPTURE(layout);
  const VaFaults faults(layout);
  if (const auto gpu = vaapi_gpu("egl"); !gpu) SKIP(gpu.error().message());
  Way way(in_vaapi(PixelFormat::NV12, kSize), {}, "egl");
  for (std::uint32_t i = 0; i < 6; ++i) way.show(i, i % 2 == 0);
  CHECK(way.importer->route() == "egl+vaapi");
}

TEST_CASE("odd sizes, bars and turned pictures") {
  const char* layout = GENERATE(from_range(kLayouts));
  const Size size = GENERATE(Size{50, 70}, Size{96, 64}, Size{130, 66});
  CAPTURE(layout, size.width);
  const VaFaults faults(layout);
  const SurfaceFormat format = in_vaapi(PixelFormat::NV12, size);
  const Way way(format);
  const RgbPicture picture({48, 32}, 0, 5);
  Frame frame = dmabuf_frame(picture);
  Frame plain = frame_of(picture);
  frame.transform = plain.transform = GENERATE(Transform::Normal, Transform::Rot90);
  const auto plan = make_picture_plan(PixelFormat::BGRx, picture.size(), {}, frame.transform, format.size);
  REQUIRE(plan);
  const auto surface = way.importer->import(std::move(frame));
  if (!surface) FAIL(surface.error().message());
  CHECK(way.importer->route() == "vulkan+vaapi");
  const Surface want = expected(std::move(plain), format);
  if (!plan->scaled) compare(*surface, want);
  const Surface got = readable(*surface);  // scaled pictures are within the filters' freedom, bars are not
  if (plan->barred()) CHECK(sample(view_of(got), 0, 0, 0) == sample(view_of(want), 0, 0, 0));
}

TEST_CASE("cursors come, move over still pictures, and go") {
  const char* layout = GENERATE(from_range(kLayouts));
  const SurfaceFormat format = in_vaapi(GENERATE(PixelFormat::NV12, PixelFormat::P010), kSize);
  CAPTURE(layout, name(format.format));
  const VaFaults faults(layout);
  const Way way(format);
  const auto cpu = importer_for({format.format, format.size});
  const auto hand = random_cursor({9, 30}, 5);
  std::deque<Surface> held;  // as an encoder does
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
                               .bitmap = i % 16 < 8 ? way.arrow : hand};
      }
      return f;
    };
    CAPTURE(i);
    auto got = way.importer->import(make(true));
    const auto want = cpu->import(make(false));
    REQUIRE(got);
    REQUIRE(want);
    CHECK(way.importer->route() == "vulkan+vaapi");
    compare(*got, *want);
    held.push_back(std::move(*got));
    if (held.size() > 3) held.pop_front();
  }
}

TEST_CASE("a surface is exported and imported once") {
  const char* layout = GENERATE(from_range(kLayouts));
  CAPTURE(layout);
  const VaFaults faults(layout);
  Way way;
  for (std::uint32_t i = 0; i < 12; ++i) way.show(i);
  const softva::Counts warm = va_counts();
  const VulkanCounters& counters = tiled_device()->counters();
  const auto allocations = counters.allocations.load();
  std::uint32_t pictures = 0;
  const RgbPicture picture(kSize, 0, 1);
  const auto dmabuf = memfd_dmabuf(picture, PixelFormat::BGRx);
  for (; pictures < 12; ++pictures) {
    Frame frame;
    frame.image = dmabuf;
    frame.damage = Damage::all();
    auto surface = way.importer->import(std::move(frame));
    REQUIRE(surface);
    way.held.push_back(std::move(*surface));
    way.held.pop_front();
  }
  CHECK(va_counts().exports == warm.exports);
  CHECK(va_counts().surfaces == warm.surfaces);
  CHECK(counters.allocations.load() == allocations + 1);  // the dmabuf's
}

TEST_CASE("LINEAR surfaces are written where they are, unless another API writes or they do not fit") {
  const SurfaceFormat format = in_vaapi(PixelFormat::NV12, kSize);
  const auto foreign = [&](const char* layout, bool in_place) {
    const VaFaults faults(layout);
    const auto target = make_vaapi_target(tiled_device(), vaapi_device(), format, 2, in_place);
    if (!target) FAIL(target.error().message());
    const auto buffer = (*target)->take();
    REQUIRE(buffer);
    return (*buffer)->foreign();
  };
  CHECK(foreign("", true));
  CHECK(foreign("twice", true));
  CHECK_FALSE(foreign("", false));
  CHECK_FALSE(foreign("narrow", true));
  CHECK_FALSE(foreign("apart", true));
}

TEST_CASE("the driver chooses from what Vulkan writes, where it takes a list") {
  // Of the layer's layouts one has a second memory plane, for compression.
  for (const PixelFormat format : {PixelFormat::NV12, PixelFormat::P010}) {
    CHECK(writable_modifiers(*tiled_device(), format) == std::vector{kRefusedModifier, kModifierLinear});
  }
  const std::size_t before = va_counts().listed;
  Way way;
  way.show(1);
  const std::size_t listed = va_counts().listed;
  CHECK(listed > before);
  const VaFaults faults("no-modifiers");
  Way without;
  without.show(2);
  CHECK(va_counts().listed == listed);
}

TEST_CASE("surfaces that cannot be had, or are not what the driver says, are refused with the reason") {
  const auto [fault, words] = GENERATE(table<const char*, const char*>({{"export", "export a VA-API surface"},
                                                                        {"modifier", "none of the driver's"},
                                                                        {"lie", "comes back with another row"}}));
  CAPTURE(fault);
  static_cast<void>(vaapi_gpu());  // what the drivers keep for the process
  const softva::Counts before = va_counts();
  const std::size_t fds = open_fds();
  {
    const VaFaults faults(fault);
    const auto refused = vaapi_gpu();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::Unsupported);
    CAPTURE(refused.error().message());
    CHECK(refused.error().message().find(words) != std::string::npos);
  }
  CHECK(va_counts().surfaces == before.surfaces);
  CHECK(open_fds() == fds);
  CHECK(vaapi_gpu());
}

TEST_CASE("formats that no encoder takes are refused") {
  const auto importer = vaapi_importer();
  CHECK(importer->configure(in_vaapi(PixelFormat::I444, kSize)).error().kind == ErrorKind::Unsupported);
  CHECK(importer->configure(in_vaapi(PixelFormat::NV12, {64, 0})).error().kind == ErrorKind::Invalid);
  CHECK(importer->configure(in_vaapi(PixelFormat::NV12, kSize)));
}

TEST_CASE("no more surfaces than may be out, and they outlive target and importer") {
  const char* layout = GENERATE(from_range(kLayouts));
  CAPTURE(layout);
  const VaFaults faults(layout);
  static_cast<void>(vaapi_gpu());
  const softva::Counts before = va_counts();
  const std::size_t fds = open_fds();
  const SurfaceFormat format = in_vaapi(PixelFormat::NV12, kSize);
  const RgbPicture picture(kSize, 0, 9);
  std::vector<Surface> kept;
  {
    const Way way(format, {.surface_limit = 3});
    for (int i = 0; i < 3; ++i) {
      auto surface = way.importer->import(dmabuf_frame(picture));
      REQUIRE(surface);
      kept.push_back(std::move(*surface));
    }
    std::set<const std::uint8_t*> surfaces;
    for (const Surface& surface : kept) surfaces.insert(surface.av_frame()->data[3]);
    CHECK(surfaces.size() == 3);
    const auto leases = std::make_shared<LeaseCounter>();
    Frame frame = dmabuf_frame(picture);
    frame.lease = LeaseCounter::lease(leases);
    const auto busy = way.importer->import(std::move(frame));
    REQUIRE_FALSE(busy);
    CHECK(busy.error().kind == ErrorKind::Busy);
    CHECK(leases->returned == 1);
    kept.pop_back();
    kept.pop_back();
    CHECK(way.importer->import(dmabuf_frame(picture)));
  }
  compare(kept.front(), expected(frame_of(picture), format));
  kept.clear();
  CHECK(va_counts().surfaces == before.surfaces);
  CHECK(open_fds() == fds);
}

TEST_CASE("a surface that the GPU may still write to is nobody's") {
  const auto target = make_vaapi_target(tiled_device(), vaapi_device(), in_vaapi(PixelFormat::NV12, kSize), 2);
  REQUIRE(target);
  const auto first = (*target)->take();
  REQUIRE(first);
  (*target)->retire();
  const auto second = (*target)->take();
  REQUIRE(second);
  CHECK(*second != *first);
  (*target)->retire();
  CHECK((*target)->take().error().kind == ErrorKind::Busy);
}

TEST_CASE("no memory for one more surface is an error of the picture, and passes") {
  Way way;
  way.show(0);
  {
    const VaFaults faults("alloc=1");
    std::vector<Surface> held;
    ErrorKind kind = ErrorKind::Internal;
    for (std::uint32_t i = 0; i < 8; ++i) {  // until the pool has to make one
      auto surface = way.importer->import(dmabuf_frame(RgbPicture(kSize, 0, i)));
      if (!surface) {
        kind = surface.error().kind;
        break;
      }
      held.push_back(std::move(*surface));
    }
    CHECK(kind == ErrorKind::Busy);
  }
  way.show(2);
  CHECK(way.importer->route() == "vulkan+vaapi");
}

TEST_CASE("pictures in shared memory are uploaded, and those that have not changed are not") {
  Way way;
  for (std::uint32_t i = 0; i < 6; ++i) {
    way.show(i, i % 3 == 0, i % 2 == 1);
    CHECK(way.importer->route() == (i % 2 == 1 ? "cpu+vaapi" : "vulkan+vaapi"));
    const auto again = way.importer->import(Frame{});
    REQUIRE(again);
    CHECK(again->av_frame()->data[3] == way.held.back().av_frame()->data[3]);
  }
  CHECK(way.importer->device_for(frame_of(RgbPicture(kSize, 0, 0))) == nullptr);
}

TEST_CASE("an upload that fails ends the device: pictures go out in host memory, for whichever encoder takes over") {
  Way way;
  for (std::uint32_t i = 0; i < 3; ++i) way.show(i);
  const VaFaults faults("put-image=1");
  for (std::uint32_t i = 3; i < 8; ++i) {
    way.show(i, true, true);
    CHECK(way.held.back().format().memory == MemoryKind::Host);
  }
  CHECK(way.importer->route() == "cpu");
  CHECK_FALSE(way.importer->take_failure().empty());
  way.target.memory = MemoryKind::Host;
  REQUIRE(way.importer->configure(way.target));
  for (std::uint32_t i = 8; i < 12; ++i) way.show(i, false, true);
}

TEST_CASE("from VA-API to host memory and back") {
  Way way;
  way.show(0);
  for (const MemoryKind memory : {MemoryKind::Host, MemoryKind::Vaapi}) {
    way.target.memory = memory;
    REQUIRE(way.importer->configure(way.target));
    for (std::uint32_t i = 1; i < 4; ++i) way.show(i, true);
    CHECK(way.held.back().format().memory == memory);
    CHECK(way.importer->route() == (memory == MemoryKind::Host ? "vulkan" : "vulkan+vaapi"));
  }
}

TEST_CASE("a GPU that hangs costs pictures, and what it may still write to is left alone for good") {
#if defined(__SANITIZE_ADDRESS__)
  SKIP("what the GPU may still write to is leaked on purpose");
#endif
  const char* layout = GENERATE(from_range(kLayouts));
  CAPTURE(layout);
  const VaFaults faults(layout);
  // A device of its own, whose waits end too early.
  struct Hook {
    static VkResult wait(VkDevice /*device*/, std::uint32_t /*count*/, const VkFence* /*fences*/, VkBool32 /*all*/,
                         std::uint64_t /*timeout*/) {
      return VK_TIMEOUT;
    }
    static VkResult look(VkDevice /*device*/, VkFence /*fence*/) { return VK_NOT_READY; }
  };
  static_cast<void>(tiled_device());  // skips the test where there is none
  const auto vulkan = VulkanDevice::open({.use = VulkanUse::TiledDmabuf});
  REQUIRE(vulkan);
  const VulkanDeviceFunctions real = (*vulkan)->fn();
  VulkanDeviceFunctions hung = real;
  hung.WaitForFences = &Hook::wait;
  hung.GetFenceStatus = &Hook::look;
  auto gpu = open_vaapi_gpu(*vulkan, vaapi_device(), {.converter = "vulkan"});
  if (!gpu) FAIL(gpu.error().message());
  auto importer = make_gpu_importer(std::move(*gpu), {.surface_limit = 6});
  const SurfaceFormat format = in_vaapi(PixelFormat::NV12, kSize);
  REQUIRE(importer->configure(format));
  const RgbPicture picture(kSize, 0, 7);
  REQUIRE(importer->import(dmabuf_frame(picture)));
  const std::size_t surfaces = va_counts().surfaces;
  (*vulkan)->replace_functions(hung);
  for (int i = 0; i < 3; ++i) CHECK(importer->import(dmabuf_frame(picture)).error().kind == ErrorKind::Busy);
  (*vulkan)->replace_functions(real);
  auto after = importer->import(dmabuf_frame(picture));
  for (const Nanoseconds deadline = monotonic_now() + kSoon; !after && monotonic_now() < deadline;) {
    after = importer->import(dmabuf_frame(picture));
  }
  if (!after) FAIL(after.error().message());
  CHECK(importer->route() == "vulkan+vaapi");
  compare(*after, expected(frame_of(picture), format));
  *after = {};
  // It hangs, and ends with that.
  (*vulkan)->replace_functions(hung);
  CHECK_FALSE(importer->import(dmabuf_frame(picture)));
  importer.reset();
  CHECK((*vulkan)->abandoned());
  CHECK(va_counts().surfaces >= surfaces);
}
