// What is concluded from fixed findings.
#include "probe/verdict.h"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>

using namespace zc::probe;

namespace {

/// A desktop with one NVIDIA GPU on which everything works.
ProbeReport desktop() {
  ProbeReport report;
  report.mode = "auto";
  GpuReport& gpu = report.gpus.emplace_back();
  gpu.name = "GeForce";
  gpu.uuid = "0011";
  gpu.render_node = "/dev/dri/renderD128";
  gpu.drm = DrmFacts{
      .driver = "nvidia", .pci = "", .render_node = gpu.render_node, .primary_node = "", .render_number = "226:128"};
  gpu.vulkan = VulkanFacts{};
  gpu.cuda = CudaFacts{};
  report.apis = {{.api = "vulkan", .works = true, .reason = ""}, {.api = "cuda", .works = true, .reason = ""}};
  RouteReport route;
  route.route = "vulkan";
  route.what = "LINEAR dmabufs by one pass";
  route.zero_copy = route.works = true;
  route.device = "GeForce";
  route.uuid = "0011";
  route.sizes.resize(2);
  route.sizes[1].width = 3840;
  route.sizes[1].height = 2160;
  route.sizes[1].works = true;
  route.sizes[1].median_us = 52;
  RouteReport cpu;
  cpu.route = "cpu";
  cpu.works = true;
  report.routes = {route, cpu};
  report.encoders = {
      {.encoder = "h264_nvenc", .codec = "h264", .backend = "nvenc", .hardware = true, .works = true, .reason = ""},
      {.encoder = "libx264", .codec = "h264", .backend = "software", .hardware = false, .works = true, .reason = ""}};
  report.compositor = {
      .reached = true, .device = "226:128", .render_node = gpu.render_node, .gpu = "GeForce", .reason = ""};
  report.permissions.user = "ann";
  report.permissions.groups = {"ann"};
  report.permissions.nvidia_drm_modeset = "Y";
  report.permissions.nodes = {
      {.path = "/dev/dri/renderD128", .usable = true, .owner = "root", .group = "render", .mode = "0660"}};
  return report;
}

bool says(const std::vector<std::string>& lines, std::string_view what) {
  return std::ranges::any_of(lines, [&](const std::string& line) { return line.find(what) != std::string::npos; });
}

}  // namespace

TEST_CASE("where everything works there is nothing to change") {
  const Verdict verdict = make_verdict(desktop());
  CHECK(verdict.zero_copy);
  CHECK(verdict.route == "vulkan");
  CHECK(verdict.encoder == "h264_nvenc");
  CHECK(verdict.advice.empty());
  CHECK(
      says(verdict.why, "Frames take the vulkan route on GeForce: LINEAR dmabufs by one pass (0.05 ms per 3840x2160"));
  CHECK(says(verdict.why, "h264_nvenc encodes, in hardware."));
  CHECK(says(verdict.why, "The compositor composes on GeForce"));
}

TEST_CASE("ZEROCOPY decides") {
  ProbeReport report = desktop();
  report.mode = "0";
  Verdict verdict = make_verdict(report);
  CHECK(verdict.zero_copy);
  CHECK(verdict.route == "cpu");
  CHECK(says(verdict.why, "ZEROCOPY=0 forces the CPU route"));
  CHECK(says(verdict.advice, "Unset ZEROCOPY"));
  report.mode = "1";
  CHECK(make_verdict(report).route == "vulkan");
  report.routes[0].works = false;
  report.routes[0].reason = "the driver refuses it";
  verdict = make_verdict(report);
  CHECK_FALSE(verdict.zero_copy);
  CHECK(verdict.route.empty());
  CHECK(says(verdict.why, "refuses to record"));
  CHECK(says(verdict.why, "The vulkan route does not work: the driver refuses it."));
}

TEST_CASE("a software renderer is no zero-copy") {
  ProbeReport report = desktop();
  report.routes[0].software = true;
  report.routes[0].device = "llvmpipe";
  report.gpus[0].software = true;
  const Verdict verdict = make_verdict(report);
  CHECK_FALSE(verdict.zero_copy);
  CHECK(verdict.route == "cpu");
  CHECK(says(verdict.why, "The vulkan route works on llvmpipe only, a software renderer"));
  CHECK(says(verdict.why, "There is no GPU here"));
}

TEST_CASE("the encoder that works next is taken, with the reason") {
  ProbeReport report = desktop();
  report.encoders[0].works = false;
  report.encoders[0].reason = "too many sessions";
  const Verdict verdict = make_verdict(report);
  CHECK(verdict.encoder == "libx264");
  CHECK(says(verdict.why, "libx264 encodes, on the CPU."));
  CHECK(says(verdict.why, "h264_nvenc does not: too many sessions."));
  CHECK(says(verdict.advice, "No hardware encoder works"));
}

