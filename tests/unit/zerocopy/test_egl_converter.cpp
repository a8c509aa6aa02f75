// Dmabufs through EGL and OpenGL ES against the CPU path, sample by sample; what is kept, and what failures leave
// behind.
#include "unit/zerocopy/gl_support.h"
#include "zerocopy/gl/dmabuf_textures.h"
#include "zerocopy/gl/shared_buffers.h"

#include <unistd.h>

#include <algorithm>
#include <deque>
#include <thread>

using namespace zc;
using namespace zc::test;

namespace {

struct Scene {
  PixelFormat source = PixelFormat::BGRx;
  PixelFormat target = PixelFormat::NV12;
  Size picture{64, 36};
  Size surface{64, 36};
  std::size_t padding = 0;   ///< bytes at each row's end
  std::uint32_t offset = 0;  ///< bytes before the first row
  Rect crop{};
  Transform transform = Transform::Normal;
  ColourDescription colour = kBt709Limited;
  ColourDescription source_colour{};
  int tolerance = 0;
};

Frame frame_for(const Scene& scene, const RgbPicture& picture) {
  Frame frame = frame_of(picture, scene.source);
  frame.crop = scene.crop;
  frame.transform = scene.transform;
  frame.colour = scene.source_colour;
  return frame;
}

/// What the CPU importer makes of the same frame.
Surface expected(const Scene& scene, const RgbPicture& picture) {
  auto surface = importer_for({scene.target, scene.surface, scene.colour})->import(frame_for(scene, picture));
  REQUIRE(surface);
  return std::move(*surface);
}

class Bench {
 public:
  [[nodiscard]] Converter& route() const { return *route_; }

  /// False: the driver does not import this format.
  bool compare(const Scene& scene) {
    const RgbPicture picture(scene.picture, scene.padding, 3);
    const auto dmabuf = memfd_dmabuf(picture, scene.source, scene.offset);
    const auto plan = make_picture_plan(frame_for(scene, picture), {scene.target, scene.surface, scene.colour});
    REQUIRE(plan);
    const auto& listed = route_->modifiers(scene.source);
    if (!route_->takes(*plan) || std::ranges::find(listed, dmabuf->modifier) == listed.end()) return false;
    CAPTURE(name(scene.source), name(scene.target), scene.surface.width, scene.surface.height, scene.padding,
            scene.offset, static_cast<int>(scene.transform), scene.crop.x, scene.crop.y);
    const SharedTarget target(scene.target, scene.surface);
    const auto done = route_->convert(
        {.dmabuf = dmabuf, .plan = *plan, .colour = scene.colour, .target = target.buffer, .layout = target.layout});
    if (!done) FAIL(done.error().message());
    const Surface want = expected(scene, picture);
    const Difference d = difference(view_of(want), target.view(), scene.tolerance);
    CAPTURE(d.component, d.x, d.y, d.a, d.b);
    CHECK_FALSE(d.found);
    return true;
  }

 private:
  std::unique_ptr<Converter> route_ = make_egl_converter(gl_device());
};

bool no_error_pending() { return gl_device()->make_current() && gl_device()->gl().GetError() == GL_NO_ERROR; }

}  // namespace

TEST_CASE("every format, to every surface, with the CPU's bits") {
  Bench bench;
  unsigned formats = 0;
  for (const PixelFormat source : kRgbFormats) {
    bool taken = false;
    for (const PixelFormat target : kTargets) taken = bench.compare({.source = source, .target = target}) || taken;
    if (taken) ++formats;
  }
  // DRM_FORMAT_XRGB8888 and ARGB8888 are what every compositor and driver speaks.
  CHECK(formats >= 2);
  CHECK(bench.compare({.source = PixelFormat::BGRx}));
  CHECK(bench.compare({.source = PixelFormat::BGRA}));
  CHECK(no_error_pending());
}

TEST_CASE("every matrix and range") {
  Bench bench;
  for (const ColourMatrix matrix : {ColourMatrix::BT601, ColourMatrix::BT709, ColourMatrix::BT2020}) {
    for (const ColourRange range : {ColourRange::Limited, ColourRange::Full}) {
      CHECK(bench.compare({.colour = {.matrix = matrix, .range = range}}));
    }
  }
}

TEST_CASE("HDR pictures for SDR screens, to within one step of each component") {
  Bench bench;
  const ColourDescription hdr{ColourMatrix::Rgb, ColourRange::Full, ColourPrimaries::BT2020, TransferFunction::PQ};
  CHECK(bench.compare({.target = PixelFormat::I444, .source_colour = hdr, .tolerance = 2}));
  CHECK(bench.compare({.source_colour = hdr, .tolerance = 2}));
  CHECK(no_error_pending());
}

