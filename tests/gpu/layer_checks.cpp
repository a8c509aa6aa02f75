// Pictures above one another, by the compute pass on this GPU.
#include "gpu/check.h"
#include "unit/zerocopy/scene_reference.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstring>
#include <vector>

namespace zc::gpu_check {
namespace {

using enum PixelFormat;

/// A picture in host memory and on the GPU.
struct Picture {
  SurfaceLayout layout;
  std::vector<std::byte> bytes;
  VulkanBuffer buffer;
  VulkanImage image;  ///< in its place, of one that is sampled

  [[nodiscard]] HostImage host() const {
    HostImage host{.format = layout.format, .size = layout.size, .planes = {}, .mapping = nullptr};
    for (unsigned i = 0; i < info(layout.format).planes; ++i) {
      host.planes.at(i) = {bytes.data() + layout.planes.at(i).offset_bytes,
                           static_cast<std::uint32_t>(layout.planes.at(i).stride_bytes)};
    }
    return host;
  }
};

Result<Picture> picture(Bench& bench, PixelFormat format, Size size, unsigned seed, bool sampled) {
  Picture p{.layout = surface_layout(format, size, 4), .bytes = {}, .buffer = {}, .image = {}};
  // YUV within what RGB can be: the reference clips where the pass does, but after its filter.
  p.bytes = noise({static_cast<std::uint32_t>(p.layout.bytes / 4 + 1), 1}, seed);
  if (info(format).yuv) {
    for (std::byte& b : p.bytes) b = static_cast<std::byte>(100 + std::to_integer<unsigned>(b) % 50);
  }
  if (sampled) {
    auto image = bench.upload_image(std::span(p.bytes).first(size.area() * 4), format, size);
    if (!image) return std::unexpected(std::move(image.error()));
    p.image = std::move(*image);
  } else {
    auto buffer = bench.upload(p.bytes);
    if (!buffer) return std::unexpected(std::move(buffer.error()));
    p.buffer = std::move(*buffer);
  }
  return p;
}

struct LayerRow {
  PixelFormat format;
  Size size;
  bool sampled;
  LayerPlace place;
};
constexpr std::array kLayers{
    LayerRow{BGRx, {100, 60}, false, {.box = {20, 10, 100, 60}}},
    LayerRow{NV12, {120, 80}, false, {.box = {201, 99, 61, 43}, .opacity = 255, .radius = 12}},
    LayerRow{RGBA, {64, 32}, true, {.box = {250, 120, 96, 48}, .opacity = 200}},
    LayerRow{P010, {50, 40}, false, {.box = {-10, 150, 50, 40}}},
    LayerRow{xRGB_210LE, {33, 21}, true, {.box = {60, 40, 33, 21}, .opacity = 128}},
};

/// Every sample beside a reference in double precision.
Outcome pass_layers(const Setup& setup) {
  constexpr Size kSize{320, 180};
  if (const auto can = ConversionPass::check_layers(*setup.device); !can) return outcome_of(can.error());
  auto bench = Bench::create(setup.device);
  if (!bench) return outcome_of(bench.error());
  const auto main = picture(**bench, BGRx, kSize, 1, false);
  if (!main) return outcome_of(main.error());
  const SurfaceFormat surface{.format = NV12, .size = kSize, .colour = kBt709Limited};
  test::ReferenceScene reference = test::scene_of(main->host(), surface);
  std::vector<Picture> pictures;
  pictures.reserve(kLayers.size());
  std::vector<ConversionPass::Layer> layers;
  for (const LayerRow& row : kLayers) {
    auto made = picture(**bench, row.format, row.size, static_cast<unsigned>(layers.size()) + 2, row.sampled);
    if (!made) return outcome_of(made.error());
    pictures.push_back(std::move(*made));
    const Picture& p = pictures.back();
    const LayerPicture about{
        .format = row.format, .buffer = row.size, .crop = {}, .transform = Transform::Normal, .colour = kBt709Limited};
    const auto geometry = layer_geometry(about, row.place, row.sampled ? LayerMemory::Image : LayerMemory::Bytes,
                                         p.layout.planes, surface);
    if (!geometry || !*geometry) return failed("no geometry for a layer");
    layers.push_back({.geometry = **geometry,
                      .buffer = row.sampled ? nullptr : &p.buffer,
                      .image = row.sampled ? &p.image : nullptr});
    reference.layers.push_back({.image = p.host(), .place = row.place});
  }
  const SurfaceLayout layout = surface_layout(NV12, kSize, 512);
  const auto target = VulkanBuffer::create_exportable(setup.device, layout.bytes);
  const auto beneath = VulkanBuffer::create_exportable(setup.device, layout.bytes);
  const auto plan = make_picture_plan(BGRx, kSize, {}, Transform::Normal, kSize);
  if (!target || !beneath || !plan) return failed("no memory for the test");
  const ConversionPass::Source source{.buffer = &main->buffer, .plane = {0, main->layout.planes[0].stride_bytes}};
  if (auto ok = (*bench)->pass().run(source, *plan, *target, layout, kBt709Limited, kFrameTimeout, nullptr, nullptr,
                                     {.drawn = layers, .beneath = &*beneath});
      !ok) {
    return failed(ok.error().message());
  }
  const auto compare = [&](const VulkanBuffer& buffer) -> Result<double> {
    auto got = (*bench)->download(buffer, layout.bytes);
    if (!got) return std::unexpected(std::move(got.error()));
    YuvView view{NV12, kSize, {}};
    for (unsigned i = 0; i < 2; ++i) {
      view.planes.at(i) = {got->data() + layout.planes.at(i).offset_bytes, layout.planes.at(i).stride_bytes};
    }
    return reference.worst(view);
  };
  const auto worst = compare(*target);
  if (!worst) return failed(worst.error().message());
  const auto where = reference.where;
  reference.layers.clear();
  const auto worst_beneath = compare(*beneath);
  if (!worst_beneath) return failed(worst_beneath.error().message());
  Outcome outcome;
  outcome.figures = {{"layers", kLayers.size()}, {"worst", *worst}, {"worst_beneath", *worst_beneath}};
  if (*worst > 1.01 || *worst_beneath > 1.01) {
    outcome.verdict = Outcome::Verdict::Failed;
    outcome.reason =
        fmt::format("component {} at {}, {} is {:.2f} code values off", where[0], where[1], where[2], *worst);
  }
  return outcome;
}

constexpr std::array kChecks{
    CheckRow{"pass-layers", "pictures above one another, every sample beside a reference", pass_layers},
};

}  // namespace

std::span<const CheckRow> layer_checks() { return kChecks; }

}  // namespace zc::gpu_check
