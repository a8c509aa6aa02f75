// The cursor drawn on the GPU against the CPU importer's, sample by sample, and taken away again.
#include "unit/zerocopy/importer_support.h"
#include "unit/zerocopy/vulkan_support.h"
#include "zerocopy/surface_layout.h"
#include "zerocopy/vulkan/cursor_pass.h"

using namespace zc;
using namespace zc::test;

namespace {

struct Scene {
  PixelFormat target = PixelFormat::NV12;
  Size picture{64, 36};
  Size surface{64, 36};
  Transform transform = Transform::Normal;
  ColourDescription colour = kBt709Limited;
};

/// The GPU's side of a stream: conversion and cursor on two buffers in turn, beside the CPU importer.
class Stream {
 public:
  explicit Stream(const Scene& scene)
      : device_(vulkan_device()),
        scene_(scene),
        picture_(scene.picture, 0, 5),
        layout_(surface_layout(scene.target, scene.surface, 256)),
        pass_(std::move(*ConversionPass::create(device_))),
        cursor_(std::move(*CursorPass::create(device_, layout_, scene.colour))),
        source_(host_buffer(device_, picture_.bytes())),
        plan_(make_picture_plan(PixelFormat::BGRx, scene.picture, {}, scene.transform, scene.surface).value()),
        cpu_(importer_for({scene.target, scene.surface, scene.colour})) {
    painter_.configure({scene.target, scene.surface, scene.colour});
    for (VulkanBuffer& b : buffers_) b = std::move(*VulkanBuffer::create_host(device_, layout_.bytes));
  }

  void show(const std::optional<CursorState>& state, bool redraw, bool alone = false) {
    const auto placement = painter_.place(state, plan_);
    REQUIRE(placement);
    VulkanBuffer& target = buffers_.at(at_ ^ 1U);
    REQUIRE(cursor_->prepare(painter_, *placement, plan_, target));
    if (redraw) {
      REQUIRE(cursor_->redraw(buffers_.at(at_), target, kSoon));
    } else {
      REQUIRE(pass_->run({.buffer = &source_, .plane = {0, picture_.stride()}}, plan_, target, layout_, scene_.colour,
                         kSoon, alone ? nullptr : cursor_.get()));
      if (alone) REQUIRE(cursor_->draw(kSoon));
    }
    cursor_->commit();
    at_ ^= 1U;
    REQUIRE(target.invalidate());

    Frame frame = frame_of(picture_);
    frame.transform = scene_.transform;
    frame.cursor = state;
    const auto want = cpu_->import(std::move(frame));
    REQUIRE(want);
    const Difference d = difference(zc::test::view_of(*want), zc::test::view_of(target, layout_));
    CAPTURE(redraw, alone, placement->rect.x, placement->rect.y, d.component, d.x, d.y, d.a, d.b);
    CHECK_FALSE(d.found);
  }

 private:
  std::shared_ptr<VulkanDevice> device_;
  Scene scene_;
  RgbPicture picture_;
  SurfaceLayout layout_;
  std::unique_ptr<ConversionPass> pass_;
  std::unique_ptr<CursorPass> cursor_;
  VulkanBuffer source_;
  PicturePlan plan_;
  std::unique_ptr<Importer> cpu_;
  CursorPainter painter_;
  std::array<VulkanBuffer, 2> buffers_;
  std::size_t at_ = 0;
};

CursorState at(std::int32_t x, std::int32_t y, const std::shared_ptr<const CursorBitmap>& bitmap) {
  return {.visible = true, .position = {x, y}, .hotspot = {1, 2}, .bitmap = bitmap};
}

}  // namespace

TEST_CASE("the GPU draws the cursor with the CPU's bits, moves it and takes it away") {
  const auto arrow = random_cursor({20, 14}, 2);
  const auto hand = random_cursor({33, 21}, 3, PixelFormat::RGBA);
  for (const PixelFormat target : {PixelFormat::NV12, PixelFormat::P010, PixelFormat::I444, PixelFormat::I420,
                                   PixelFormat::I010, PixelFormat::I410}) {
    for (const ColourRange range : {ColourRange::Limited, ColourRange::Full}) {
      CAPTURE(name(target), static_cast<int>(range));
      Stream stream({.target = target, .colour = {.matrix = ColourMatrix::BT709, .range = range}});
      stream.show(at(10, 10, arrow), false);
      stream.show(at(17, 11, arrow), true);
      stream.show(at(60, 33, arrow), true);   // over the lower right corner
      stream.show(at(-4, -3, hand), true);    // another shape, over the upper left one
      stream.show(CursorState{}, true);       // gone
      stream.show(at(31, 5, hand), true);     // back
      stream.show(at(30, 20, arrow), false);  // on a new picture
      stream.show(at(9, 9, hand), false, true);
      stream.show(at(500, 9, hand), false);  // outside
    }
  }
}

TEST_CASE("a cursor keeps to the picture's box, and turns with it") {
  const auto arrow = random_cursor({20, 14}, 2);
  for (const Scene& scene :
       {Scene{.surface = {100, 36}}, Scene{.surface = {64, 60}},
        Scene{.target = PixelFormat::I444, .picture = {33, 17}, .surface = {34, 18}},
        Scene{.picture = {33, 17}, .surface = {33, 17}}, Scene{.surface = {36, 64}, .transform = Transform::Rot90}}) {
    CAPTURE(scene.surface.width, scene.surface.height);
    Stream stream(scene);
    for (std::int32_t i = 0; i < 8; ++i) stream.show(at(i * 9 - 4, i * 5 - 3, arrow), i % 3 == 1);
  }
}
