// Layers drawn by the GPU's pass, in Vulkan and in OpenGL ES, against a reference computed apart.
#include "unit/zerocopy/gl_support.h"
#include "unit/zerocopy/importer_support.h"
#include "unit/zerocopy/scene_reference.h"
#include "unit/zerocopy/vulkan_support.h"
#include "zerocopy/gpu_importer.h"
#include "zerocopy/vulkan/vulkan_converter.h"

#include <catch2/generators/catch_generators.hpp>

#include <cmath>
#include <memory>
#include <vector>

using namespace zc;
using namespace zc::test;

namespace {

/// A picture of any format in host memory, random.
class Pixels {
 public:
  /// `smooth`: waves instead, of an RGB format.
  Pixels(PixelFormat format, Size size, std::uint32_t seed, bool smooth = false) {
    std::minstd_rand random(seed + 1);
    for (unsigned i = 0; i < 16; ++i) random();
    image_.format = format;
    image_.size = size;
    const PixelFormatInfo& about = info(format);
    for (unsigned plane = 0; plane < about.planes; ++plane) {
      const std::size_t stride = row_bytes(format, plane, size.width) + 12;
      const std::size_t rows = plane_height(format, plane, size.height);
      std::vector<std::byte>& bytes = planes_.emplace_back(stride * rows);
      if (smooth) {
        for (std::size_t i = 0; i < bytes.size(); ++i) {
          const std::size_t column = i % stride / 4;
          const std::size_t row = i / stride;
          const double at = static_cast<double>(column) / 9 + static_cast<double>(row) / 7;
          bytes[i] = static_cast<std::byte>(std::lround(128 + 90 * std::sin(at + static_cast<double>(i % 4))));
        }
      } else if (!about.yuv) {
        for (std::byte& b : bytes) b = static_cast<std::byte>(random() >> 8U);
      } else {
        fill(bytes, stride, rows, plane, random);
      }
      image_.planes.at(plane) = {bytes.data(), static_cast<std::uint32_t>(stride)};
    }
  }
  [[nodiscard]] const HostImage& image() const { return image_; }
  /// The same in memory that stands for a LINEAR dmabuf.
  [[nodiscard]] std::shared_ptr<const Dmabuf> dmabuf() const {
    auto dmabuf = std::make_shared<Dmabuf>();
    dmabuf->size = image_.size;
    dmabuf->format = image_.format;
    dmabuf->modifier = kModifierLinear;
    dmabuf->plane_count = info(image_.format).planes;
    UniqueFd fd(::memfd_create("picture", MFD_CLOEXEC));
    REQUIRE(fd);
    std::size_t at = 0;
    for (unsigned i = 0; i < dmabuf->plane_count; ++i) {
      REQUIRE(::pwrite(fd.get(), planes_.at(i).data(), planes_.at(i).size(), static_cast<off_t>(at)) ==
              static_cast<ssize_t>(planes_.at(i).size()));
      dmabuf->planes.at(i) = {std::move(*UniqueFd::dup(fd.get())), static_cast<std::uint32_t>(at),
                              image_.planes.at(i).stride_bytes};
      at += (planes_.at(i).size() + 63) / 64 * 64;
    }
    REQUIRE(::ftruncate(fd.get(), static_cast<off_t>((at + 4095) / 4096 * 4096)) == 0);
    return dmabuf;
  }

