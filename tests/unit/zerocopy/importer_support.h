// Frames for the CPU importer and a look at what it made of them.
#pragma once

#include "unit/zerocopy/support.h"
#include "zerocopy/cpu/rgb_to_yuv.h"
#include "zerocopy/host_importer.h"

#include <catch2/catch_test_macros.hpp>

#include <memory>
#include <utility>

extern "C" {
#include <libavutil/frame.h>
}

namespace zc::test {

inline YuvView view_of(const Surface& surface) {
  YuvView view{surface.format().format, surface.format().size, {}};
  const AVFrame* frame = surface.av_frame();
  for (unsigned i = 0; i < info(view.format).planes; ++i) {
    view.planes.at(i) = {reinterpret_cast<std::byte*>(frame->data[i]), static_cast<std::size_t>(frame->linesize[i])};
  }
  return view;
}

/// Counts the leases that have come back.
struct LeaseCounter {
  int returned = 0;
  static BufferLease lease(const std::shared_ptr<LeaseCounter>& counter) {
    return {counter, counter.get(), [](void*, void* token) noexcept { ++static_cast<LeaseCounter*>(token)->returned; }};
  }
};

inline Frame frame_of(const RgbPicture& picture, PixelFormat format = PixelFormat::BGRx) {
  Frame frame;
  frame.image = picture.image(format);
  frame.damage = Damage::all();
  return frame;
}

inline std::unique_ptr<Importer> importer_for(const SurfaceFormat& target, std::size_t limit = kSurfaceLimit) {
  auto importer = make_host_importer(limit);
  const auto configured = importer->configure(target);
  REQUIRE(configured);
  return importer;
}

/// The picture converted as a whole, without an importer.
inline YuvPicture converted(const RgbPicture& picture, PixelFormat source, PixelFormat target,
                            const ColourDescription& colour = kBt709Limited) {
  YuvPicture out(target, picture.size());
  const auto convert = RgbToYuv::create(source, target, colour);
  REQUIRE(convert);
  convert->convert({picture.data(), picture.stride(), picture.size()}, out.view());
  return out;
}

inline void check_same(const YuvView& expected, const YuvView& got, int tolerance = 0) {
  const Difference d = difference(expected, got, tolerance);
  INFO(name(expected.format) << " component " << d.component << " at " << d.x << ',' << d.y << ": " << d.a << " and "
                             << d.b);
  REQUIRE_FALSE(d.found);
}

/// A cursor of random colours and cover, premultiplied.
inline std::shared_ptr<const CursorBitmap> random_cursor(Size size, std::uint32_t seed,
                                                         PixelFormat format = PixelFormat::BGRA) {
  auto bitmap = std::make_shared<CursorBitmap>();
  bitmap->format = format;
  bitmap->size = size;
  bitmap->pixels.resize(size.area() * 4);
  std::minstd_rand random(seed + 1);
  const std::size_t alpha_at = rgb_fields(format).alpha;
  for (std::size_t i = 0; i < size.area(); ++i) {
    const auto kind = random() % 3;
    const std::array<unsigned, 3> covers{0, 255, static_cast<unsigned>(random() % 256)};
    const unsigned alpha = covers.at(kind);
    for (std::size_t c = 0; c < 4; ++c) {
      const unsigned value = c == alpha_at ? alpha : static_cast<unsigned>(random() % (alpha + 1));
      bitmap->pixels[i * 4 + c] = static_cast<std::byte>(value);
    }
  }
  return bitmap;
}

}  // namespace zc::test
