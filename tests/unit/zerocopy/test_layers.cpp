// Layers above the picture, as the CPU draws them.
#include "unit/zerocopy/importer_support.h"
#include "unit/zerocopy/scene_reference.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <array>
#include <deque>
#include <optional>
#include <vector>

using namespace zc;
using namespace zc::test;

namespace {

constexpr Size kSurface{96, 54};

/// `components`: as ReferenceScene::worst()'s.
void check_like(const ReferenceScene& scene, const Surface& surface, double tolerance = 1.5, unsigned components = 3) {
  const double worst = scene.worst(view_of(surface), components);
  CAPTURE(name(surface.format().format), scene.where);
  REQUIRE(worst <= tolerance);
}

struct Scene {
  std::deque<RgbPicture> pictures;
  std::vector<SceneLayer> layers;

  void add(LayerPlace place, PixelFormat format, std::uint32_t seed) {
    pictures.emplace_back(place.box.size(), 4, seed);
    layers.push_back({.image = pictures.back().image(format), .place = place});
  }
  [[nodiscard]] std::vector<Layer> all() const {
    std::vector<Layer> all;
    std::uint32_t id = 0;
    for (const SceneLayer& layer : layers) all.push_back(layer_of(++id, layer));
    return all;
  }
  void check_over(const RgbPicture& picture, const Surface& surface, double tolerance = 1.5,
                  unsigned components = 3) const {
    check_like(scene_of(picture.image(PixelFormat::BGRx), surface.format(), layers), surface, tolerance, components);
  }
};

Frame nothing_new() { return {}; }

}  // namespace

TEST_CASE("a layer is blended as in RGB, wherever it lies, in every format of surface") {
  const PixelFormat target = GENERATE(from_range(kTargets));
  const RgbPicture picture(kSurface, 0, 1);
  const std::array<Rect, 9> boxes{{{20, 10, 40, 20},
                                   {21, 11, 41, 21},
                                   {0, 0, 33, 17},
                                   {-7, -5, 30, 20},
                                   {-8, -6, 30, 20},
                                   {80, 40, 40, 30},
                                   {81, 41, 15, 13},
                                   {-10, -10, 120, 80},
                                   {50, 30, 1, 1}}};
  std::uint32_t seed = 7;
  for (const Rect& box : boxes) {
    for (const PixelFormat format : {PixelFormat::BGRx, PixelFormat::BGRA}) {
      for (const unsigned opacity : {255U, 128U, 3U}) {
        for (const std::uint32_t radius : {0U, 5U, 100U}) {
          CAPTURE(box.x, box.y, box.width, box.height, name(format), opacity, radius);
          Scene scene;
          scene.add({.box = box, .opacity = static_cast<std::uint8_t>(opacity), .radius = radius}, format, ++seed);
          const auto importer = importer_for({.format = target, .size = kSurface});
          importer->set_layers(scene.all());
          const auto surface = importer->import(frame_of(picture));
          REQUIRE(surface);
          scene.check_over(picture, *surface);
        }
      }
    }
  }
}

TEST_CASE("layers are blended in every matrix and range, and in RGB itself") {
  const RgbPicture picture(kSurface, 0, 1);
  Scene scene;
  scene.add({.box = {11, 7, 40, 30}}, PixelFormat::BGRx, 5);
  scene.add({.box = {30, 20, 40, 20}, .opacity = 150, .radius = 6}, PixelFormat::BGRA, 6);
  const ColourDescription full{ColourMatrix::BT709, ColourRange::Full, ColourPrimaries::BT709, TransferFunction::BT709};
  const ColourDescription old{ColourMatrix::BT601, ColourRange::Limited, ColourPrimaries::BT601,
                              TransferFunction::BT709};
  for (const PixelFormat target : kTargets) {
    for (const ColourDescription& colour : {full, old, kRgbFull}) {
      if (colour.matrix == ColourMatrix::Rgb && info(target).chroma_shift_x != 0) continue;
      CAPTURE(name(target), static_cast<int>(colour.matrix), static_cast<int>(colour.range));
      const auto importer = importer_for({.format = target, .size = kSurface, .colour = colour});
      importer->set_layers(scene.all());
      const auto surface = importer->import(frame_of(picture));
      REQUIRE(surface);
      // RGB of 8 bits is copied to 10 without its lowest ones.
      const bool widened = colour.matrix == ColourMatrix::Rgb && info(target).bits == 10;
      scene.check_over(picture, *surface, widened ? 4.5 : 1.5);
    }
  }
}

