// A GPU's pictures in host memory are the CPU's, and the chain of importers has one for every machine.
#include "unit/zerocopy/importer_support.h"
#include "unit/zerocopy/vulkan_support.h"
#include "zerocopy/gpu_importer.h"
#include "zerocopy/importer_chain.h"
#include "zerocopy/open_gpu.h"

#include <algorithm>

using namespace zc;
using namespace zc::test;

namespace {

constexpr SurfaceFormat kNv12{.format = PixelFormat::NV12, .size = {64, 36}};

std::unique_ptr<Importer> gpu_importer(bool strict = false) {
  auto gpu = open_host_gpu(vulkan_device(VulkanUse::LinearDmabuf));  // skips the test where there is none
  if (!gpu) FAIL(gpu.error().message());
  auto importer = make_gpu_importer(std::move(*gpu), {.strict = strict});
  REQUIRE(importer->configure(kNv12));
  return importer;
}

Frame dmabuf_frame(const RgbPicture& picture) {
  Frame frame;
  frame.image = memfd_dmabuf(picture, PixelFormat::BGRx);
  frame.damage = Damage::all();
  return frame;
}

}  // namespace

TEST_CASE("dmabufs come out as the CPU importer's surfaces, leases and cursors included") {
  const auto gpu = gpu_importer();
  CHECK(gpu->route() == "vulkan");
  const auto cpu = importer_for(kNv12);
  const auto leases = std::make_shared<LeaseCounter>();
  const auto arrow = random_cursor({20, 16}, 4);
  int given = 0;
  for (int i = 0; i < 12; ++i) {
    const RgbPicture picture({64, 36}, 8, static_cast<std::uint32_t>(i / 2));
    const auto frame = [&](bool dmabuf) {
      Frame f;
      if (i % 4 != 3) f = dmabuf ? dmabuf_frame(picture) : frame_of(picture);
      f.cursor = CursorState{.visible = i != 5, .position = {i * 6, i * 3}, .hotspot = {2, 2}, .bitmap = arrow};
      return f;
    };
    Frame on_gpu = frame(true);
    if (on_gpu.has_image()) {
      on_gpu.lease = LeaseCounter::lease(leases);
      ++given;
    }
    const auto got = gpu->import(std::move(on_gpu));
    const auto want = cpu->import(frame(false));
    REQUIRE(got);
    REQUIRE(want);
    CHECK(leases->returned == given);
    const Difference d = difference(view_of(*got), view_of(*want));
    CAPTURE(i, d.component, d.x, d.y, d.a, d.b);
    CHECK_FALSE(d.found);
    CHECK(got->av_frame()->colorspace == want->av_frame()->colorspace);
  }
}

TEST_CASE("shared memory and other sizes go on through the same importer, and the route says how") {
  const auto gpu = gpu_importer();
  const auto cpu = importer_for(kNv12);
  const RgbPicture same({64, 36}, 0, 1);
  const RgbPicture large({160, 80}, 0, 2);
  const auto compare = [&](Frame a, Frame b, std::string_view route) {
    const auto got = gpu->import(std::move(a));
    const auto want = cpu->import(std::move(b));
    if (!got) FAIL(got.error().message());
    REQUIRE(want);
    CHECK_FALSE(difference(view_of(*got), view_of(*want)));
    CHECK(gpu->route() == route);
  };
  compare(dmabuf_frame(same), frame_of(same), "vulkan");
  compare(frame_of(large), frame_of(large), "cpu");
  compare(dmabuf_frame(same), frame_of(same), "vulkan");
  // A window that is resized stays on the GPU; its filter is another one than the CPU's.
  REQUIRE(gpu->import(dmabuf_frame(large)));
  CHECK(gpu->route() == "vulkan");
  compare(dmabuf_frame(same), frame_of(same), "vulkan");
}

