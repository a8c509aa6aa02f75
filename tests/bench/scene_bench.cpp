#include "bench/scene_bench.h"

#include "bench/chain_pass.h"
#include "bench/ways.h"
#include "zerocopy/vulkan/conversion_pass.h"
#include "zerocopy/vulkan/layer_geometry.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace zc::bench {
namespace {

using nlohmann::json;

/// A picture in the GPU's memory, and its place on the canvas.
struct Placed {
  SurfaceLayout layout;
  VulkanBuffer buffer;
  LayerPlace place;
};

Placed placed(const std::shared_ptr<VulkanDevice>& device, ConversionPass& pass, PixelFormat format, Size size,
              const LayerPlace& place) {
  Placed p{.layout = surface_layout(format, size, 256), .buffer = {}, .place = place};
  p.buffer = need(VulkanBuffer::create_exportable(device, p.layout.bytes));
  const VulkanBuffer staging = need(VulkanBuffer::create_host(device, p.layout.bytes));
  // Smooth, so that the filters of both sides agree to within their rounding.
  for (unsigned plane = 0; plane < info(format).planes; ++plane) {
    const SurfaceLayout::Plane& of = p.layout.planes.at(plane);
    for (std::size_t y = 0; y < plane_height(format, plane, size.height); ++y) {
      for (std::size_t x = 0; x < row_bytes(format, plane, size.width); ++x) {
        const std::size_t samples = info(format).yuv ? plane + 1 : 4;  // bytes of a pixel, each a wave of its own
        const std::size_t column = x / samples;
        const double wave = std::sin(static_cast<double>(column) * 0.003 + static_cast<double>(y) * 0.005 +
                                     static_cast<double>(x % samples) + plane);
        const double value = plane == 0 ? 128 + 80 * wave : 128 + 30 * wave;
        staging.mapped()[of.offset_bytes + y * of.stride_bytes + x] = static_cast<std::byte>(std::lround(value));
      }
    }
  }
  need(pass.copy(staging, p.buffer, p.layout.bytes, kTimeout));
  return p;
}

Rect part(Size of, double x, double y, double width, double height) {
  const auto even = [](double edge) { return static_cast<std::uint32_t>(edge / 2) * 2; };
  return {static_cast<std::int32_t>(even(of.width * x)), static_cast<std::int32_t>(even(of.height * y)),
          even(of.width * width), even(of.height * height)};
}

/// Lowest first; the main picture is the first.
std::vector<Placed> make_pictures(const std::shared_ptr<VulkanDevice>& device, ConversionPass& pass, Size size) {
  std::vector<Placed> all;
  all.push_back(placed(device, pass, PixelFormat::BGRx, size, {.box = {0, 0, size.width, size.height}}));
  const Rect window = part(size, 0.1, 0.2, 1.0 / 3, 1.0 / 3);
  all.push_back(placed(device, pass, PixelFormat::BGRx, window.size(), {.box = window}));
  const Rect camera = part(size, 0.74, 0.74, 0.25, 0.25);
  all.push_back(placed(device, pass, PixelFormat::NV12, {camera.width * 2, camera.height * 2},
                       {.box = camera, .opacity = 255, .radius = size.height / 90}));
  const Rect logo = part(size, 0.82, 0.02, 1.0 / 6, 0.075);
  all.push_back(placed(device, pass, PixelFormat::BGRA, logo.size(), {.box = logo, .opacity = 230}));
  return all;
}

/// The largest difference of two NV12 surfaces.
int worst(const std::vector<std::byte>& a, const std::vector<std::byte>& b, const SurfaceLayout& layout) {
  int found = 0;
  for (unsigned plane = 0; plane < 2; ++plane) {
    const SurfaceLayout::Plane& of = layout.planes.at(plane);
    for (std::size_t y = 0; y < plane_height(layout.format, plane, layout.size.height); ++y) {
      for (std::size_t x = 0; x < row_bytes(layout.format, plane, layout.size.width); ++x) {
        const std::size_t at = of.offset_bytes + y * of.stride_bytes + x;
        found = std::max(found, std::abs(std::to_integer<int>(a[at]) - std::to_integer<int>(b[at])));
      }
    }
  }
  return found;
}

}  // namespace