TEST_CASE("eight layers lie above each other in their order") {
  const RgbPicture picture(kSurface, 0, 2);
  Scene scene;
  for (std::int32_t n = 0; n < 8; ++n) {
    const auto format = n % 3 == 2 ? PixelFormat::BGRA : PixelFormat::BGRx;
    const auto edge = static_cast<std::uint32_t>(n);
    scene.add({.box = {n * 9 - 10, n * 4 - 6, 30 + edge, 24 + edge},
               .opacity = static_cast<std::uint8_t>(n % 2 == 0 ? 255 : 140),
               .radius = edge},
              format, 30 + edge);
  }
  for (const PixelFormat target : kTargets) {
    const auto importer = importer_for({.format = target, .size = kSurface});
    importer->set_layers(scene.all());
    const auto surface = importer->import(frame_of(picture));
    REQUIRE(surface);
    scene.check_over(picture, *surface);
    // The other way round.
    Scene turned{.pictures = {}, .layers = {scene.layers.rbegin(), scene.layers.rend()}};
    std::vector<Layer> reversed = scene.all();
    std::ranges::reverse(reversed);
    importer->set_layers(std::move(reversed));
    const auto again = importer->import(nothing_new());
    REQUIRE(again);
    // What is beneath is known as the surface has it, until the next picture.
    turned.check_over(picture, *again, 1.5, 1);
    Frame same = frame_of(picture);
    same.damage = Damage::none();
    const auto exact = importer->import(std::move(same));
    REQUIRE(exact);
    turned.check_over(picture, *exact);
  }
}

