// Dmabufs as images: which modifiers are asked for, and that the pixels of each layout arrive bit for bit.
#include "unit/zerocopy/importer_support.h"
#include "unit/zerocopy/tiled_support.h"
#include "zerocopy/surface_layout.h"
#include "zerocopy/vulkan/drm_modifiers.h"

using namespace zc;
using namespace zc::test;

namespace {

constexpr std::array kImageFormats = {
    PixelFormat::BGRx, PixelFormat::BGRA, PixelFormat::RGBx, PixelFormat::RGBA,       PixelFormat::xRGB,
    PixelFormat::ARGB, PixelFormat::xBGR, PixelFormat::ABGR, PixelFormat::xRGB_210LE, PixelFormat::xBGR_210LE};

class Bench {
 public:
  Bench() : device(tiled_device()), pass_(std::move(*ConversionPass::create(device))) {}

  YuvPicture convert(const ConversionPass::Source& source, PixelFormat format, Size size) {
    const Size even{size.width + size.width % 2, size.height + size.height % 2};
    const SurfaceLayout layout = surface_layout(PixelFormat::NV12, even, 64);
    const auto plan = make_picture_plan(format, size, {}, Transform::Normal, even);
    REQUIRE(plan);
    auto target = VulkanBuffer::create_host(device, layout.bytes);
    REQUIRE(target);
    const auto done = pass_->run(source, *plan, *target, layout, kBt709Limited, kSoon);
    if (!done) FAIL(done.error().message());
    REQUIRE(target->invalidate());
    YuvPicture out(PixelFormat::NV12, even);
    copy_rect(zc::test::view_of(*target, layout), out.view(), {0, 0, even.width, even.height});
    return out;
  }

  void compare(const ConversionPass::Source& source, const RgbPicture& picture, PixelFormat format) {
    const YuvPicture got = convert(source, format, picture.size());
    const auto want = importer_for({PixelFormat::NV12, got.view().size})->import(frame_of(picture, format));
    REQUIRE(want);
    const Difference d = difference(got.view(), zc::test::view_of(*want));
    CAPTURE(name(format), picture.size().width, picture.size().height, d.component, d.x, d.y, d.a, d.b);
    CHECK_FALSE(d.found);
  }

  std::shared_ptr<VulkanDevice> device;