TEST_CASE("a route whose pictures no encoder takes is passed over") {
  ProbeReport report = desktop();
  report.routes.insert(report.routes.begin(), report.routes[0]);
  report.routes[0].route = "egl+cuda";
  report.routes[0].surface_memory = "cuda";
  CHECK(make_verdict(report).route == "egl+cuda");
  report.encoders[0].works = false;
  const Verdict verdict = make_verdict(report);
  CHECK(verdict.zero_copy);
  CHECK(verdict.route == "vulkan");
  CHECK(says(verdict.why, "The egl+cuda route works, but libx264 takes no pictures from cuda memory."));
  report.encoders[0].works = true;
  report.encoders[0].backend = "vaapi";
  CHECK(make_verdict(report).route == "vulkan");
  report.routes[0].surface_memory = "vaapi";
  CHECK(make_verdict(report).route == "egl+cuda");
  report.routes[0].surface_memory = "vulkan";
  CHECK(make_verdict(report).route == "vulkan");
  report.encoders[0].backend = "vulkan";
  CHECK(make_verdict(report).route == "egl+cuda");
}

TEST_CASE("the GPU that is taken is told, and its routes and encoders come first") {
  ProbeReport report = desktop();
  GpuReport& intel = report.gpus.emplace_back();
  intel.name = "Iris";
  intel.uuid = "0022";
  intel.pci = "0000:00:02.0";
  intel.render_node = "/dev/dri/renderD129";
  report.routes.insert(report.routes.begin(), 2, report.routes[0]);
  report.routes[0].route = "vulkan+cuda";
  report.routes[0].surface_memory = "cuda";
  report.routes[1].route = "vulkan+vaapi";
  report.routes[1].surface_memory = "vaapi";
  report.routes[1].device = "Iris";
  report.routes[1].uuid = "0022";
  report.encoders.insert(
      report.encoders.begin() + 1,
      {.encoder = "h264_vaapi", .codec = "h264", .backend = "vaapi", .hardware = true, .works = true, .reason = ""});
  report.choice = {.gpu = "", .reason = "first"};
  Verdict verdict = make_verdict(report);
  CHECK(verdict.route == "vulkan+cuda");
  CHECK(verdict.encoder == "h264_nvenc");
  CHECK(says(verdict.why, "The first GPU that works is used: which one the desktop is composed on is not known."));
  report.choice = {.gpu = "/dev/dri/renderD129", .reason = "compositor"};
  verdict = make_verdict(report);
  CHECK(verdict.route == "vulkan+vaapi");
  CHECK(verdict.encoder == "h264_vaapi");
  CHECK(says(verdict.why, "Iris (/dev/dri/renderD129) is the GPU to use first: the desktop is composed on it."));
  report.choice = {.gpu = "0000:00:02.0", .reason = "chosen"};
  verdict = make_verdict(report);
  CHECK(verdict.route == "vulkan+vaapi");
  CHECK(says(verdict.why, "Iris (0000:00:02.0) is the GPU to use, and no other: it is chosen."));
  report.choice = {.gpu = "/dev/dri/renderD128", .reason = "only"};
  verdict = make_verdict(report);
  CHECK(verdict.route == "vulkan+cuda");
  CHECK(says(verdict.why, "GeForce (/dev/dri/renderD128) is the only GPU."));
}

TEST_CASE("what keeps a desktop from zero-copy is told, the most useful first") {
  ProbeReport report = desktop();
  report.routes[0].works = false;
  report.permissions.nodes[0].usable = false;
  report.permissions.nodes.push_back(
      {.path = "/dev/nvidia0", .usable = false, .owner = "root", .group = "root", .mode = "0600"});
  report.permissions.nvidia_drm_modeset = "N";
  report.apis[1] = {.api = "cuda", .works = false, .reason = "libcuda.so.1: not found"};
  report.gpus[0].vulkan.reset();
  report.problems = {{.step = "egl", .what = "crashed with SIGSEGV", .log = ""}};
  const Verdict verdict = make_verdict(report);
  REQUIRE(verdict.advice.size() == 6);
  CHECK(verdict.advice[0].find("usermod -aG render ann") != std::string::npos);
  CHECK(verdict.advice[1].find("ann cannot open /dev/nvidia0 (owner root, group root, mode 0600)") == 0);
  CHECK(verdict.advice[2].find("nvidia-drm modeset=1") != std::string::npos);
  CHECK(verdict.advice[3].find("libcuda.so.1: not found") != std::string::npos);
  CHECK(verdict.advice[4].find("mesa-vulkan-drivers") != std::string::npos);
  CHECK(verdict.advice[5].find("egl (crashed with SIGSEGV)") != std::string::npos);
}

TEST_CASE("another GPU than the compositor's is told") {
  ProbeReport report = desktop();
  report.routes[0].uuid = "0022";
  report.routes[0].device = "Radeon";
  const Verdict verdict = make_verdict(report);
  CHECK(says(verdict.why, "another GPU than the route's: each frame crosses the bus to Radeon"));
}

TEST_CASE("an empty report has a verdict") {
  const Verdict verdict = make_verdict({});
  CHECK_FALSE(verdict.zero_copy);
  CHECK(says(verdict.why, "No H.264 encoder works here."));
}
