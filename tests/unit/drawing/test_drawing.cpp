// PNG files and text as pictures.
#include "drawing/image_file.h"
#include "drawing/text_painter.h"
#include "support/temporary_folder.h"
#include "unit/drawing/png_writer.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <string>

using namespace zc;
using namespace zc::test;
using Catch::Matchers::ContainsSubstring;

namespace {

std::uint32_t pixel(const DrawnPicture& picture, std::size_t x, std::size_t y) {
  std::uint32_t word = 0;
  for (std::size_t c = 0; c < 4; ++c) {
    word = word << 8U | std::to_integer<std::uint32_t>(picture.pixels.at((y * picture.size.width + x) * 4 + c));
  }
  return word;
}

std::size_t count(const DrawnPicture& picture, std::uint32_t word) {
  std::size_t all = 0;
  for (std::size_t y = 0; y < picture.size.height; ++y) {
    for (std::size_t x = 0; x < picture.size.width; ++x) all += pixel(picture, x, y) == word ? 1U : 0U;
  }
  return all;
}

std::string refusal(const std::string& path) {
  const auto picture = read_image(path);
  return picture ? "" : picture.error().message();
}

void write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace

TEST_CASE("PNG files of every kind are read with their alpha") {
  const TemporaryFolder folder;
  const std::string path = folder.file("a.png");
  write(path, png(PngKind::Rgba, 3, 1, "\x01\x02\x03\x04\xff\xfe\xfd\xfc\x10\x20\x30\xff"));
  auto picture = read_image(path);
  REQUIRE(picture);
  CHECK(picture->size == Size{3, 1});
  CHECK(pixel(*picture, 0, 0) == 0x01020304);
  CHECK(pixel(*picture, 1, 0) == 0xfffefdfc);
  CHECK_FALSE(picture->opaque());
  write(path, png(PngKind::Rgb, 1, 2, "\x0a\x0b\x0c\xc8\xc9\xca"));
  picture = read_image(path);
  REQUIRE(picture);
  CHECK(pixel(*picture, 0, 0) == 0x0a0b0cff);
  CHECK(pixel(*picture, 0, 1) == 0xc8c9caff);
  CHECK(picture->opaque());
  write(path, png(PngKind::Grey, 2, 1, "\x40\x80"));
  picture = read_image(path);
  REQUIRE(picture);
  CHECK(pixel(*picture, 1, 0) == 0x808080ff);
  write(path, png(PngKind::GreyAlpha, 1, 1, "\x40\x80"));
  picture = read_image(path);
  REQUIRE(picture);
  CHECK(pixel(*picture, 0, 0) == 0x40404080);
}

TEST_CASE("what is no PNG file is refused in one line") {
  const TemporaryFolder folder;
  CHECK_THAT(refusal(folder.file("missing.png")), ContainsSubstring("missing.png"));
  write(folder.file("text.png"), "this is no picture");
  CHECK_THAT(refusal(folder.file("text.png")), ContainsSubstring("it is no PNG file"));
  write(folder.file("empty.png"), "");
  CHECK_THAT(refusal(folder.file("empty.png")), ContainsSubstring("it has 0 bytes"));
  CHECK_THAT(refusal("/dev/null"), ContainsSubstring("it is no file"));
  const std::string good = png(PngKind::Rgba, 4, 4, std::string(64, '\x55'));
  for (std::size_t length = 8; length + 12 < good.size(); length += 3) {
    write(folder.file("cut.png"), good.substr(0, length));
    static_cast<void>(read_image(folder.file("cut.png")));  // whatever comes of it
  }
  write(folder.file("cut.png"), good.substr(0, 20));
  CHECK_THAT(refusal(folder.file("cut.png")), ContainsSubstring("it is damaged"));
  for (std::size_t at = 8; at < good.size(); ++at) {
    std::string spoilt = good;
    spoilt[at] = static_cast<char>(spoilt[at] ^ 0x5a);
    write(folder.file("spoilt.png"), spoilt);
    static_cast<void>(read_image(folder.file("spoilt.png")));
  }
}

TEST_CASE("text is drawn in its colours, as large as it is") {
  auto painter = TextPainter::open({.px = 40, .colour = 0xff0000ff, .background = 0x0000ff80});
  if (!painter) SKIP(painter.error().message());
  const DrawnPicture one = painter->draw("Ii");
  CHECK(count(one, 0xff0000ff) > 40);   // inside of the letters
  CHECK(count(one, 0x0000ff80) > 400);  // around them
  CHECK(pixel(one, 0, 0) == 0x0000ff80);
  CHECK(one.size.width % 2 == 0);
  const DrawnPicture longer = painter->draw("Ii and more");
  CHECK(longer.size.width > 2 * one.size.width);
  CHECK(longer.size.height == one.size.height);
  const DrawnPicture lines = painter->draw("Ii\nIi");
  CHECK(lines.size.width == one.size.width);
  CHECK(lines.size.height > one.size.height + 30);
  CHECK(count(lines, 0xff0000ff) == 2 * count(one, 0xff0000ff));
}

TEST_CASE("whatever bytes a text has, it is drawn, and no larger than 8192 px") {
  auto painter = TextPainter::open({.px = 60});
  if (!painter) SKIP(painter.error().message());
  CHECK(painter->draw("").size.height > 0);
  CHECK(painter->draw("\xff\xc3\x28 \xe2\x82").size.width > 0);
  CHECK(painter->draw("\xe6\xbc\xa2\xf0\x9f\x98\x80").size.width > 0);
  const DrawnPicture huge = painter->draw(std::string(5000, 'W') + std::string(500, '\n'));
  CHECK(huge.size.width <= 8192);
  CHECK(huge.size.height <= 8192);
}