 private:
  void fill(std::vector<std::byte>& bytes, std::size_t stride, std::size_t rows, unsigned plane,
            std::minstd_rand& random) const {
    const YuvLayout layout = yuv_layout(image_.format);
    // Colours inside the cube of RGB, whatever the matrix and range.
    const auto code = [&](bool chroma) {
      return (chroma ? 104 : 90) + static_cast<unsigned>(random() >> 8U) % (chroma ? 48 : 80);
    };
    for (std::size_t y = 0; y < rows; ++y) {
      const std::size_t samples = row_bytes(image_.format, plane, image_.size.width) / (layout.wide ? 2 : 1);
      for (std::size_t x = 0; x < samples; ++x) {
        const bool packed = !layout.valid;
        const bool chroma = packed ? (x % 2 != 0) == (image_.format == PixelFormat::YUY2) : plane != 0;
        const unsigned value = code(chroma);
        if (!layout.wide) {
          bytes.at(y * stride + x) = static_cast<std::byte>(value);
          continue;
        }
        const auto word = static_cast<std::uint16_t>((value * 4 + (random() >> 8U) % 4) << layout.value_shift);
        std::memcpy(&bytes.at(y * stride + 2 * x), &word, 2);
      }
    }
  }
  HostImage image_;
  std::vector<std::vector<std::byte>> planes_;
};

enum class Route : std::uint8_t { Vulkan, Egl };
enum class In : std::uint8_t { Host, Dmabuf };

std::unique_ptr<Importer> importer_by(Route route) {
  const auto device = vulkan_device(VulkanUse::LinearDmabuf);
  Gpu gpu{.device = device};
  if (route == Route::Vulkan) {
    auto made = make_vulkan_converter(device);
    if (!made) FAIL(made.error().message());
    gpu.converters.push_back(std::move(*made));
  } else {
    gpu.converters.push_back(make_egl_converter(gl_device()));
  }
  return make_gpu_importer(std::move(gpu));
}

std::string_view route_name(Route route) { return route == Route::Vulkan ? "vulkan" : "egl"; }

/// A scene, drawn by an importer and checked against the reference.
class Scene {
 public:
  Scene(Route route, const SurfaceFormat& surface, Size main, bool smooth = false)
      : route_(route), importer_(importer_by(route)), main_(PixelFormat::BGRx, main, 1, smooth) {
    reference_ = scene_of(main_.image(), surface);
    const auto configured = importer_->configure(surface);
    if (!configured) FAIL(configured.error().message());
  }
  Scene& add(PixelFormat format, Size size, const LayerPlace& place, In in = In::Host,
             const ColourDescription& colour = kBt709Limited, Transform transform = Transform::Normal, Rect crop = {}) {
    pixels_.push_back(std::make_unique<Pixels>(format, size, 77 + static_cast<std::uint32_t>(pixels_.size())));
    SceneLayer layer{
        .image = pixels_.back()->image(), .colour = colour, .crop = crop, .transform = transform, .place = place};
    const auto id = static_cast<std::uint32_t>(layers_.size()) + 1;
    layers_.push_back(layer_of(id, layer, in == In::Dmabuf ? pixels_.back()->dmabuf() : nullptr));
    reference_.layers.push_back(std::move(layer));
    return *this;
  }
  std::vector<Layer>& layers() { return layers_; }
  ReferenceScene& reference() { return reference_; }
  Importer& importer() { return *importer_; }
  [[nodiscard]] Frame main() const {
    Frame frame;
    frame.image = main_.dmabuf();
    frame.damage = Damage::all();
    return frame;
  }
  Result<Surface> draw() {
    importer_->set_layers(layers_);
    return importer_->import(main());
  }
  void check(double tolerance = 1.01) {
    const auto surface = draw();
    if (!surface) FAIL(surface.error().message());
    CHECK(importer_->route() == route_name(route_));
    check(*surface, tolerance);
  }
  void check(const Surface& surface, double tolerance = 1.01) const {
    const double worst = reference_.worst(zc::test::view_of(surface));
    CAPTURE(route_name(route_), reference_.where, reference_.layers.size());
    CHECK(worst <= tolerance);
  }

 private:
  Route route_;
  std::unique_ptr<Importer> importer_;
  Pixels main_;
  std::vector<std::unique_ptr<Pixels>> pixels_;
  std::vector<Layer> layers_;
  ReferenceScene reference_;
};

SurfaceFormat in_host(PixelFormat format, Size size, const ColourDescription& colour = kBt709Limited) {
  return {.format = format, .size = size, .colour = colour, .memory = MemoryKind::Host};
}

}  // namespace

TEST_CASE("a layer at any place, of any size, seen through and with round corners") {
  const auto route = GENERATE(Route::Vulkan, Route::Egl);
  const std::array places{
      LayerPlace{.box = {8, 4, 16, 12}},
      LayerPlace{.box = {9, 5, 15, 11}, .opacity = 128},
      LayerPlace{.box = {-7, -3, 21, 17}, .opacity = 255, .radius = 5},
      LayerPlace{.box = {40, 20, 33, 31}, .opacity = 200, .radius = 100},
      LayerPlace{.box = {0, 0, 64, 36}},
      LayerPlace{.box = {-10, -10, 90, 60}, .opacity = 90},
      LayerPlace{.box = {63, 35, 1, 1}},
      LayerPlace{.box = {17, 0, 1, 36}, .opacity = 255, .radius = 1},
      LayerPlace{.box = {64, 0, 5, 5}},
  };
  for (const PixelFormat target : {PixelFormat::NV12, PixelFormat::P010, PixelFormat::I444}) {
    if (route == Route::Egl && target == PixelFormat::P010) continue;  // each is half a minute of a software compiler
    Scene scene(route, in_host(target, {64, 36}), {64, 36});
    scene.add(PixelFormat::BGRx, {16, 12}, {});
    for (const LayerPlace& place : places) {
      CAPTURE(place.box.x, place.box.y, place.box.width, place.box.height, place.radius);
      scene.layers().front().place = scene.reference().layers.front().place = place;
      scene.check(target == PixelFormat::NV12 ? 1.01 : 1.2);
    }
  }
}

