// The compute pass on this GPU's own memory.
#include "gpu/check.h"
#include "media/colour.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace zc::gpu_check {
namespace {

using enum PixelFormat;

constexpr std::array kSizes{Size{640, 360}, Size{1366, 768}, Size{1919, 1079}, Size{3840, 2160}};
constexpr std::array kSources{BGRx, RGBx, xRGB_210LE, xBGR_210LE};
constexpr std::array kTargets{NV12, P010, I444};
/// As CUDA surfaces are laid out.
constexpr std::size_t kAlignment = 512;
constexpr std::size_t kManyFrames = 1000;

/// Every source and target format at every size, from a LINEAR buffer or an image in the driver's tiling.
Outcome check_pass(const Setup& setup, bool tiled) {
  auto bench = Bench::create(setup.device);
  if (!bench) return outcome_of(bench.error());
  std::size_t pictures = 0;
  std::size_t samples = 0;
  for (const Size size : kSizes) {
    if (setup.software && size.area() > 1366 * 768) continue;  // seconds a picture
    const std::vector<std::byte> pixels = noise(size, size.width);
    for (const PixelFormat source : kSources) {
      if (setup.software && source != BGRx && source != xRGB_210LE) continue;  // its compiler takes a second each
      const auto buffer = (*bench)->upload(pixels);
      if (!buffer) return outcome_of(buffer.error());
      Result<VulkanImage> image;
      if (tiled) image = (*bench)->upload_image(pixels, source, size);
      if (!image) return outcome_of(image.error());
      const ConversionPass::Source from =
          tiled ? ConversionPass::Source{.image = &*image}
                : ConversionPass::Source{.buffer = &*buffer, .plane = {0, std::size_t{size.width} * 4}};
      for (const PixelFormat target : kTargets) {
        const SurfaceLayout layout = surface_layout(target, size, kAlignment);
        const auto memory = VulkanBuffer::create_exportable(setup.device, layout.bytes);
        if (!memory) return outcome_of(memory.error());
        const auto wrong = wrong_samples(**bench, from, pixels, source, layout, *memory);
        if (!wrong) return failed(wrong.error().message());
        if (*wrong != 0) {
          return failed(fmt::format("{} to {}, {}x{}: {} samples are not the CPU's", name(source), name(target),
                                    size.width, size.height, *wrong));
        }
        ++pictures;
        samples += layout.size.area();
      }
    }
  }
  Outcome outcome;
  outcome.figures = {{"pictures", pictures}, {"pixels", samples}, {"wrong_samples", 0}};
  return outcome;
}

Outcome pass_linear(const Setup& setup) { return check_pass(setup, false); }
Outcome pass_tiled(const Setup& setup) { return check_pass(setup, true); }

/// After warm-up nothing is allocated, imported or compiled, and no descriptor opened.
Outcome steady(const Setup& setup) {
  constexpr Size kSize{1280, 720};
  auto bench = Bench::create(setup.device);
  if (!bench) return outcome_of(bench.error());
  const std::vector<std::byte> pixels = noise(kSize, 7);
  const auto buffer = (*bench)->upload(pixels);
  auto image = (*bench)->upload_image(pixels, BGRx, kSize);
  const SurfaceLayout layout = surface_layout(NV12, kSize, kAlignment);
  const auto memory = VulkanBuffer::create_exportable(setup.device, layout.bytes);
  const auto plan = make_picture_plan(BGRx, kSize, {}, Transform::Normal, kSize);
  if (!buffer || !image || !memory || !plan) return failed("no memory for the test");
  const auto frame = [&](bool tiled) {
    const ConversionPass::Source from =
        tiled ? ConversionPass::Source{.image = &*image}
              : ConversionPass::Source{.buffer = &*buffer, .plane = {0, std::size_t{kSize.width} * 4}};
    return (*bench)->pass().run(from, *plan, *memory, layout, kBt709Limited, kFrameTimeout);
  };
  for (int i = 0; i < 10; ++i) {
    if (auto ok = frame(i % 2 == 0); !ok) return failed(ok.error().message());
  }
  VulkanCounters& counters = setup.device->counters();
  const std::array before{counters.allocations.load(), counters.imports.load(), counters.exports.load(),
                          counters.pipelines.load()};
  const std::size_t fds = open_fds();
  const std::size_t frames = setup.software ? kManyFrames / 20 : kManyFrames;
  for (std::size_t i = 0; i < frames; ++i) {
    if (auto ok = frame(i % 2 == 0); !ok) return failed(ok.error().message());
  }
  const std::array after{counters.allocations.load(), counters.imports.load(), counters.exports.load(),
                         counters.pipelines.load()};
  Outcome outcome;
  outcome.figures = {{"frames", frames},
                     {"allocations", after[0] - before[0]},
                     {"imports", after[1] - before[1]},
                     {"exports", after[2] - before[2]},
                     {"pipelines", after[3] - before[3]},
                     {"descriptors", static_cast<std::int64_t>(open_fds()) - static_cast<std::int64_t>(fds)}};
  if (after != before || open_fds() != fds) {
    outcome.verdict = Outcome::Verdict::Failed;
    outcome.reason = "something was made while frames were converted";
  }
  return outcome;
}

Outcome device(const Setup& setup) {
  const VulkanGpu& gpu = setup.device->gpu();
  Outcome outcome;
  outcome.figures = {{"name", gpu.name},
                     {"driver", gpu.driver},
                     {"render_node", gpu.render_node.has_value()},
                     {"missing_for_linear_dmabufs", gpu.missing_for(VulkanUse::LinearDmabuf)},
                     {"missing_for_tiled_dmabufs", gpu.missing_for(VulkanUse::TiledDmabuf)}};
  return outcome;
}

constexpr std::array kChecks{
    CheckRow{"device", "the Vulkan device and what it lacks", device},
    CheckRow{"pass-linear", "the pass over LINEAR buffers, every sample compared with the CPU route", pass_linear},
    CheckRow{"pass-tiled", "the pass over images in the driver's tiling, likewise", pass_tiled},
    CheckRow{"steady", "frame after frame nothing is allocated, imported or compiled", steady},
};

}  // namespace

std::span<const CheckRow> vulkan_checks() { return kChecks; }

}  // namespace zc::gpu_check