TEST_CASE("strict: what is not the GPU's is refused") {
  const auto gpu = gpu_importer(true);
  const FormatOffer offer = gpu->offer();
  CHECK_FALSE(offer.shared_memory);
  for (const FormatOffer::Entry& entry : offer.formats) CHECK(entry.modifiers.back() == kModifierLinear);
  const RgbPicture same({64, 36}, 0, 1);
  const RgbPicture huge({64 * 20, 36 * 20}, 0, 2);
  CHECK(gpu->import(frame_of(same)).error().kind == ErrorKind::Unsupported);
  CHECK(gpu->import(dmabuf_frame(huge)).error().kind == ErrorKind::Unsupported);  // shrunk too much
  CHECK(gpu->import(dmabuf_frame(same)));
}

TEST_CASE("buffers without a modifier are offered where they come from this GPU") {
  const auto offered = [](bool implicit) {
    auto gpu = open_host_gpu(vulkan_device(VulkanUse::LinearDmabuf), {.converter = "egl"});
    if (!gpu) SKIP(gpu.error().message());
    const auto importer = make_gpu_importer(std::move(*gpu), {.implicit_modifiers = implicit});
    return importer->offer().formats.front().modifiers;
  };
  CHECK(offered(true).back() == kModifierInvalid);
  const auto without = offered(false);
  CHECK(std::ranges::find(without, kModifierInvalid) == without.end());
}

TEST_CASE("what is tried in which order") {
  const std::array kinds{GpuKind{"cuda", MemoryKind::Cuda, nullptr}, GpuKind{"vaapi", MemoryKind::Vaapi, nullptr},
                         GpuKind{"host", MemoryKind::Host, nullptr}};
  const auto order = [&](MemoryKind first, const GpuChoice& choice) {
    std::string text;
    for (const GpuAttempt& attempt : gpu_attempts(kinds, first, choice)) {
      text += (text.empty() ? "" : " ") + std::string(attempt.kind.name) + (attempt.gpu ? "@" + attempt.gpu->pci : "");
    }
    return text;
  };
  const GpuAddress gpu{.pci = "2"};
  const GpuChoice preferred{.gpu = gpu, .reason = GpuReason::Compositor};
  const GpuChoice binding{.gpu = gpu, .reason = GpuReason::Chosen};
  CHECK(order(MemoryKind::Host, {}) == "cuda vaapi host");
  CHECK(order(MemoryKind::Vaapi, {}) == "vaapi cuda host");
  CHECK(order(MemoryKind::Host, preferred) == "cuda@2 vaapi@2 host@2 cuda vaapi host");
  // The encoder that is asked for counts more.
  CHECK(order(MemoryKind::Vaapi, preferred) == "vaapi@2 vaapi cuda@2 host@2 cuda host");
  CHECK(order(MemoryKind::Host, binding) == "cuda@2 vaapi@2 host@2");
  CHECK(order(MemoryKind::Vaapi, binding) == "vaapi@2 cuda@2 host@2");
}

TEST_CASE("the chain has an importer on every machine, and only a GPU's when told so") {
  FormatTable formats;
  const auto any = open_importer({}, formats);
  REQUIRE(any);
  CHECK(formats.offer(monotonic_now()).shared_memory);
  const auto off = open_importer({.zerocopy = ZerocopyMode::Off}, formats);
  REQUIRE(off);
  CHECK((*off)->route() == "cpu");
  const auto required = open_importer({.zerocopy = ZerocopyMode::Required}, formats);
  if (required) {
    CHECK((*required)->route() != "cpu");
  } else {
    CHECK(required.error().kind == ErrorKind::Unsupported);
    CHECK(required.error().detail.find("host: ") != std::string::npos);
    // The memory of the encoder that is asked for is tried first.
    const auto for_vulkan = open_importer({.zerocopy = ZerocopyMode::Required}, formats, MemoryKind::Vulkan);
    REQUIRE_FALSE(for_vulkan);
    CHECK(for_vulkan.error().detail.starts_with("vulkan-video: "));
  }
}