 private:
  std::unique_ptr<ConversionPass> pass_;
};

/// lavapipe wants the rows of an image rounded up to more than one page may have.
std::shared_ptr<const Dmabuf> roomy_dmabuf(const RgbPicture& picture, PixelFormat format, std::uint32_t offset = 0) {
  auto dmabuf = memfd_dmabuf(picture, format, offset);
  const int fd = dmabuf->planes[0].fd.get();
  REQUIRE(::ftruncate(fd, ::lseek(fd, 0, SEEK_END) + 65'536) == 0);
  return dmabuf;
}

std::shared_ptr<Dmabuf> with_modifier(const RgbPicture& picture, std::uint64_t modifier) {
  const auto linear = memfd_dmabuf(picture, PixelFormat::BGRx);
  auto dmabuf = std::make_shared<Dmabuf>();
  dmabuf->size = linear->size;
  dmabuf->format = linear->format;
  dmabuf->modifier = modifier;
  dmabuf->plane_count = 1;
  auto fd = linear->planes[0].fd.dup();
  REQUIRE(fd);
  dmabuf->planes[0] = {std::move(*fd), 0, linear->planes[0].stride_bytes};
  return dmabuf;
}

}  // namespace

TEST_CASE("modifiers are the driver's: tiled ones first, LINEAR last") {
  const auto device = tiled_device();
  const DmabufSources sources(device);
  for (const PixelFormat format : kImageFormats) {
    CAPTURE(name(format));
    CHECK(sources.modifiers(format) == std::vector{kRefusedModifier, kTiledModifier, kModifierLinear});
  }
  // No image format, but a buffer of 32-bit words all the same.
  CHECK(sources.modifiers(PixelFormat::RGBx_102LE) == std::vector{kModifierLinear});
  CHECK(sources.modifiers(PixelFormat::NV12) == std::vector{kModifierLinear});  // from buffers, too
  const auto tiled = importable_modifier(device->instance_fn(), device->gpu(), PixelFormat::BGRx, kTiledModifier);
  REQUIRE(tiled);
  CHECK(tiled->planes == 2);
  CHECK_FALSE(tiled->max_size.empty());
  CHECK_FALSE(importable_modifier(device->instance_fn(), device->gpu(), PixelFormat::BGRx, 0x7e00'0000'0000'0099));
}

TEST_CASE("a device without the extension reads LINEAR only") {
  const auto device = vulkan_device(VulkanUse::LinearDmabuf);
  VulkanGpu gpu = device->gpu();
  std::erase(gpu.extensions, VK_EXT_IMAGE_DRM_FORMAT_MODIFIER_EXTENSION_NAME);
  CHECK(importable_modifiers(device->instance_fn(), gpu, PixelFormat::BGRx).empty());
  const auto modifiers = DmabufSources(device).modifiers(PixelFormat::BGRx);
  REQUIRE_FALSE(modifiers.empty());
  CHECK(modifiers.back() == kModifierLinear);
}

TEST_CASE("a LINEAR dmabuf as an image has the bits of the CPU path") {
  Bench bench;
  for (const PixelFormat format : kImageFormats) {
    const RgbPicture picture({64, 36}, 0, 5);
    const auto image = VulkanImage::import_dmabuf(bench.device, *roomy_dmabuf(picture, format));
    if (!image) FAIL(image.error().message());
    CHECK(image->foreign());
    bench.compare({.image = &*image}, picture, format);
  }
  for (const Size size : {Size{1, 1}, Size{33, 17}, Size{62, 35}, Size{130, 9}}) {
    for (const std::size_t padding : {0U, 4U, 64U, 236U}) {
      for (const std::uint32_t offset : {0U, 64U, 4096U, 20U}) {
        CAPTURE(padding, offset);
        const RgbPicture picture(size, padding, size.width + offset);
        const auto image = VulkanImage::import_dmabuf(bench.device, *roomy_dmabuf(picture, PixelFormat::BGRx, offset));
        if (!image) FAIL(image.error().message());
        bench.compare({.image = &*image}, picture, PixelFormat::BGRx);
      }
    }
  }
}

TEST_CASE("a tiled dmabuf has the bits of the CPU path, its second plane told to the driver") {
  Bench bench;
  DmabufSources sources(bench.device);
  for (const PixelFormat format : kImageFormats) {
    const RgbPicture picture({64, 36}, 0, 6);
    const auto dmabuf = tiled_dmabuf(picture, format);
    const auto source = sources.find_or_import(dmabuf);
    if (!source) FAIL(source.error().message());
    REQUIRE(source->image != nullptr);
    bench.compare(*source, picture, format);
  }
  for (const Size size : {Size{1, 1}, Size{33, 17}, Size{16, 16}, Size{130, 50}}) {
    for (const std::uint32_t offset : {0U, 256U, 4096U}) {
      const RgbPicture picture(size, 4, size.width + offset);
      const auto dmabuf = tiled_dmabuf(picture, PixelFormat::BGRx, offset);
      const auto source = sources.find_or_import(dmabuf);
      if (!source) FAIL(source.error().message());
      bench.compare(*source, picture, PixelFormat::BGRx);
    }
  }
}

TEST_CASE("what the producer writes next into the same buffer is what the next pass reads") {
  Bench bench;
  DmabufSources sources(bench.device);
  const auto dmabuf = tiled_dmabuf(RgbPicture({64, 36}, 0, 0), PixelFormat::BGRx);
  const auto imports = bench.device->counters().imports.load();
  for (std::uint32_t round = 1; round < 6; ++round) {
    const RgbPicture picture({64, 36}, 0, round);
    const TiledBytes tiled(picture, 0);
    const auto bytes = static_cast<ssize_t>(tiled.bytes.size());
    REQUIRE(::pwrite(dmabuf->planes[0].fd.get(), tiled.bytes.data(), tiled.bytes.size(), 0) == bytes);
    const auto source = sources.find_or_import(dmabuf);
    REQUIRE(source);
    bench.compare(*source, picture, PixelFormat::BGRx);
  }
  CHECK(bench.device->counters().imports.load() == imports + 1);
}

TEST_CASE("an import that fails leaves nothing behind, and the others are not concerned") {
  const auto device = tiled_device();
  DmabufSources sources(device);
  const RgbPicture picture({64, 36}, 0, 1);
  static_cast<void>(sources.find_or_import(with_modifier(picture, kRefusedModifier)));
  const std::size_t fds = open_fds();
  for (int i = 0; i < 100; ++i) {
    const auto refused = sources.find_or_import(with_modifier(picture, kRefusedModifier));
    if (refused || refused.error().kind != ErrorKind::Unsupported) FAIL("attempt " << i);
  }
  CHECK(open_fds() == fds);
  CHECK(sources.find_or_import(tiled_dmabuf(picture, PixelFormat::BGRx)));
  CHECK(sources.size() == 1);
  sources.trim();
  CHECK(sources.size() == 0);
}

TEST_CASE("dmabufs that do not fit their modifier are refused, each with its reason") {
  const auto device = tiled_device();
  const RgbPicture picture({64, 36}, 0, 1);
  const auto reason = [&](const Dmabuf& dmabuf) {
    const std::size_t fds = open_fds();
    const auto image = VulkanImage::import_dmabuf(device, dmabuf);
    REQUIRE_FALSE(image);
    CHECK(image.error().kind == ErrorKind::Unsupported);
    CHECK(open_fds() == fds);
    return image.error().detail;
  };
  CHECK(reason(*with_modifier(picture, 0x7e00'0000'0000'0099)).find("none of the driver's") != std::string::npos);
  CHECK(reason(*with_modifier(picture, kTiledModifier)).find("2 memory planes") != std::string::npos);
  const auto apart = tiled_dmabuf(picture, PixelFormat::BGRx);
  apart->planes[1].fd = memory_file(TiledBytes(picture, 0).bytes);
  CHECK(reason(*apart).find("several buffers") != std::string::npos);
  const auto cut = tiled_dmabuf(picture, PixelFormat::BGRx);
  REQUIRE(::ftruncate(cut->planes[0].fd.get(), 4096) == 0);
  CHECK(reason(*cut).find("4096 bytes") != std::string::npos);
  const auto narrow = tiled_dmabuf(picture, PixelFormat::BGRx);
  narrow->planes[0].stride_bytes = 16;
  CHECK(reason(*narrow).find("PLANE_LAYOUT") != std::string::npos);
}

TEST_CASE("a thousand imports of each kind leave no descriptor and no memory behind") {
  const auto device = tiled_device();
  DmabufSources sources(device);
  const RgbPicture picture({64, 36}, 0, 1);
  const auto once = [&](bool tiled) {
    const auto dmabuf = tiled ? tiled_dmabuf(picture, PixelFormat::BGRx) : nullptr;
    if (tiled) return sources.find_or_import(dmabuf).has_value();
    return VulkanImage::import_dmabuf(device, *roomy_dmabuf(picture, PixelFormat::BGRx)).has_value();
  };
  REQUIRE(once(true));
  REQUIRE(once(false));
  sources.trim();
  const std::size_t fds = open_fds();
  const auto imports = device->counters().imports.load();
  for (int i = 0; i < 1000; ++i) {
    if (!once(true) || !once(false) || sources.size() > 1) FAIL("import " << i);
  }
  CHECK(device->counters().imports.load() == imports + 2000);
  sources.trim();
  CHECK(open_fds() == fds);
}
