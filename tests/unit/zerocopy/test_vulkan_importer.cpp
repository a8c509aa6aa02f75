// The importer with a GPU in front: what it hands out is what the CPU importer does, and it survives the GPU.
#include "unit/zerocopy/importer_support.h"
#include "unit/zerocopy/vulkan_support.h"
#include "zerocopy/dmabuf_converter.h"
#include "zerocopy/importer_chain.h"
#include "zerocopy/vulkan_importer.h"

using namespace zc;
using namespace zc::test;

namespace {

constexpr SurfaceFormat kNv12{.format = PixelFormat::NV12, .size = {64, 36}};

std::unique_ptr<Importer> gpu_importer(bool strict = false) {
  const auto device = vulkan_device(VulkanUse::LinearDmabuf);  // skips the test where there is none
  auto importer = make_vulkan_importer({.strict = strict, .device = device});
  if (!importer) FAIL(importer.error().message());
  REQUIRE((*importer)->configure(kNv12));
  return std::move(*importer);
}

Frame dmabuf_frame(const RgbPicture& picture) {
  Frame frame;
  frame.image = memfd_dmabuf(picture, PixelFormat::BGRx);
  frame.damage = Damage::all();
  return frame;
}

/// A GPU that works as told.
struct Script {
  ErrorKind answer = ErrorKind::Lost;
  int good = 0;  ///< conversions before it fails
  bool no_memory = false;
  int conversions = 0;
  bool alive = true;
};
class ScriptedGpu final : public DmabufConverter {
 public:
  explicit ScriptedGpu(Script& script) : script_(script) {}
  ~ScriptedGpu() override { script_.alive = false; }
  ScriptedGpu(const ScriptedGpu&) = delete;
  ScriptedGpu& operator=(const ScriptedGpu&) = delete;
  [[nodiscard]] std::string_view route() const override { return "scripted"; }
  [[nodiscard]] std::vector<std::uint64_t> modifiers(PixelFormat format) const override {
    return format == PixelFormat::BGRx ? std::vector{kModifierLinear} : std::vector<std::uint64_t>{};
  }
  [[nodiscard]] bool takes(const PicturePlan& plan) const override { return !plan.scaled; }
  [[nodiscard]] Result<std::unique_ptr<SurfaceMemory>> allocate(std::size_t bytes) override {
    if (script_.no_memory) return fail(ErrorKind::Internal, "allocate", "no memory");
    return std::make_unique<Memory>(bytes);
  }
  [[nodiscard]] Result<void> convert(const std::shared_ptr<const Dmabuf>&, const PicturePlan&, const ColourDescription&,
                                     SurfaceMemory&, const SurfaceLayout&) override {
    if (script_.conversions++ < script_.good) return {};
    return fail(script_.answer, "convert", "as told");
  }

 private:
  class Memory final : public SurfaceMemory {
   public:
    explicit Memory(std::size_t bytes) : bytes_((bytes + 63) / 64) {}
    [[nodiscard]] std::byte* data() const override { return bytes_.front().data(); }

   private:
    struct alignas(64) Line : std::array<std::byte, 64> {};
    mutable std::vector<Line> bytes_;
  };
  Script& script_;
};

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

TEST_CASE("shared memory, scaled pictures and other sizes go on through the same importer") {
  const auto gpu = gpu_importer();
  const auto cpu = importer_for(kNv12);
  const RgbPicture same({64, 36}, 0, 1);
  const RgbPicture large({160, 80}, 0, 2);
  const auto compare = [&](Frame a, Frame b) {
    const auto got = gpu->import(std::move(a));
    const auto want = cpu->import(std::move(b));
    REQUIRE(got);
    REQUIRE(want);
    CHECK_FALSE(difference(view_of(*got), view_of(*want)));
  };
  compare(dmabuf_frame(same), frame_of(same));
  compare(frame_of(large), frame_of(large));
  compare(dmabuf_frame(large), frame_of(large));
  compare(dmabuf_frame(same), frame_of(same));
  CHECK(gpu->route() == "vulkan");
}

TEST_CASE("strict: what is not the GPU's is refused") {
  const auto gpu = gpu_importer(true);
  const FormatOffer offer = gpu->offer();
  CHECK_FALSE(offer.shared_memory);
  for (const FormatOffer::Entry& entry : offer.formats) CHECK(entry.modifiers == std::vector{kModifierLinear});
  const RgbPicture same({64, 36}, 0, 1);
  const RgbPicture large({160, 80}, 0, 2);
  CHECK(gpu->import(frame_of(same)).error().kind == ErrorKind::Unsupported);
  CHECK(gpu->import(dmabuf_frame(large)).error().kind == ErrorKind::Unsupported);
  CHECK(gpu->import(dmabuf_frame(same)));
}

TEST_CASE("a GPU that fails hands over to the CPU within the frame, whatever it says") {
  const RgbPicture picture({64, 36}, 0, 1);
  const auto want = importer_for(kNv12)->import(frame_of(picture));
  REQUIRE(want);
  for (const ErrorKind answer : {ErrorKind::Lost, ErrorKind::Timeout, ErrorKind::Unsupported, ErrorKind::Internal}) {
    for (const bool no_memory : {false, true}) {
      Script script{.answer = answer, .good = 2, .no_memory = no_memory};
      const auto importer = make_host_importer(4, std::make_unique<ScriptedGpu>(script), false);
      REQUIRE(importer->configure(kNv12));
      const auto leases = std::make_shared<LeaseCounter>();
      Surface last;
      for (int i = 0; i < 4; ++i) {
        Frame frame = dmabuf_frame(picture);
        frame.lease = LeaseCounter::lease(leases);
        auto surface = importer->import(std::move(frame));
        REQUIRE(surface);
        last = std::move(*surface);
      }
      CHECK(leases->returned == 4);
      CHECK_FALSE(script.alive);
      CHECK(importer->route() == "cpu");
      CHECK_FALSE(importer->take_setback().empty());
      CHECK_FALSE(difference(view_of(last), view_of(*want)));
      CHECK(script.conversions == (no_memory ? 0 : 3));
    }
  }
}

TEST_CASE("strict: a GPU that fails is the frame's error, one that hangs is lost") {
  const RgbPicture picture({64, 36}, 0, 1);
  Script script{.answer = ErrorKind::Timeout};
  const auto importer = make_host_importer(4, std::make_unique<ScriptedGpu>(script), true);
  REQUIRE(importer->configure(kNv12));
  CHECK(importer->import(dmabuf_frame(picture)).error().kind == ErrorKind::Lost);
  CHECK(script.alive);
}

TEST_CASE("the chain has a route on every machine, and only the GPU's when told so") {
  const auto any = open_importer(ZerocopyMode::Auto);
  REQUIRE(any);
  CHECK((*any)->offer().shared_memory);
  const auto off = open_importer(ZerocopyMode::Off);
  REQUIRE(off);
  CHECK((*off)->route() == "cpu");
  const auto required = open_importer(ZerocopyMode::Required);
  if (required) {
    CHECK((*required)->route() != "cpu");
  } else {
    CHECK(required.error().kind == ErrorKind::Unsupported);
    CHECK(required.error().detail.find("vulkan: ") != std::string::npos);
    // Where an encoder's memory is asked for, the route into that is tried first.
    const auto for_vulkan = open_importer(ZerocopyMode::Required, MemoryKind::Vulkan);
    REQUIRE_FALSE(for_vulkan);
    CHECK(for_vulkan.error().detail.starts_with("vulkan-video: "));
  }
}