json bench_scene(const std::shared_ptr<VulkanDevice>& device, Size size, int turns, int count) {
  if (const auto can = ConversionPass::check_layers(*device); !can) return {{"reason", can.error().message()}};
  const auto pass = need(ConversionPass::create(device));
  const std::vector<Placed> pictures = make_pictures(device, *pass, size);
  const SurfaceFormat format{.format = PixelFormat::NV12, .size = size, .colour = kBt709Limited};
  const SurfaceLayout layout = surface_layout(PixelFormat::NV12, size, 256);
  const VulkanBuffer surface = need(VulkanBuffer::create_exportable(device, layout.bytes));
  const VulkanBuffer readback = need(VulkanBuffer::create_host(device, layout.bytes));
  const VulkanBuffer canvas = need(VulkanBuffer::create_exportable(device, size.area() * 4));
  const PicturePlan plan = need(make_picture_plan(PixelFormat::BGRx, size, {}, Transform::Normal, size));

  std::vector<ConversionPass::Layer> layers;
  std::vector<ChainSource> sources;
  for (const Placed& p : pictures) {
    sources.push_back({&p.buffer, p.layout, p.place});
    if (&p == &pictures.front()) continue;
    const LayerPicture picture{.format = p.layout.format,
                               .buffer = p.layout.size,
                               .crop = {},
                               .transform = Transform::Normal,
                               .colour = kBt709Limited};
    layers.push_back(
        {.geometry = need(layer_geometry(picture, p.place, LayerMemory::Bytes, p.layout.planes, format)).value(),
         .buffer = &p.buffer});
  }
  const auto chain = need(ChainPass::create(device, sources, canvas, size));
  const ConversionPass::Source main{.buffer = &pictures.front().buffer,
                                    .plane = {0, pictures.front().layout.planes[0].stride_bytes}};
  const ConversionPass::Source drawn{.buffer = &canvas, .plane = {0, std::size_t{size.width} * 4}};
  const auto convert = [&](const ConversionPass::Source& from, PassTail* tail, const ConversionPass::Layers& above) {
    need(pass->run(from, plan, surface, layout, kBt709Limited, kTimeout, nullptr, tail, above));
  };
  const auto picture_of_target = [&] {
    need(pass->copy(surface, readback, layout.bytes, kTimeout));
    need(readback.invalidate());
    return std::vector<std::byte>(readback.mapped(), readback.mapped() + layout.bytes);
  };
  std::vector<std::byte> ours;
  int off = 0;
  std::vector<Way> ways;
  // As the importer has it drawn: what lies beneath is kept, for when layers move above a screen that stands still.
  const VulkanBuffer beneath = need(VulkanBuffer::create_exportable(device, layout.bytes));
  const ConversionPass::Layers above{.drawn = layers, .beneath = &beneath};
  ways.push_back({"one_pass", [&] { convert(main, nullptr, above); }, [&] { ours = picture_of_target(); }});
  ways.push_back({"chain", [&] { convert(drawn, chain.get(), {}); },
                  [&] {
                    off = worst(ours, picture_of_target(), layout);
                    // The canvas is rounded to 8 bits once per picture.
                    constexpr int kTolerance = 3;
                    if (off <= kTolerance) return;
                    fmt::print(stderr, "zerocast-gpu-bench: the two ways differ by {} code values\n", off);
                    std::exit(1);
                  }});
  ways.push_back({"chain_apart", [&] {
                    need(chain->run_apart(kTimeout));
                    convert(drawn, nullptr, {});
                  }});
  ways.push_back({"one_pass_kept_nothing", [&] { convert(main, nullptr, {.drawn = layers}); }});
  ways.push_back({"main_alone", [&] { convert(main, nullptr, {}); }});
  measure(ways, turns, count);
  json out{{"width", size.width}, {"height", size.height}, {"pictures", pictures.size()}, {"difference", off}};
  for (const Way& way : ways) out[way.name] = figures(way);
  out["ratios"] = {{"chain_over_one_pass", ratio(ways[1].turn_median_us, ways[0].turn_median_us)},
                   {"chain_apart_over_one_pass", ratio(ways[2].turn_median_us, ways[0].turn_median_us)},
                   {"one_pass_over_main_alone", ratio(ways[0].turn_median_us, ways[4].turn_median_us)}};
  return out;
}

}  // namespace zc::bench
