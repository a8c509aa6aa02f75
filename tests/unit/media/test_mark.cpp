#include "media/test_mark.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <vector>

using namespace zc;

namespace {

/// The green byte of each pixel stands in for luma: marks are black and white.
std::vector<std::byte> green(const std::vector<std::byte>& pixels, Size size, std::size_t stride) {
  std::vector<std::byte> luma;
  for (std::uint32_t y = 0; y < size.height; ++y) {
    for (std::uint32_t x = 0; x < size.width; ++x) luma.push_back(pixels[y * stride + x * 4 + 1]);
  }
  return luma;
}

}  // namespace

TEST_CASE("a mark reads back at every size") {
  const Size size = GENERATE(Size{1920, 1080}, Size{641, 359}, Size{64, 32}, Size{16, 8});
  const std::size_t stride = size.width * 4 + 12;
  std::vector<std::byte> pixels(stride * size.height);
  const TestMark mark{123456789, Nanoseconds(9'876'543'210'123)};
  paint_mark(pixels, stride, size, mark);
  const auto luma = green(pixels, size, stride);
  CHECK(read_mark(luma, size.width, size, 1, size) == mark);
}

TEST_CASE("a mark in a picture that is too small or damaged is refused") {
  std::vector<std::byte> pixels(std::size_t{640} * 4 * 360);
  const Size size{640, 360};
  paint_mark(pixels, 640 * 4, size, TestMark{7, Nanoseconds(8)});
  auto luma = green(pixels, size, 640 * 4);
  luma[8 * 640 + 8] ^= std::byte{0xff};
  CHECK_FALSE(read_mark(luma, 640, size, 1, size));
  CHECK_FALSE(read_mark(std::span(luma).first(100), 640, size, 1, size));
  CHECK_FALSE(read_mark(luma, 640, {}, 1, size));
}
