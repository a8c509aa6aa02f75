#include "cli/text_table.h"

#include <catch2/catch_test_macros.hpp>

#include <array>

using namespace zc;

TEST_CASE("columns are as wide as their widest cell, the last one is ragged") {
  constexpr std::array<std::string_view, 3> kHeadings{"SOURCE", "SIZE", "WHAT"};
  const std::vector<std::vector<std::string>> rows{{"node:b\xc3\xa4r", "1920x1080", "a camera"}, {"test", "", ""}};
  CHECK(text_table(kHeadings, rows) ==
        "SOURCE    SIZE       WHAT\n"
        "node:b\xc3\xa4r  1920x1080  a camera\n"
        "test\n");
  CHECK(text_table(kHeadings, {}) == "SOURCE  SIZE  WHAT\n");
}

TEST_CASE("names of other programs cannot break out of their cell") {
  constexpr std::array<std::string_view, 1> kHeadings{"A"};
  const std::vector<std::vector<std::string>> rows{{"x\n\x1b[2Jy"}};
  CHECK(text_table(kHeadings, rows) == "A\nx  [2Jy\n");
}
