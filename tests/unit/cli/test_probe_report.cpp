// What `zerocopy-probe` prints, from fixed findings.
#include "cli/probe_report.h"

#include <catch2/catch_test_macros.hpp>

#include <string>

using namespace zc;
using namespace zc::probe;

namespace {

ProbeReport findings() {
  ProbeReport report;
  report.version = "1.2.3";
  report.mode = "auto";
  report.verdict = {.zero_copy = false,
                    .route = "cpu",
                    .encoder = "libx264",
                    .why = {"Frames take the CPU route."},
                    .advice = {"Buy a GPU."}};
  GpuReport& gpu = report.gpus.emplace_back();
  gpu.name = "llvmpipe";
  gpu.software = true;
  gpu.uuid = "6d65";
  gpu.vulkan = VulkanFacts{};
  gpu.vulkan->driver = "Mesa";
  gpu.vulkan->version = "1.3.1";
  const std::vector<ModifierFacts> tiled{{.modifier = "0x0000000000000000", .name = "LINEAR"},
                                         {.modifier = "0x0300000000000001", .name = "", .external_only = true}};
  gpu.vulkan->formats = {{.format = "BGRx", .modifiers = tiled},
                         {.format = "xRGB_210LE", .modifiers = {}},
                         {.format = "RGBx", .modifiers = tiled}};
  report.apis = {{.api = "cuda", .works = false, .reason = "no library"}};
  RouteReport& route = report.routes.emplace_back();
  route.route = "vulkan";
  route.what = "one pass";
  route.zero_copy = route.works = route.software = true;
  route.device = "llvmpipe";
  route.source_memory = "memfd";
  route.modifier = "LINEAR";
  route.surface_memory = "host";
  route.sizes.resize(2);
  route.sizes[0].width = 1920;
  route.sizes[0].works = true;
  route.sizes[0].median_us = 1234;
  route.sizes[1].width = 3840;
  report.encoders = {
      {.encoder = "libx264", .codec = "h264", .backend = "software", .hardware = false, .works = true, .reason = ""}};
  DecoderFacts& decoder = report.decoders.emplace_back();
  decoder.backend = "nvdec";
  decoder.codec = "hevc";
  decoder.samples = 100;
  decoder.different = 3;
  decoder.reason = "3 of 100 samples are not the software decoder's";
  report.permissions.user = "ann";
  report.permissions.groups = {"ann", "video"};
  report.permissions.nodes = {
      {.path = "/dev/dri/renderD128", .usable = false, .owner = "root", .group = "render", .mode = "0660"}};
  report.permissions.nvidia_drm_modeset = "N";
  report.problems = {{.step = "egl", .what = "crashed with SIGSEGV", .log = "one\ntwo\x1b[31m\n"}};
  return report;
}

}  // namespace

TEST_CASE("the findings as text") {
  CHECK(probe_text(findings()) ==
        R"(Zero-copy does not work here.
  Frames take the CPU route.
What would help:
  - Buy a GPU.

GPUS
GPU       KIND      DRIVER  NODE  PCI  VULKAN  EGL  CUDA  VA-API
llvmpipe  software  Mesa    -     -    1.3.1   -    -     -
UUID 6d65  llvmpipe
no cuda: no library

MODIFIERS
  llvmpipe, Vulkan, BGRx, RGBx:
    LINEAR
    0x0300000000000001 (external only)
  llvmpipe, Vulkan, xRGB_210LE:
    none

ROUTES
ROUTE   WORKS  ZERO-COPY  DEVICE    FRAME IN      SURFACE  1920x1080  3840x2160  WHAT OR WHY NOT
vulkan  yes    software   llvmpipe  memfd LINEAR  host     1.23 ms    -          one pass

ENCODERS
ENCODER  CODEC  BACKEND   WORKS  WHY NOT
libx264  h264   software  yes

DECODERS
DECODER  CODEC  WORKS  PIXELS           WHY NOT
nvdec    hevc   no     97 of 100 right  3 of 100 samples are not the software decoder's

PERMISSIONS
user ann, groups ann, video
NODE                 USABLE  OWNER  GROUP   MODE
/dev/dri/renderD128  no      root   render  0660
nvidia-drm.modeset N

PROBLEMS
egl crashed with SIGSEGV
  | one
  | two [31m
)");
}

TEST_CASE("nothing found is text too") {
  const std::string text = probe_text({});
  CHECK(text.find("\nGPUS\nnone\n") != std::string::npos);
  CHECK(text.find("\nMODIFIERS\n  none\n") != std::string::npos);
  CHECK(text.find("no graphics node below /dev") != std::string::npos);
  CHECK(text.find("PROBLEMS") == std::string::npos);
}

TEST_CASE("the exit code says whether zero-copy works") {
  ProbeReport report = findings();
  CHECK(probe_exit(report) == ExitCode::NoZeroCopy);
  report.verdict.zero_copy = true;
  CHECK(probe_exit(report) == ExitCode::Ok);
  CHECK(probe_text(report).starts_with("Zero-copy works on this machine.\n"));
}
