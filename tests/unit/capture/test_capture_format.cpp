#include "capture/capture_format.h"

#include "media/dmabuf.h"

#include <catch2/catch_test_macros.hpp>

using namespace zc;

namespace {

constexpr std::uint64_t kTiled = 0x100000000000001;

FormatOffer offer(std::vector<FormatOffer::Entry> formats, bool shared_memory = true) {
  FormatOffer made;
  made.formats = std::move(formats);
  made.shared_memory = shared_memory;
  return made;
}

CaptureConstraints constraints() {
  return {.size = {1366, 768},
          .memory = {{PixelFormat::BGRA, 0}, {PixelFormat::BGRx, 0}},
          .dmabuf = {{PixelFormat::BGRx, {kModifierLinear, kTiled}}},
          .device = dev_t{226 << 8}};
}

}  // namespace

TEST_CASE("a dmabuf comes before shared memory, with the modifiers of both in the consumer's order") {
  const auto chosen = choose_capture_format(
      constraints(), offer({{PixelFormat::BGRA, {}}, {PixelFormat::BGRx, {kTiled, 0x77, kModifierLinear}}}));
  REQUIRE(chosen);
  CHECK(*chosen == CaptureFormat{{1366, 768}, PixelFormat::BGRx, 0, {kTiled, kModifierLinear}});
}

TEST_CASE("shared memory where no dmabuf fits") {
  const auto memory = CaptureFormat{{1366, 768}, PixelFormat::BGRx, 5504, {}};  // rows from 64 to 64 bytes
  CHECK(choose_capture_format(constraints(), offer({{PixelFormat::BGRx, {0x77}}})) == memory);
  CHECK(choose_capture_format(constraints(), offer({{PixelFormat::RGBA, {0x77}}, {PixelFormat::BGRx, {}}})) == memory);
  CaptureConstraints without_device = constraints();
  without_device.device.reset();
  CHECK(choose_capture_format(without_device, offer({{PixelFormat::BGRx, {kModifierLinear}}})) == memory);
}

TEST_CASE("the compositor's stride is taken, one that is too short is not") {
  CaptureConstraints told = constraints();
  told.memory = {{PixelFormat::BGRx, 6000}};
  CHECK(choose_capture_format(told, offer({{PixelFormat::BGRx, {}}}))->stride_bytes == 6000);
  told.memory = {{PixelFormat::BGRx, 1366 * 4 - 1}};
  CHECK(choose_capture_format(told, offer({{PixelFormat::BGRx, {}}})).error().kind == ErrorKind::Unsupported);
}

TEST_CASE("nothing in common") {
  CHECK(choose_capture_format(constraints(), offer({{PixelFormat::RGBA, {}}})).error().kind == ErrorKind::Unsupported);
  CHECK(choose_capture_format(constraints(), offer({{PixelFormat::BGRx, {}}}, false)).error().kind ==
        ErrorKind::Unsupported);
  CHECK(choose_capture_format(constraints(), offer({})).error().kind == ErrorKind::Unsupported);
  for (const Size size : {Size{}, Size{0, 5}, Size{16385, 10}}) {
    CaptureConstraints told = constraints();
    told.size = size;
    CHECK(choose_capture_format(told, offer({{PixelFormat::BGRx, {}}})).error().kind == ErrorKind::Unsupported);
  }
}

TEST_CASE("wl_shm's codes") {
  CHECK(format_of_shm(0) == PixelFormat::BGRA);
  CHECK(format_of_shm(1) == PixelFormat::BGRx);
  CHECK(format_of_shm(0x34324258) == PixelFormat::RGBx);  // XB24
  CHECK_FALSE(format_of_shm(0x3231564e));                 // NV12
  CHECK_FALSE(format_of_shm(7));
  for (const PixelFormat format : {PixelFormat::BGRA, PixelFormat::BGRx, PixelFormat::RGBx, PixelFormat::xRGB_210LE}) {
    CHECK(format_of_shm(shm_code(format)) == format);
  }
}

TEST_CASE("a picture upside down, after it was transformed") {
  // Followed by where the pixel in the corner of a 4x2 picture goes.
  for (unsigned i = 0; i < 8; ++i) {
    const auto transform = static_cast<Transform>(i);
    const Size buffer = swaps_axes(transform) ? Size{2, 4} : Size{4, 2};
    for (const Rect& pixel : {Rect{0, 0, 1, 1}, Rect{3, 0, 1, 1}, Rect{1, 1, 1, 1}}) {
      const Rect in_buffer = source_rect(transform, buffer, pixel);
      const auto turned_y = static_cast<std::int32_t>(buffer.height) - 1 - in_buffer.y;
      INFO(i);
      CHECK(source_rect(upside_down(transform), buffer, pixel) == Rect{in_buffer.x, turned_y, 1, 1});
    }
  }
}