TEST_CASE("every format of a layer, in shared memory and in a dmabuf") {
  const auto route = GENERATE(Route::Vulkan, Route::Egl);
  Scene scene(route, in_host(PixelFormat::NV12, {48, 32}), {48, 32});
  for (const In in : {In::Host, In::Dmabuf}) {
    for (const PixelFormatInfo& format : pixel_formats()) {
      CAPTURE(format.name, in == In::Dmabuf);
      scene.layers().clear();
      scene.reference().layers.clear();
      scene.add(format.format, {17, 13}, {.box = {5, 3, 17, 13}}, in);
      scene.check();
    }
  }
}

TEST_CASE("a layer is cropped, turned and scaled as its frame says") {
  const auto route = GENERATE(Route::Vulkan, Route::Egl);
  Scene scene(route, in_host(PixelFormat::NV12, {48, 32}), {48, 32});
  for (unsigned turn = 0; turn < 8; ++turn) {
    scene.layers().clear();
    scene.reference().layers.clear();
    const auto transform = static_cast<Transform>(turn);
    scene.add(PixelFormat::RGBA, {20, 14}, {.box = {1, 2, 15, 9}}, In::Host, kBt709Limited, transform, {3, 2, 11, 9});
    scene.add(PixelFormat::NV12, {16, 10}, {.box = {20, 3, 25, 23}}, In::Dmabuf,
              {.matrix = ColourMatrix::BT601, .range = ColourRange::Full}, transform);
    CAPTURE(turn);
    scene.check();
  }
}

TEST_CASE("eight layers one above the other, over bars and odd sizes, and a ninth that is left out") {
  const auto route = GENERATE(Route::Vulkan, Route::Egl);
  for (const Size size : {Size{66, 50}, Size{63, 49}}) {
    Scene scene(route, in_host(PixelFormat::I420, size), {40, 20});
    for (int i = 0; i < 8; ++i) {
      const auto at = static_cast<std::int32_t>(i * 6 - 5);
      scene.add(i % 3 == 0   ? PixelFormat::BGRA
                : i % 3 == 1 ? PixelFormat::NV12
                             : PixelFormat::xRGB_210LE,
                {19, 17},
                {.box = {at, at / 2, 19U + static_cast<std::uint32_t>(i), 17},
                 .opacity = static_cast<std::uint8_t>(i % 2 == 0 ? 255 : 120),
                 .radius = static_cast<std::uint32_t>(i)},
                i % 2 == 0 ? In::Host : In::Dmabuf);
    }
    scene.check();
    auto ninth = scene.layers().front();
    ninth.id = 99;
    scene.layers().push_back(ninth);
    scene.check();
  }
}

TEST_CASE("the matrix and range of the surface and of a layer") {
  const auto route = GENERATE(Route::Vulkan, Route::Egl);
  for (const ColourDescription& colour :
       {ColourDescription{.matrix = ColourMatrix::BT601, .range = ColourRange::Full},
        ColourDescription{.matrix = ColourMatrix::BT2020, .range = ColourRange::Limited}}) {
    Scene scene(route, in_host(PixelFormat::NV12, {32, 16}, colour), {32, 16});
    scene.add(PixelFormat::P010, {16, 8}, {.box = {4, 4, 16, 8}}, In::Host, colour);
    scene.add(PixelFormat::I420, {8, 6}, {.box = {22, 1, 8, 6}});
    scene.check();
  }
}

