#include "media/dmabuf.h"

#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

using namespace zc;

namespace {

UniqueFd memory(std::size_t bytes) {
  UniqueFd fd(::memfd_create("test", MFD_CLOEXEC));
  REQUIRE(::ftruncate(fd.get(), static_cast<off_t>(bytes)) == 0);
  return fd;
}

Dmabuf linear(std::size_t bytes) {
  Dmabuf d;
  d.size = {640, 480};
  d.format = PixelFormat::BGRx;
  d.modifier = kModifierLinear;
  d.planes[0].fd = memory(bytes);
  d.planes[0].stride_bytes = 2560;
  d.plane_count = 1;
  return d;
}

}  // namespace

TEST_CASE("a linear dmabuf must hold all its rows") {
  CHECK(linear(2560 * 480).validate());
  CHECK_FALSE(linear(2560 * 480 - 1).validate());
  Dmabuf d = linear(2560 * 480);
  d.planes[0].offset_bytes = 4;
  CHECK_FALSE(d.validate());
  d.planes[0].offset_bytes = 0;
  d.planes[0].stride_bytes = 2556;
  CHECK_FALSE(d.validate());
}

TEST_CASE("a tiled dmabuf is checked as far as anyone but the driver can") {
  Dmabuf d = linear(4096);
  d.modifier = 0x0100000000000001;
  CHECK(d.validate());
  d.planes[0].offset_bytes = 4096;
  CHECK_FALSE(d.validate());
  d.planes[0].offset_bytes = 0;
  d.plane_count = 5;
  CHECK_FALSE(d.validate());
  d.plane_count = 2;
  CHECK_FALSE(d.validate());
}

TEST_CASE("an implicit layout has its format's planes and strides of whole rows, of a length that nobody knows") {
  Dmabuf d = linear(4096);
  d.modifier = kModifierInvalid;
  CHECK(d.validate());
  d.planes[0].stride_bytes = 2556;
  CHECK_FALSE(d.validate());
  d.planes[0].stride_bytes = 0;
  CHECK_FALSE(d.validate());
  d.planes[0].stride_bytes = 4096;
  CHECK(d.validate());
  d.planes[0].offset_bytes = 4096;
  CHECK_FALSE(d.validate());
  d.planes[0].offset_bytes = 0;
  d.planes[1].fd = memory(4096);
  d.planes[1].stride_bytes = 4096;
  d.plane_count = 2;
  CHECK_FALSE(d.validate());
  d.format = PixelFormat::NV12;
  CHECK(d.validate());
}
