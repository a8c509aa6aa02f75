#include "media/pixel_format.h"

#include <catch2/catch_test_macros.hpp>
#include <set>

using namespace zc;

TEST_CASE("every format is found by its own name and fourcc") {
  std::set<std::uint32_t> codes;
  for (const PixelFormatInfo& f : pixel_formats()) {
    CAPTURE(f.name);
    CHECK(pixel_format_from_name(f.name) == f.format);
    if (f.drm_fourcc == 0) continue;
    CHECK(pixel_format_from_fourcc(f.drm_fourcc) == f.format);
    CHECK(codes.insert(f.drm_fourcc).second);
  }
  CHECK(pixel_format_from_name("bgrx") == PixelFormat::BGRx);
  CHECK_FALSE(pixel_format_from_name("unknown"));
  CHECK_FALSE(pixel_format_from_fourcc(0));
}

TEST_CASE("chroma planes of odd pictures round up") {
  CHECK(plane_width(PixelFormat::NV12, 1, 641) == 321);
  CHECK(plane_height(PixelFormat::I420, 2, 359) == 180);
  CHECK(row_bytes(PixelFormat::NV12, 1, 641) == 642);
  CHECK(row_bytes(PixelFormat::P010, 1, 641) == 1284);
  CHECK(row_bytes(PixelFormat::I444, 2, 641) == 641);
  CHECK(row_bytes(PixelFormat::BGRx, 0, 0xffffffff) == 0xffffffffULL * 4);
}