TEST_CASE("odd sizes, paddings, offsets, crops, bars and every transform") {
  Bench bench;
  for (const PixelFormat target : {PixelFormat::NV12, PixelFormat::I444}) {
    CHECK(bench.compare({.target = target, .picture = {1, 1}, .surface = {2, 2}}));
    CHECK(bench.compare({.target = target, .picture = {63, 35}, .surface = {64, 36}}));
    CHECK(bench.compare({.target = target, .picture = {67, 37}, .surface = {66, 36}, .padding = 20}));
    CHECK(bench.compare({.target = target, .picture = {130, 70}, .surface = {130, 70}, .padding = 56, .offset = 4096}));
    for (unsigned t = 0; t <= static_cast<unsigned>(Transform::Flipped270); ++t) {
      const auto transform = static_cast<Transform>(t);
      const Size turned = swaps_axes(transform) ? Size{36, 64} : Size{64, 36};
      CHECK(bench.compare({.target = target, .surface = turned, .transform = transform}));
      CHECK(bench.compare({.target = target, .surface = {24, 24}, .crop = {5, 3, 23, 24}, .transform = transform}));
    }
  }
}

TEST_CASE("a scaled picture is the Vulkan pass's") {
  const auto device = vulkan_device(VulkanUse::Export);
  const auto vulkan = std::move(*ConversionPass::create(device));
  const auto route = make_egl_converter(gl_device());
  const RgbPicture picture({64, 36}, 0, 8);
  const auto dmabuf = memfd_dmabuf(picture, PixelFormat::BGRx);
  const VulkanBuffer source = host_buffer(device, picture.bytes());
  for (const Size size : {Size{32, 18}, Size{100, 80}, Size{20, 20}}) {
    const auto plan = make_picture_plan(PixelFormat::BGRx, picture.size(), {}, Transform::Normal, size);
    REQUIRE(plan);
    const SharedTarget ours(PixelFormat::NV12, size);
    const SharedTarget theirs(PixelFormat::NV12, size);
    REQUIRE(route->convert({dmabuf, *plan, kBt709Limited, ours.buffer, ours.layout}));
    REQUIRE(vulkan->run({.buffer = &source, .plane = {0, picture.stride()}}, *plan, theirs.buffer, theirs.layout,
                        kBt709Limited, kSoon));
    // One code value for the order of a filter's additions.
    CHECK_FALSE(difference(theirs.view(), ours.view(), 1));
  }
}

TEST_CASE("a buffer without a modifier is read as the driver knows it") {
  const auto route = make_egl_converter(gl_device());
  const RgbPicture picture({64, 36}, 0, 1);
  const auto linear = memfd_dmabuf(picture, PixelFormat::BGRx);
  auto implicit = std::make_shared<Dmabuf>();
  implicit->size = linear->size;
  implicit->format = linear->format;
  implicit->modifier = kModifierInvalid;
  implicit->plane_count = 1;
  implicit->planes[0] = {std::move(*linear->planes[0].fd.dup()), 0, linear->planes[0].stride_bytes};
  const SharedTarget target(PixelFormat::NV12, {64, 36});
  const auto done = convert_whole(*route, implicit, target);
  if (!done) FAIL(done.error().message());
  CHECK_FALSE(difference(converted(picture, PixelFormat::BGRx, PixelFormat::NV12).view(), target.view()));
}

