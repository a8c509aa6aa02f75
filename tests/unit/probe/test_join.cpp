// One GPU as several APIs see it.
#include "probe/join.h"

#include <catch2/catch_test_macros.hpp>

using namespace zc::probe;

namespace {

const std::string kUuid = "00112233445566778899aabbccddeeff";

DrmFacts drm(const char* driver, const char* pci, const char* node, const char* number) {
  return {.driver = driver, .pci = pci, .render_node = node, .primary_node = "", .render_number = number};
}

VulkanFacts vulkan(const char* name, bool software = false) {
  VulkanFacts facts;
  facts.name = name;
  facts.software = software;
  return facts;
}

}  // namespace

TEST_CASE("an NVIDIA and an Intel GPU in one machine") {
  Facts facts;
  facts.drm = {drm("i915", "0000:00:02.0", "/dev/dri/renderD128", "226:128"),
               drm("nvidia", "0000:01:00.0", "/dev/dri/renderD129", "226:129")};
  facts.vulkan = {vulkan("Intel"), vulkan("NVIDIA"), vulkan("llvmpipe", true)};
  facts.vulkan[0].render_node = "226:128";
  facts.vulkan[1].pci = "0000:01:00.0";
  facts.vulkan[1].uuid = kUuid;
  facts.cuda = {{.name = "NVIDIA", .version = "12.4", .uuid = kUuid, .pci = ""}};
  EglFacts egl;
  egl.render_node = "/dev/dri/renderD128";
  egl.renderer = "Mesa Intel";
  EglFacts nvidia_egl;
  nvidia_egl.uuid = kUuid;
  EglFacts software_egl;
  software_egl.software = true;
  software_egl.renderer = "llvmpipe";
  facts.egl = {software_egl, nvidia_egl, egl};
  VaapiFacts vaapi;
  vaapi.render_node = "/dev/dri/renderD128";
  facts.vaapi = {vaapi};

  const auto gpus = join_gpus(facts);
  REQUIRE(gpus.size() == 3);
  CHECK(gpus[0].name == "Intel");
  CHECK(gpus[0].drm);
  CHECK(gpus[0].vulkan);
  CHECK(gpus[0].egl->renderer == "Mesa Intel");
  CHECK(gpus[0].vaapi);
  CHECK_FALSE(gpus[0].cuda);
  CHECK(gpus[0].vulkan->render_node == "/dev/dri/renderD128");
  CHECK(gpus[1].name == "NVIDIA");
  CHECK(gpus[1].render_node == "/dev/dri/renderD129");
  CHECK(gpus[1].uuid == kUuid);
  CHECK(gpus[1].cuda);
  CHECK(gpus[1].egl);
  CHECK_FALSE(gpus[1].software);
  CHECK(gpus[2].software);
  CHECK(gpus[2].vulkan);
  CHECK(gpus[2].egl);

  CompositorFacts compositor;
  compositor.device = "226:129";
  join_compositor(gpus, compositor);
  CHECK(compositor.gpu == "NVIDIA");
  CHECK(compositor.render_node == "/dev/dri/renderD129");
  compositor = {};
  compositor.device = "226:0";
  join_compositor(gpus, compositor);
  CHECK(compositor.gpu.empty());
  CHECK_FALSE(compositor.reason.empty());
}

TEST_CASE("a GPU without a render node is joined by its UUID") {
  Facts facts;
  facts.vulkan = {vulkan("H200")};
  facts.vulkan[0].uuid = kUuid;
  EglFacts egl;
  egl.uuid = kUuid;
  facts.egl = {egl};
  facts.cuda = {{.name = "H200", .version = "13.0", .uuid = kUuid, .pci = "0000:8a:00.0"}};
  const auto gpus = join_gpus(facts);
  REQUIRE(gpus.size() == 1);
  CHECK(gpus[0].vulkan);
  CHECK(gpus[0].egl);
  CHECK(gpus[0].cuda);
  CHECK(gpus[0].pci == "0000:8a:00.0");
}

TEST_CASE("two GPUs of one kind stay two") {
  Facts facts;
  facts.cuda = {{.name = "A", .version = "", .uuid = kUuid, .pci = "0000:01:00.0"},
                {.name = "A", .version = "", .uuid = "ff" + kUuid.substr(2), .pci = "0000:02:00.0"}};
  CHECK(join_gpus(facts).size() == 2);
  facts.cuda = {{.name = "A", .version = "", .uuid = "", .pci = ""},
                {.name = "B", .version = "", .uuid = "", .pci = ""}};
  CHECK(join_gpus(facts).size() == 2);
}

TEST_CASE("of two EGL drivers for one device the one that works counts") {
  Facts facts;
  EglFacts broken;
  broken.render_node = "/dev/dri/renderD128";
  broken.reason = "start EGL on the device: EGL error 0x3001";
  EglFacts works = broken;
  works.reason = "";
  works.renderer = "it";
  facts.egl = {broken, works};
  auto gpus = join_gpus(facts);
  REQUIRE(gpus.size() == 1);
  CHECK(gpus[0].egl->renderer == "it");
  facts.egl = {works, broken};
  gpus = join_gpus(facts);
  REQUIRE(gpus.size() == 1);
  CHECK(gpus[0].egl->renderer == "it");
}
