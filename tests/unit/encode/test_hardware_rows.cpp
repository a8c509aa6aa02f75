// What can be said about hardware rows without the hardware: they are there for every codec, in order, and refuse with
// the reason where the machine lacks them.
#include "encode/encoder_table.h"
#include "encode/ffmpeg_encoder.h"
#include "encode/vaapi.h"
#include "encode/vulkan_video.h"
#include "gpu/render_nodes.h"
#include "support/temporary_folder.h"

#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <fstream>
#include <map>
#include <set>

using namespace zc;

TEST_CASE("every codec has a row of every kind of hardware, before its software") {
  std::map<Codec, std::vector<std::string_view>> backends;
  for (const EncoderRow& row : encoder_rows()) backends[row.codec].push_back(row.backend);
  for (const Codec codec : {Codec::H264, Codec::HEVC, Codec::AV1}) {
    CHECK(backends[codec] == std::vector<std::string_view>{"nvenc", "vaapi", "qsv", "vulkan", "software"});
  }
}

TEST_CASE("a row that this machine cannot have refuses with a reason, and nothing else happens") {
  for (const EncoderRow& row : encoder_rows()) {
    if (!row.hardware()) continue;
    CAPTURE(row.name);
    const auto encoder = open_ffmpeg_encoder(row, {}, {.size = {640, 360}, .rate = {30, 1}});
    if (encoder) continue;  // this machine has it
    CHECK(encoder.error().kind == ErrorKind::Unsupported);
    CHECK_FALSE(encoder.error().detail.empty());
  }
}

TEST_CASE("options follow the preset and the rate control") {
  const auto options_of = [](const EncoderRow& row, const EncoderSettings& settings) {
    const VideoParameters video{.size = {1280, 720}, .rate = {60, 1}};
    const bool live = settings.preset == Preset::LowLatency;
    CodecPlan plan;
    OptionList options("");
    row.configure({.row = row,
                   .settings = settings,
                   .video = video,
                   .native = choose_native_preset(row, settings, video, 4),
                   .processors = 4,
                   .max_delay = live ? 0U : 24U},
                  plan, options);
    CHECK(plan.b_frames == 0);
    CHECK(plan.forces_keyframes);
    return options;
  };
  EncoderSettings live;
  live.preset = Preset::LowLatency;
  live.bit_rate = 5'000'000;
  EncoderSettings file;
  file.crf = 30;
  for (const EncoderRow& row : encoder_rows()) {
    if (row.backend != "vaapi" && row.backend != "qsv" && row.backend != "vulkan") continue;
    CAPTURE(row.name);
    CHECK(options_of(row, live).find("async_depth") == "1");
    CHECK(options_of(row, file).find("async_depth") == "2");
  }
  CHECK(options_of(*find_encoder_row("h264_vaapi"), live).find("rc_mode") == "CBR");
  CHECK(options_of(*find_encoder_row("h264_vaapi"), file).find("global_quality") == "30");
  CHECK(options_of(*find_encoder_row("av1_vaapi"), file).find("global_quality") == "120");
  CHECK(options_of(*find_encoder_row("av1_vulkan"), file).find("qp") == "120");
  CHECK(options_of(*find_encoder_row("hevc_qsv"), file).find("global_quality") == "30");
}

TEST_CASE("a chosen GPU is the only one that encodes") {
  const auto refused = [](std::string_view name, const GpuAddress& gpu) {
    const auto available = find_encoder_row(name)->available({.gpu = gpu, .reason = GpuReason::Chosen});
    return available ? std::string() : available.error().message();
  };
  const GpuAddress intel{.render_node = "/dev/dri/renderD200", .pci = "0000:00:02.0", .vendor = "0x8086"};
  const GpuAddress nvidia{.pci = "0000:01:00.0", .vendor = "0x10de"};
  CHECK(refused("h264_nvenc", intel).ends_with("/dev/dri/renderD200 (0000:00:02.0) is not a GPU of NVIDIA's driver"));
  CHECK(refused("h264_vaapi", intel).find("render node") != std::string::npos);  // which this machine does not have
  CHECK(refused("h264_qsv", nvidia).ends_with("0000:01:00.0 is not the only GPU of Intel's"));
  const auto uploaded =
      find_encoder_row("h264_vulkan")->open_device({.gpu = nvidia, .reason = GpuReason::Chosen}, Codec::H264, 8);
  REQUIRE_FALSE(uploaded);
  CHECK(uploaded.error().kind == ErrorKind::Unsupported);
}

TEST_CASE("render nodes come in the kernel's order") {
  const test::TemporaryFolder dri;
  const std::filesystem::path& folder = dri.path();
  for (const char* name : {"renderD129", "card0", "renderD128"}) dri.write(name, "x");
  CHECK(render_nodes(folder) ==
        std::vector<std::string>{(folder / "renderD128").string(), (folder / "renderD129").string()});
  std::filesystem::remove_all(folder);
  CHECK(render_nodes(folder).empty());
}