TEST_CASE("what the producer writes later is seen, through the same import") {
  const auto device = gl_device();
  const auto route = make_egl_converter(device);
  const SharedTarget target(PixelFormat::NV12, {64, 36});
  const RgbPicture first({64, 36}, 0, 1);
  const RgbPicture second({64, 36}, 0, 2);
  const auto dmabuf = memfd_dmabuf(first, PixelFormat::BGRx);
  const std::uint64_t images = device->counters().images;
  const std::uint64_t memories = device->counters().memories;
  for (int i = 0; i < 6; ++i) {
    const RgbPicture& picture = i % 2 == 0 ? first : second;
    const auto bytes = picture.bytes();
    REQUIRE(::pwrite(dmabuf->planes[0].fd.get(), bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
    REQUIRE(convert_whole(*route, dmabuf, target));
    CHECK_FALSE(difference(converted(picture, PixelFormat::BGRx, PixelFormat::NV12).view(), target.view()));
  }
  CHECK(device->counters().images == images + 1);
  CHECK(device->counters().memories == memories + 1);
}

TEST_CASE("an import is found by its object and ends with it, whatever number its descriptor has") {
  const auto device = gl_device();
  REQUIRE(device->make_current());
  DmabufTextures textures(device);
  const RgbPicture picture({64, 36}, 0, 4);
  auto one = memfd_dmabuf(picture, PixelFormat::BGRx);
  const auto two = memfd_dmabuf(picture, PixelFormat::BGRx);
  const auto first = textures.find_or_import(one);
  const auto second = textures.find_or_import(two);
  REQUIRE(first);
  REQUIRE(second);
  CHECK(first->texture != second->texture);
  const auto again = textures.find_or_import(one);
  REQUIRE(again);
  CHECK(again->texture == first->texture);
  CHECK(textures.size() == 2);
  const int number = one->planes[0].fd.get();
  one.reset();
  const RgbPicture other({64, 36}, 0, 5);
  const auto three = memfd_dmabuf(other, PixelFormat::BGRx);
  CHECK(three->planes[0].fd.get() == number);  // the system gives the number again
  REQUIRE(textures.find_or_import(three));
  CHECK(textures.size() == 2);
  CHECK(no_error_pending());
}

TEST_CASE("a thousand buffers and surfaces leave nothing behind") {
  const auto device = gl_device();
  const auto route = make_egl_converter(device);
  const RgbPicture picture({64, 36}, 0, 6);
  const auto round = [&] {
    const auto dmabuf = memfd_dmabuf(picture, PixelFormat::BGRx);
    const SharedTarget target(PixelFormat::NV12, {64, 36});
    REQUIRE(convert_whole(*route, dmabuf, target));
    route->forget_targets();
  };
  round();
  const std::size_t fds = open_fds();
  for (int i = 0; i < 1000; ++i) round();
  CHECK(open_fds() == fds);
  CHECK(no_error_pending());
}

TEST_CASE("nothing is imported or compiled for a buffer and a surface seen before") {
  const auto device = gl_device();
  const auto route = make_egl_converter(device);
  const RgbPicture picture({64, 36}, 0, 6);
  std::deque<std::shared_ptr<const Dmabuf>> dmabufs;
  std::deque<SharedTarget> targets;
  for (int i = 0; i < 4; ++i) dmabufs.push_back(memfd_dmabuf(picture, PixelFormat::BGRx));
  for (int i = 0; i < 3; ++i) targets.emplace_back(PixelFormat::NV12, Size{64, 36});
  const auto some = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) REQUIRE(convert_whole(*route, dmabufs[i % 4], targets[i % 3]));
  };
  some(12);
  const GlCounters& counters = device->counters();
  const std::array<std::uint64_t, 3> before{counters.images, counters.memories, counters.programs};
  some(48);
  CHECK(before == std::array<std::uint64_t, 3>{counters.images, counters.memories, counters.programs});
}

TEST_CASE("what is refused leaves no error and no descriptor behind, and the route goes on") {
  const auto device = gl_device();
  const auto route = make_egl_converter(device);
  const RgbPicture picture({64, 36}, 0, 7);
  const SharedTarget target(PixelFormat::NV12, {64, 36});
  const auto good = memfd_dmabuf(picture, PixelFormat::BGRx);
  REQUIRE(convert_whole(*route, good, target));
  const std::size_t fds = open_fds();

  SECTION("a modifier the driver does not list") {
    auto dmabuf = std::make_shared<Dmabuf>();
    dmabuf->size = good->size;
    dmabuf->format = good->format;
    dmabuf->modifier = 0x0300'0000'0060'6014;
    dmabuf->plane_count = 1;
    dmabuf->planes[0] = {std::move(*good->planes[0].fd.dup()), 0, good->planes[0].stride_bytes};
    const auto listed = route->modifiers(good->format);
    if (std::ranges::find(listed, dmabuf->modifier) == listed.end()) {
      const auto done = convert_whole(*route, dmabuf, target);
      REQUIRE_FALSE(done);
      CHECK(done.error().kind == ErrorKind::Unsupported);
    }
  }
  SECTION("a descriptor shorter than its rows") {
    auto dmabuf = std::make_shared<Dmabuf>();
    dmabuf->size = {64, 4000};
    dmabuf->format = good->format;
    dmabuf->modifier = good->modifier;
    dmabuf->plane_count = 1;
    dmabuf->planes[0] = {std::move(*good->planes[0].fd.dup()), 0, good->planes[0].stride_bytes};
    const SharedTarget tall(PixelFormat::NV12, dmabuf->size);
    const auto done = convert_whole(*route, dmabuf, tall);
    REQUIRE_FALSE(done);
    CHECK(done.error().kind == ErrorKind::Invalid);
  }
  SECTION("a picture that is not RGB") {
    const auto plan = make_picture_plan(PixelFormat::YUY2, good->size, {}, Transform::Normal, good->size);
    REQUIRE(plan);
    CHECK_FALSE(route->takes(*plan));
    CHECK(route->modifiers(PixelFormat::YUY2).empty());
  }
  SECTION("memory that GL cannot import") {
    auto host = VulkanBuffer::create_device(vulkan_device(VulkanUse::Export), target.layout.bytes);
    REQUIRE(host);
    REQUIRE(device->make_current());
    SharedBuffers buffers(device);
    CHECK_FALSE(buffers.find_or_import(*host));
    CHECK(buffers.size() == 0);
  }
  CHECK(open_fds() == fds);
  CHECK(no_error_pending());
  REQUIRE(convert_whole(*route, good, target));
  CHECK_FALSE(difference(converted(picture, PixelFormat::BGRx, PixelFormat::NV12).view(), target.view()));
}