TEST_CASE("a layer's picture is scaled into its box, cropped and turned") {
  // Colours that scaling leaves as they are.
  const auto flat = [](const RgbPicture& picture, const Rect& part, std::uint32_t word) {
    for (std::uint32_t y = 0; y < part.height; ++y) {
      for (std::uint32_t x = 0; x < part.width; ++x) {
        picture.set(static_cast<std::uint32_t>(part.x) + x, static_cast<std::uint32_t>(part.y) + y, word);
      }
    }
  };
  const PixelFormat format = GENERATE(PixelFormat::BGRx, PixelFormat::BGRA);
  const RgbPicture picture(kSurface, 0, 1);
  flat(picture, {0, 0, kSurface.width, kSurface.height}, 0xff'10'20'30);
  const RgbPicture source({160, 120}, 0, 2);
  flat(source, {0, 0, 160, 120}, 0xff'ff'00'00);
  flat(source, {40, 20, 40, 80}, 0xff'20'c0'40);  // left half of the crop
  flat(source, {80, 20, 40, 80}, 0xff'e0'e0'30);  // right half
  auto frame = std::make_shared<Frame>();
  frame->image = source.image(format);
  frame->crop = {40, 20, 80, 80};
  frame->transform = Transform::Rot90;  // shown clockwise: what was left is above
  const Rect box = GENERATE(Rect{20, 10, 40, 40}, Rect{21, 11, 33, 29}, Rect{-20, -30, 130, 120});
  for (const PixelFormat target : kTargets) {
    CAPTURE(name(target), name(format), box.x);
    const auto importer = importer_for({.format = target, .size = kSurface});
    importer->set_layers({{.id = 1, .place = {.box = box}, .picture = frame}});
    const auto surface = importer->import(frame_of(picture));
    REQUIRE(surface);
    const auto check_pixel = [&](std::int32_t x, std::int32_t y, std::uint32_t word) {
      if (x < 0 || y < 0 || y >= static_cast<std::int32_t>(kSurface.height)) return;
      const auto px = static_cast<std::size_t>(x);
      const auto py = static_cast<std::size_t>(y);
      const Rgb rgb{(word >> 16U & 255U) / 255.0, (word >> 8U & 255U) / 255.0, (word & 255U) / 255.0};
      const double want = component_of(rgb, 0, surface->format().colour, info(target).bits);
      CHECK(std::abs(sample(view_of(*surface), 0, px, py) - want) <= (info(target).bits == 10 ? 5 : 2));
    };
    const auto quarter = static_cast<std::int32_t>(box.height / 4);
    const std::int32_t middle = box.x + static_cast<std::int32_t>(box.width / 2);
    check_pixel(middle, box.y + quarter, 0x20'c0'40);
    check_pixel(middle, box.y + 3 * quarter, 0xe0'e0'30);
    if (box.x > 0) check_pixel(box.x - 2, box.y, 0x10'20'30);
  }
}

TEST_CASE("a camera's picture as a layer comes out as it does alone") {
  const Rect box = GENERATE(Rect{20, 10, 40, 20}, Rect{21, 11, 40, 20}, Rect{-6, 30, 64, 32});
  const RgbPicture picture(kSurface, 0, 1);
  for (const PixelFormat camera : {PixelFormat::NV12, PixelFormat::I420, PixelFormat::YUY2, PixelFormat::UYVY}) {
    std::deque<GuardedBuffer> memory;
    HostImage image;
    image.format = camera;
    image.size = {80, 40};
    for (unsigned i = 0; i < info(camera).planes; ++i) {
      const auto stride = static_cast<std::uint32_t>(row_bytes(camera, i, 80));
      memory.emplace_back(std::size_t{stride} * plane_height(camera, i, 40));
      randomise(memory.back().span(), i + 3);
      image.planes.at(i) = {memory.back().data(), stride};
    }
    for (const PixelFormat target : kTargets) {
      CAPTURE(name(camera), name(target), box.x);
      auto frame = std::make_shared<Frame>();
      frame->image = image;
      Frame alone;
      alone.image = image;
      const auto own = importer_for({.format = target, .size = box.size()})->import(std::move(alone));
      REQUIRE(own);
      const auto importer = importer_for({.format = target, .size = kSurface});
      importer->set_layers({{.id = 1, .place = {.box = box}, .picture = frame}});
      const auto surface = importer->import(frame_of(picture));
      REQUIRE(surface);
      for (std::uint32_t y = 0; y < box.height; ++y) {
        for (std::uint32_t x = 0; x < box.width; ++x) {
          const std::int64_t sx = std::int64_t{box.x} + x;
          const std::int64_t sy = std::int64_t{box.y} + y;
          if (sx < 0 || sy < 0 || sx >= kSurface.width || sy >= kSurface.height) continue;
          const int want = sample(view_of(*own), 0, x, y);
          const int got = sample(view_of(*surface), 0, static_cast<std::size_t>(sx), static_cast<std::size_t>(sy));
          REQUIRE(std::abs(want - got) <= 1);
        }
      }
    }
  }
}

TEST_CASE("a camera's matrix and range become the stream's, above the picture and beneath") {
  const ColourDescription camera{ColourMatrix::BT601, ColourRange::Full, ColourPrimaries::BT601,
                                 TransferFunction::BT709};
  const Rgb rgb{0.8, 0.3, 0.2};
  const auto flat = [&](Size size, std::deque<std::vector<std::byte>>& memory) {
    Frame frame;
    HostImage image;
    image.format = PixelFormat::I420;
    image.size = size;
    for (unsigned i = 0; i < 3; ++i) {
      const std::uint32_t stride = plane_width(image.format, i, size.width);
      const double value = component_of(rgb, i, camera, 8);
      memory.emplace_back(std::size_t{stride} * plane_height(image.format, i, size.height),
                          static_cast<std::byte>(std::lround(value)));
      image.planes.at(i) = {memory.back().data(), stride};
    }
    frame.image = image;
    frame.colour = camera;
    return frame;
  };
  std::deque<std::vector<std::byte>> memory;
  const RgbPicture picture(kSurface, 0, 1);
  for (const PixelFormat target : kTargets) {
    for (const ColourDescription& colour : {kBt709Limited, kRgbFull}) {
      if (colour.matrix == ColourMatrix::Rgb && info(target).chroma_shift_x != 0) continue;
      const auto importer = importer_for({.format = target, .size = kSurface, .colour = colour});
      importer->set_layers(
          {{.id = 1, .place = {.box = {20, 10, 40, 20}}, .picture = std::make_shared<Frame>(flat({40, 20}, memory))}});
      const auto above = importer->import(frame_of(picture));
      REQUIRE(above);
      importer->set_layers({});
      const auto alone = importer->import(flat(kSurface, memory));
      REQUIRE(alone);
      for (unsigned c = 0; c < 3; ++c) {
        const unsigned shift = c > 0 ? info(target).chroma_shift_x : 0;
        const double want = component_of(rgb, c, colour, info(target).bits);
        CAPTURE(name(target), static_cast<int>(colour.matrix), c, want);
        const double tolerance = info(target).bits == 10 ? 9 : 2;
        CHECK(std::abs(sample(view_of(*above), c, 30U >> shift, 16U >> shift) - want) <= tolerance);
        CHECK(std::abs(sample(view_of(*alone), c, 30U >> shift, 16U >> shift) - want) <= tolerance);
      }
    }
  }
}

TEST_CASE("layers lie over the bars beside the picture, which are black again when they go") {
  const RgbPicture picture({54, 54}, 0, 3);
  const SurfaceFormat target{.format = PixelFormat::NV12, .size = kSurface};
  const auto importer = importer_for(target);
  const auto plain = importer_for(target)->import(frame_of(picture));
  REQUIRE(plain);
  Scene scene;
  scene.add({.box = {2, 3, 40, 20}, .opacity = 200}, PixelFormat::BGRx, 5);
  importer->set_layers(scene.all());
  const auto with = importer->import(frame_of(picture));
  REQUIRE(with);
  scene.check_over(picture, *with, 1, 1);
  for (const bool picture_comes : {true, false}) {
    importer->set_layers(scene.all());
    REQUIRE(importer->import(nothing_new()));
    importer->set_layers({});
    Frame news;
    if (picture_comes) {
      news = frame_of(picture);
      news.damage = Damage::none();
    }
    const auto without = importer->import(std::move(news));
    REQUIRE(without);
    check_same(view_of(*plain), view_of(*without));
  }
}

TEST_CASE("what a layer hid is there when it goes or moves, though no picture comes") {
  const PixelFormat target = GENERATE(from_range(kTargets));
  const RgbPicture picture(kSurface, 0, 3);
  const SurfaceFormat format{.format = target, .size = kSurface};
  const auto plain = importer_for(format)->import(frame_of(picture));
  REQUIRE(plain);
  for (const Rect& box : {Rect{20, 10, 40, 20}, Rect{21, 11, 33, 17}, Rect{-8, -6, 30, 20}, Rect{80, 40, 40, 30}}) {
    for (const std::uint32_t radius : {0U, 6U}) {
      CAPTURE(name(target), box.x, box.width, radius);
      Scene scene;
      scene.add({.box = box, .radius = radius}, PixelFormat::BGRx, 5);
      scene.add({.box = {40, 20, 30, 16}}, PixelFormat::BGRx, 6);
      const auto importer = importer_for(format);
      importer->set_layers(scene.all());
      REQUIRE(importer->import(frame_of(picture)));
      importer->set_layers({});
      const auto gone = importer->import(nothing_new());
      REQUIRE(gone);
      check_same(view_of(*plain), view_of(*gone));

      importer->set_layers(scene.all());
      Frame same = frame_of(picture);
      same.damage = Damage::none();
      REQUIRE(importer->import(std::move(same)));
      scene.layers.front().place.box = {box.x + 9, box.y + 5, box.width, box.height};
      importer->set_layers(scene.all());
      const auto moved = importer->import(nothing_new());
      REQUIRE(moved);
      scene.check_over(picture, *moved, 1.5, 1);
    }
  }
}

TEST_CASE("a layer whose picture cannot be read is left out, and the next one is there") {
  const RgbPicture picture(kSurface, 0, 1);
  Scene scene;
  scene.add({.box = {10, 10, 30, 20}}, PixelFormat::BGRx, 5);
  const auto importer = importer_for({.format = PixelFormat::NV12, .size = kSurface});
  std::vector<Layer> broken = scene.all();
  auto bad = std::make_shared<Frame>();
  HostImage image = scene.pictures.front().image(PixelFormat::BGRx);
  image.planes[0].stride_bytes = 1;
  bad->image = image;
  broken.front().picture = bad;
  importer->set_layers(broken);
  const auto without = importer->import(frame_of(picture));
  REQUIRE(without);
  check_like(scene_of(picture.image(PixelFormat::BGRx), without->format()), *without);
  importer->set_layers(scene.all());
  const auto with = importer->import(nothing_new());
  REQUIRE(with);
  Frame again = frame_of(picture);
  again.damage = Damage::none();
  const auto exact = importer->import(std::move(again));
  REQUIRE(exact);
  scene.check_over(picture, *exact);
}

TEST_CASE("layers stay through another format of surfaces") {
  const RgbPicture picture(kSurface, 0, 1);
  Scene scene;
  scene.add({.box = {10, 10, 30, 20}, .radius = 4}, PixelFormat::BGRx, 5);
  const auto importer = importer_for({.format = PixelFormat::NV12, .size = kSurface});
  importer->set_layers(scene.all());
  for (const PixelFormat target : kTargets) {
    REQUIRE(importer->configure({.format = target, .size = kSurface}));
    const auto surface = importer->import(frame_of(picture));
    REQUIRE(surface);
    scene.check_over(picture, *surface);
  }
}

TEST_CASE("many partial updates of picture and layers add up to the whole composition") {
  struct Case {
    PixelFormat target = PixelFormat::NV12;
    Size picture, surface;
  };
  const std::array cases{Case{PixelFormat::NV12, {131, 67}, {132, 68}}, Case{PixelFormat::I420, {128, 64}, {128, 64}},
                         Case{PixelFormat::P010, {101, 61}, {101, 61}}, Case{PixelFormat::I444, {129, 65}, {130, 66}},
                         Case{PixelFormat::NV12, {96, 96}, {160, 96}}};  // bars
  std::uint32_t seed = 20;
  for (const Case& c : cases) {
    std::minstd_rand random(++seed);
    const auto below = [&random](std::uint32_t n) { return static_cast<std::uint32_t>((random() >> 8U) % n); };
    const auto at = [&](std::uint32_t n) { return static_cast<std::int32_t>(below(n)); };
    const RgbPicture picture(c.picture, 12, seed);
    const SurfaceFormat target{.format = c.target, .size = c.surface};
    const auto importer = importer_for(target, 6);
    const std::array shapes{random_cursor({13, 9}, 1), random_cursor({24, 24}, 2, PixelFormat::RGBA)};
    std::deque<RgbPicture> sources;
    for (std::uint32_t n = 0; n < 6; ++n) sources.emplace_back(Size{20 + 7 * n, 14 + 5 * n}, 0, 50 + n);
    std::vector<Layer> layers;
    std::deque<Surface> held;
    std::optional<CursorState> cursor;
    for (int step = 0; step < 200; ++step) {
      Frame frame = frame_of(picture);
      frame.damage = step == 0 ? Damage::all() : Damage::none();
      for (std::uint32_t n = below(3); n > 0; --n) {
        const Rect rect = intersect({at(c.picture.width), at(c.picture.height), below(30) + 1, below(20) + 1},
                                    {0, 0, c.picture.width, c.picture.height});
        for (std::uint32_t y = 0; y < rect.height; ++y) {
          for (std::uint32_t x = 0; x < rect.width; ++x) {
            picture.set(static_cast<std::uint32_t>(rect.x) + x, static_cast<std::uint32_t>(rect.y) + y,
                        below(1U << 24U));
          }
        }
        frame.damage.add(rect);
      }
      if (below(2) == 0) {
        if (!layers.empty() && below(3) == 0)
          layers.erase(layers.begin() + at(static_cast<std::uint32_t>(layers.size())));
        if (layers.size() > 1 && below(4) == 0) std::ranges::reverse(layers);
        if (layers.size() < 8 && below(2) == 0)
          layers.push_back({.id = 100 + static_cast<std::uint32_t>(step), .place = {}, .picture = {}});
        if (!layers.empty()) {
          Layer& one = layers.at(below(static_cast<std::uint32_t>(layers.size())));
          const RgbPicture& source = sources.at(below(6));
          const SceneLayer made{.image = source.image(below(3) == 0 ? PixelFormat::BGRA : PixelFormat::BGRx),
                                .place = {.box = {at(c.surface.width + 20) - 10, at(c.surface.height + 20) - 10,
                                                  source.size().width, source.size().height},
                                          .opacity = static_cast<std::uint8_t>(below(2) == 0 ? 255 : below(256)),
                                          .radius = below(8)}};
          one = layer_of(one.id, made);
        }
        importer->set_layers(layers);
        if (below(4) == 0) static_cast<void>(importer->import(nothing_new()));  // drawn without a picture first
      }
      if (below(2) == 0) {
        frame.cursor = CursorState{.visible = below(5) != 0,
                                   .position = {at(c.picture.width + 20) - 10, at(c.picture.height + 20) - 10},
                                   .hotspot = {at(5), at(5)},
                                   .bitmap = shapes.at(below(2))};
        cursor = frame.cursor;
      }
      auto surface = importer->import(std::move(frame));
      if (!surface) {
        REQUIRE(surface.error().kind == ErrorKind::Busy);
        held.clear();
        continue;
      }
      const auto fresh = importer_for(target);
      fresh->set_layers(layers);
      Frame whole = frame_of(picture);
      whole.cursor = cursor;
      const auto expected = fresh->import(std::move(whole));
      REQUIRE(expected);
      INFO("step " << step);
      check_same(view_of(*expected), view_of(*surface));
      held.push_back(std::move(*surface));
      while (!held.empty() && (held.size() > 4 || below(3) == 0)) {
        held.erase(held.begin() + at(static_cast<std::uint32_t>(held.size())));
      }
    }
  }
}
