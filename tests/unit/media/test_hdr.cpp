#include "media/hdr_side_data.h"
#include "media/surface.h"

#include <catch2/catch_test_macros.hpp>

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/mastering_display_metadata.h>
}

using namespace zc;

TEST_CASE("HDR metadata beside a picture reads back as it was") {
  const AvFramePtr frame(av_frame_alloc());
  REQUIRE(frame);
  REQUIRE(attach_hdr(*frame, {}));
  CHECK(frame->nb_side_data == 0);
  CHECK(read_hdr(*frame) == HdrMetadata{});
  HdrMetadata hdr;
  hdr.light = ContentLight{1000, 400};
  REQUIRE(attach_hdr(*frame, hdr));
  CHECK(read_hdr(*frame) == hdr);
  av_frame_unref(frame.get());
  hdr.mastering = MasteringDisplay{.red = {34000, 16000},
                                   .green = {13250, 34500},
                                   .blue = {7500, 3000},
                                   .white = {15635, 16450},
                                   .max_luminance = 10'000'000,
                                   .min_luminance = 50};
  REQUIRE(attach_hdr(*frame, hdr));
  CHECK(read_hdr(*frame) == hdr);
}

TEST_CASE("what is unset in HDR metadata, or makes no sense, is zero") {
  AVMasteringDisplayMetadata data{};
  data.max_luminance = {1000, 0};
  data.min_luminance = {-1, 1};
  data.white_point[0] = {1, 2};
  CHECK(from_av(data) == MasteringDisplay{});
  data.has_luminance = 1;
  CHECK(from_av(data) == MasteringDisplay{});
}
