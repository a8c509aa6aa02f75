#include "softgpu/tests/cuda_functions.h"
#include "softgpu/tests/nvenc_run.h"

#include <catch2/generators/catch_generators.hpp>

#include <chrono>
#include <numeric>
#include <utility>

using namespace zc::softgpu;        // NOLINT(google-build-using-namespace)
using namespace zc::softgpu::test;  // NOLINT(google-build-using-namespace)

namespace {

std::vector<int> keyframes(const Run& run) {
  std::vector<int> numbers;
  for (const auto& packet : run.packets) {
    if ((packet->flags & AV_PKT_FLAG_KEY) != 0) numbers.push_back(static_cast<int>(packet->pts));
  }
  return numbers;
}

}  // namespace

TEST_CASE("libavcodec encodes host and device frames and gets its pictures back") {
  const auto [name, id] =
      GENERATE(std::pair{"h264_nvenc", AV_CODEC_ID_H264}, std::pair{"hevc_nvenc", AV_CODEC_ID_HEVC});
  const bool device_frames = GENERATE(false, true);
  const bool global_header = GENERATE(false, true);
  CAPTURE(name, device_frames, global_header);
  const CudaPtr cuda = load_cuda();
  const Run run = encode({.codec = name, .device_frames = device_frames, .global_header = global_header});
  INFO(run.failed);
  REQUIRE(run.error == 0);
  REQUIRE(run.packets.size() == kFrames);
  CHECK(keyframes(run) == std::vector{0, 30});
  CHECK(run.extradata.empty() != global_header);
  CHECK(lowest_psnr(run, id) > 36);
  CHECK(live(*cuda) == LiveObjects{});
}

TEST_CASE("a keyframe comes when it is asked for") {
  const char* name = GENERATE("h264_nvenc", "hevc_nvenc");
  const CudaPtr cuda = load_cuda();
  Options options{.codec = name, .device_frames = true, .gop = 250};
  options.before = [](int number, AVCodecContext&, AVFrame& frame) {
    if (number == 17) frame.pict_type = AV_PICTURE_TYPE_I;
  };
  const Run run = encode(options);
  REQUIRE(run.error == 0);
  CHECK(keyframes(run) == std::vector{0, 17});
}

TEST_CASE("the bit rate changes in mid-stream") {
  const auto [name, id] =
      GENERATE(std::pair{"h264_nvenc", AV_CODEC_ID_H264}, std::pair{"hevc_nvenc", AV_CODEC_ID_HEVC});
  CAPTURE(name);
  const CudaPtr cuda = load_cuda();
  Options options{.codec = name, .device_frames = true, .bit_rate = 8'000'000, .gop = 250};
  options.before = [](int number, AVCodecContext& encoder, AVFrame&) {
    if (number == 20) encoder.bit_rate = 400'000;
  };
  const Run run = encode(options);
  REQUIRE(run.error == 0);
  REQUIRE(run.packets.size() == kFrames);
  const auto bytes = [&](int first, int count) {
    return std::accumulate(run.packets.begin() + first, run.packets.begin() + first + count, 0,
                           [](int sum, const PacketPtr& packet) { return sum + packet->size; });
  };
  // Without the pictures that pay for the keyframes.
  CHECK(bytes(40, 15) * 2 < bytes(5, 15));
  CHECK(lowest_psnr(run, id) > 15);  // every picture decodes and is the right one
}

TEST_CASE("faults reach the program as libavcodec's errors") {
  struct Case {
    const char* faults;
    const char* failed;  ///< the call
    int error;           ///< 0: any
    int sent;            ///< pictures taken before
  };
  const Case expected =
      GENERATE(Case{"open=2", "open", AVERROR(ENOSYS), 0}, Case{"open=10", "open", AVERROR(ENOMEM), 0},
               Case{"alloc=1", "get_buffer", 0, 0}, Case{"register", "send", 0, 0}, Case{"encode=30", "send", 0, 29},
               Case{"lost=20", "send", AVERROR(EIO), 19});
  CAPTURE(expected.faults);
  const CudaPtr cuda = load_cuda(expected.faults);
  const Run run = encode({.device_frames = true});
  CAPTURE(run.error, run.sent, run.packets.size());
  CHECK(run.error < 0);
  CHECK(run.failed == expected.failed);
  if (expected.error != 0) CHECK(run.error == expected.error);
  CHECK(run.sent == expected.sent);
  CHECK(live(*cuda).encode_sessions == 0);
  CHECK(live(*cuda).allocations == 0);
}

TEST_CASE("a stalled encoder takes pictures and gives nothing back") {
  const CudaPtr cuda = load_cuda("stall=10");
  const Run run = encode({.device_frames = true});
  CHECK(run.packets.size() < kFrames);
}

TEST_CASE("a slow encoder is slow and right") {
  const CudaPtr cuda = load_cuda("slow-ms=3");
  const auto start = std::chrono::steady_clock::now();
  const Run run = encode({.device_frames = true});
  CHECK(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(3) * kFrames);
  REQUIRE(run.error == 0);
  CHECK(lowest_psnr(run, AV_CODEC_ID_H264) > 36);
}