TEST_CASE("layers change while the main picture stands still, and its buffer is not held for them") {
  const auto route = GENERATE(Route::Vulkan, Route::Egl);
  Scene scene(route, in_host(PixelFormat::NV12, {64, 36}), {64, 36}, true);
  const auto leases = std::make_shared<LeaseCounter>();
  int lent = 0;
  const auto main = [&] {
    Frame frame = scene.main();
    frame.lease = LeaseCounter::lease(leases);
    frame.cursor = CursorState{};
    auto surface = scene.importer().import(std::move(frame));
    if (!surface) FAIL(surface.error().message());
    CHECK(leases->returned == ++lent);
    return std::move(*surface);
  };
  const auto again = [&] {
    auto surface = scene.importer().import(Frame{});
    if (!surface) FAIL(surface.error().message());
    return std::move(*surface);
  };
  // From the surface, or what was kept of it, chroma at a layer's edge has been filtered twice.
  constexpr double kTwice = 2.5;
  // There is none at first, but a cursor, which is not to stay.
  {
    Frame pointed = scene.main();
    pointed.cursor =
        CursorState{.visible = true, .position = {30, 20}, .hotspot = {}, .bitmap = random_cursor({8, 8}, 1)};
    REQUIRE(scene.importer().import(std::move(pointed)));
  }
  scene.add(PixelFormat::BGRx, {16, 12}, {.box = {8, 4, 16, 12}});
  scene.importer().set_layers(scene.layers());
  Frame away;
  away.cursor = CursorState{};
  const auto first = scene.importer().import(std::move(away));
  if (!first) FAIL(first.error().message());
  scene.check(*first, kTwice);
  CHECK(again().av_frame()->data[0] == first->av_frame()->data[0]);
  scene.check(main());
  for (std::int32_t i = 0; i < 5; ++i) {
    scene.layers().front().place.box.x = scene.reference().layers.front().place.box.x = 3 * i;
    scene.importer().set_layers(scene.layers());
    scene.check(again(), kTwice);
  }
  scene.layers().clear();
  scene.reference().layers.clear();
  scene.importer().set_layers({});
  scene.check(again());
  scene.add(PixelFormat::RGBA, {16, 12}, {.box = {40, 14, 16, 12}, .opacity = 130});
  scene.importer().set_layers(scene.layers());
  scene.check(again(), kTwice);
  scene.check(main());
}

TEST_CASE("a layer that changes its format a hundred times leaves nothing behind") {
  const auto route = GENERATE(Route::Vulkan, Route::Egl);
  Scene scene(route, in_host(PixelFormat::NV12, {64, 36}), {64, 36});
  const auto device = vulkan_device();
  const auto formats = pixel_formats();
  const auto cycle = [&](std::size_t i) {
    scene.layers().clear();
    scene.reference().layers.clear();
    const Size size{9 + static_cast<std::uint32_t>(i % 7) * 4, 8 + static_cast<std::uint32_t>(i % 5) * 2};
    scene.add(formats[i % formats.size()].format, size, {.box = {3, 5, size.width, size.height}},
              i % 2 == 0 ? In::Host : In::Dmabuf);
    const auto surface = scene.draw();
    if (!surface) FAIL(surface.error().message());
    if (i % 10 == 0) scene.check(*surface);
  };
  const auto held = [&] {
    scene.layers().clear();
    for (int i = 0; i < 2; ++i) REQUIRE(scene.draw());
    return open_fds();
  };
  for (std::size_t i = 0; i < 35; ++i) cycle(i);
  const std::size_t fds = held();
  const auto allocations = device->counters().allocations.load();
  for (std::size_t i = 35; i < 140; ++i) cycle(i);
  CHECK(held() == fds);
  // One for every dmabuf, of which each picture has one or two, and a few while the layer's own memory grows.
  CHECK(device->counters().allocations.load() - allocations < 180);
}