TEST_CASE("a route is made on one thread and used and ended on another") {
  const auto vulkan = vulkan_device(VulkanUse::Export);
  gl_device();  // skips the test where there is none
  auto own = open_gl_device(*vulkan);
  REQUIRE(own);
  auto route = make_egl_converter(std::move(*own));
  const RgbPicture picture({64, 36}, 0, 9);
  const auto dmabuf = memfd_dmabuf(picture, PixelFormat::BGRx);
  const SharedTarget target(PixelFormat::NV12, {64, 36});
  const std::size_t fds = open_fds();
  Result<void> done = fail(ErrorKind::Internal, "", "");
  std::jthread([&] {
    done = convert_whole(*route, dmabuf, target);
    route.reset();
  }).join();
  if (!done) FAIL(done.error().message());
  CHECK_FALSE(difference(converted(picture, PixelFormat::BGRx, PixelFormat::NV12).view(), target.view()));
  CHECK(open_fds() <= fds);
}

TEST_CASE("EGL that is not there is a reason, not a crash") {
  const auto missing = load_egl("libzerocast-no-such-egl.so.1");
  REQUIRE_FALSE(missing);
  CHECK(missing.error().kind == ErrorKind::Unsupported);
  CHECK(missing.error().detail.find("libzerocast-no-such-egl.so.1") != std::string::npos);
  const auto not_egl = load_egl("libc.so.6");
  REQUIRE_FALSE(not_egl);
  CHECK(not_egl.error().detail.find("eglGetProcAddress") != std::string::npos);
}

TEST_CASE("a GPU is chosen by what it is") {
  gl_device();  // skips the test where there is none
  const auto elsewhere = GlDevice::open({.render_node = DrmNode{226, 999}, .use = GlUse::SharedMemory});
  REQUIRE_FALSE(elsewhere);
  CHECK(elsewhere.error().kind == ErrorKind::Unsupported);
  GlGpu gpu;
  gpu.egl_extensions = "EGL_EXT_image_dma_buf_import_modifiers EGL_KHR_surfaceless_context";
  gpu.extensions = {"GL_EXT_memory_object"};
  CHECK(gpu.missing_for(GlUse::Render).empty());
  CHECK(gpu.missing_for(GlUse::TiledDmabuf) == "EGL_EXT_image_dma_buf_import, GL_OES_EGL_image");
  CHECK(gpu.missing_for(GlUse::SharedMemory) == "GL_EXT_memory_object_fd");
  CHECK(lists_extension("a bc", "bc"));
  CHECK_FALSE(lists_extension("a bc", "b"));
  CHECK_FALSE(lists_extension(nullptr, "b"));
}

TEST_CASE("modifiers come tiled first, then LINEAR, then none") {
  const auto route = make_egl_converter(gl_device());
  const auto modifiers = route->modifiers(PixelFormat::BGRx);
  REQUIRE_FALSE(modifiers.empty());
  CHECK(modifiers.back() == kModifierInvalid);
  const auto linear = std::ranges::find(modifiers, kModifierLinear);
  CHECK((linear == modifiers.end() || linear == modifiers.end() - 2));
}
