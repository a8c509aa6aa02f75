// `zerocast camera --device` with a stand-in for the module.
#include "camera_rig.h"

#include <catch2/generators/catch_generators.hpp>
#include <cstddef>
#include <cstdint>
#include <string_view>

using namespace zc;
using namespace zc::test;

TEST_CASE("pictures are written to a v4l2loopback device in the format that it takes") {
  const char* const only = GENERATE("yuyv", "nv12");
  const TemporaryFolder folder;
  auto camera =
      run({"camera", "--device", "/dev/video9", "--source", "test:160x120@30", "--seconds", "2"}, folder,
          {std::string("LD_PRELOAD=") + ZEROCAST_LOOPBACK_SHIM, "ZEROCAST_TEST_VIDEO=" + folder.file("device"),
           std::string("ZEROCAST_TEST_VIDEO_FORMAT=") + only});
  REQUIRE(eventually([&] { return !camera.running(); }));
  INFO(folder.read("log"));
  CHECK(camera.exit_code() == 0);
  const bool packed = std::string_view(only) == "yuyv";
  const std::size_t picture_bytes = packed ? 160 * 120 * 2 : 160 * 120 * 3 / 2;
  const std::string bytes = folder.read("device");
  REQUIRE(bytes.size() > 5 * picture_bytes);
  CHECK(bytes.size() % picture_bytes == 0);
  std::uint32_t last = 0;
  for (std::size_t at = 0; at + picture_bytes <= bytes.size(); at += picture_bytes) {
    std::vector<std::byte> luma(160 * 120);
    for (std::size_t i = 0; i < luma.size(); ++i) luma[i] = static_cast<std::byte>(bytes[at + (packed ? 2 * i : i)]);
    const auto mark = read_mark(luma, 160, {160, 120}, 1, {160, 120});
    REQUIRE(mark);
    CHECK((at == 0 || mark->frame >= last));
    last = mark->frame;
  }
}