TEST_CASE("a layer that cannot be read is left out, and the picture is right") {
  const auto route = GENERATE(Route::Vulkan, Route::Egl);
  Scene scene(route, in_host(PixelFormat::NV12, {64, 36}), {64, 36});
  scene.add(PixelFormat::BGRx, {16, 12}, {.box = {30, 4, 16, 12}});
  auto broken = std::make_shared<Frame>();
  broken->image = HostImage{.format = PixelFormat::NV12, .size = {8, 8}, .planes = {}, .mapping = nullptr};
  auto tiled = std::make_shared<Dmabuf>();
  tiled->size = {16, 16};
  tiled->format = PixelFormat::BGRx;
  tiled->modifier = 0x0100'0000'0000'0001ULL;  // Intel's X tiling: neither driver's
  tiled->plane_count = 1;
  tiled->planes[0] = {UniqueFd(::memfd_create("tiled", MFD_CLOEXEC)), 0, 64};
  REQUIRE(::ftruncate(tiled->planes[0].fd.get(), 4096) == 0);
  auto unreadable = std::make_shared<Frame>();
  unreadable->image = std::shared_ptr<const Dmabuf>(std::move(tiled));
  scene.layers().push_back({.id = 7, .place = {.box = {0, 0, 20, 20}}, .picture = broken});
  scene.layers().push_back({.id = 8, .place = {.box = {0, 0, 20, 20}}, .picture = unreadable});
  scene.layers().push_back({.id = 9, .place = {.box = {2'000'000'000, 0, 20, 20}}, .picture = unreadable});
  scene.layers().push_back({.id = 10, .place = {.box = {0, 0, 20, 20}}, .picture = nullptr});
  scene.check();
  scene.check();
}

TEST_CASE("a main picture in YUV comes through sample by sample, and beneath layers") {
  const auto device = vulkan_device(VulkanUse::LinearDmabuf);
  for (const PixelFormat format : {PixelFormat::NV12, PixelFormat::I420, PixelFormat::P010, PixelFormat::YUY2}) {
    const PixelFormat target = format == PixelFormat::P010 ? PixelFormat::P010 : PixelFormat::NV12;
    Scene scene(Route::Vulkan, in_host(target, {48, 32}), {48, 32});
    const Pixels pixels(format, {48, 32}, 5);
    scene.reference().main.image = pixels.image();
    const auto import = [&] {
      Frame frame;
      frame.image = pixels.dmabuf();
      frame.damage = Damage::all();
      auto surface = scene.importer().import(std::move(frame));
      if (!surface) FAIL(surface.error().message());
      CHECK(scene.importer().route() == "vulkan");
      return std::move(*surface);
    };
    CAPTURE(name(format));
    const Surface plain = import();
    if (format == PixelFormat::YUY2) {
      scene.check(plain);
    } else {
      const YuvView got = zc::test::view_of(plain);
      const YuvPicture copy(format, {48, 32});
      const YuvView& want = copy.view();
      for (unsigned i = 0; i < info(format).planes; ++i) {
        const auto& from = pixels.image().planes.at(i);
        const YuvView::Plane& to = want.planes.at(i);
        for (std::size_t y = 0; y < plane_height(format, i, 32); ++y) {
          std::memcpy(to.data + y * to.stride_bytes, from.data + y * from.stride_bytes, row_bytes(format, i, 48));
        }
      }
      for (unsigned c = 0; c < 3; ++c) {
        const Size size = component_size(want, c);
        for (std::size_t i = 0; i < size.area(); ++i) {
          REQUIRE(sample(got, c, i % size.width, i / size.width) == sample(want, c, i % size.width, i / size.width));
        }
      }
    }
    scene.add(PixelFormat::BGRA, {48, 32}, {.box = {0, 0, 48, 32}, .opacity = 100});
    scene.importer().set_layers(scene.layers());
    scene.check(import());
  }
}

TEST_CASE("tiled pictures as layers are sampled as images") {
  const auto device = vulkan_device();
  const auto pass = std::move(*ConversionPass::create(device));
  const Pixels main(PixelFormat::BGRx, {32, 16}, 1);
  const Pixels pixels(PixelFormat::BGRA, {12, 10}, 2);
  const auto buffer_of = [&](const HostImage& image) {
    auto buffer = VulkanBuffer::create_host(device, image.size.area() * 4);
    REQUIRE(buffer);
    for (std::size_t y = 0; y < image.size.height; ++y) {
      std::memcpy(buffer->mapped() + y * image.size.width * 4, image.planes[0].data + y * image.planes[0].stride_bytes,
                  image.size.width * 4);
    }
    return std::move(*buffer);
  };
  const VulkanBuffer source = buffer_of(main.image());
  auto image = VulkanImage::create(device, PixelFormat::BGRA, {12, 10});
  REQUIRE(image);
  REQUIRE(pass->upload(buffer_of(pixels.image()), *image, kSoon));
  const SurfaceFormat surface = in_host(PixelFormat::NV12, {32, 16});
  const LayerPlace place{.box = {5, 3, 17, 9}, .opacity = 255, .radius = 4};
  const auto geometry = layer_geometry(
      {.format = PixelFormat::BGRA, .buffer = {12, 10}, .crop = {}, .transform = Transform::Normal, .colour = {}},
      place, LayerMemory::Image, {}, surface);
  REQUIRE(geometry);
  REQUIRE(*geometry);
  const SurfaceLayout layout = surface_layout(PixelFormat::NV12, {32, 16}, 64);
  const auto target = VulkanBuffer::create_host(device, layout.bytes);
  REQUIRE(target);
  const auto plan = make_picture_plan(PixelFormat::BGRx, {32, 16}, {}, Transform::Normal, {32, 16});
  const ConversionPass::Layer layer{.geometry = **geometry, .buffer = nullptr, .image = &*image};
  const auto done = pass->run({.buffer = &source, .plane = {0, 128}}, *plan, *target, layout, kBt709Limited, kSoon,
                              nullptr, nullptr, {.drawn = std::span(&layer, 1)});
  if (!done) FAIL(done.error().message());
  REQUIRE(target->invalidate());
  const ReferenceScene reference = scene_of(main.image(), surface, {{.image = pixels.image(), .place = place}});
  CHECK(reference.worst(zc::test::view_of(*target, layout)) <= 1.01);
}
