#pragma once

#include "session/recording.h"
#include "support/test_picture.h"
#include "tools/png.h"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace zc::test {

/// What 8 bits of Y'CbCr 4:2:0 and back take from the slopes of the test producer: exact arithmetic is 5 steps off in
/// one picture of twenty, where a slope turns; one more for the rounding of who converts.
constexpr int kYuvSteps = 6;

/// A picture of the test producer's: every colour below its mark is what was painted, to so many steps.
inline void check_snapshot(const std::string& path, Size size, int steps) {
  const auto file = PngFile::read(path);
  REQUIRE(file);
  REQUIRE(file->view().size == size);
  const auto mark = file->mark();
  REQUIRE(mark);
  constexpr std::array<unsigned, 3> kGreenBlueRed{1, 2, 0};
  int most = 0;
  for (unsigned i = 0; i < 3; ++i) {
    for (std::uint32_t y = kMarkRows * mark_cell_px(size) + 2; y < size.height; ++y) {
      for (std::uint32_t x = 0; x < size.width; ++x) {
        const auto painted = static_cast<int>(picture_component(kGreenBlueRed.at(i), x, y, mark->frame) >> 2U);
        most = std::max(most, std::abs(file->view().components.at(i).at(x, y) - painted));
      }
    }
  }
  CHECK(most <= steps);
}

/// Of a recording that goes on to so many packets.
inline void check_snapshot_of(Recording& recording, const std::string& path, Size size) {
  const auto reach = [&](std::uint64_t packets) {
    while (recording.status().packets < packets) REQUIRE_FALSE(recording.wait(std::chrono::milliseconds(20)));
  };
  reach(5);
  const auto saved = recording.save_picture({.path = path});
  if (!saved) FAIL(saved.error().message());
  check_snapshot(path, size, kYuvSteps);
  reach(recording.status().packets + 10);
}

}  // namespace zc::test
