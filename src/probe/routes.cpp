#include "probe/routes.h"

#include "base/clock.h"
#include "encode/surface_adapter.h"
#include "media/frame.h"
#include "probe/apis.h"
#include "probe/frame_memory.h"
#include "probe/modifier_names.h"
#include "zerocopy/gpu_importer.h"
#include "zerocopy/host_importer.h"
#include "zerocopy/open_gpu.h"
#include "zerocopy/vulkan/vulkan_device.h"

extern "C" {
#include <libavutil/frame.h>
}

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

namespace zc::probe {
namespace {

/// Every route can make it, and every hardware encoder takes it.
constexpr PixelFormat kSurface = PixelFormat::NV12;
/// A conversion is right when no sample is further than this from the CPU route's, which rounds exactly.
constexpr unsigned kTolerance = 2;
constexpr unsigned kWarmUp = 3;
constexpr unsigned kMostFrames = 100;
constexpr Nanoseconds kTimingBudget = std::chrono::seconds(1);
constexpr std::size_t kSurfaces = 4;

Result<OpenedRoute> opened(Gpu gpu, MemoryKind memory) {
  const VulkanGpu& device = gpu.device->gpu();
  OpenedRoute route{.importer = nullptr,
                    .device = device.name,
                    .uuid = uuid_text(device.uuid),
                    .software = device.type == VK_PHYSICAL_DEVICE_TYPE_CPU,
                    .memory = memory};
  // Strict: what the GPU does not do must not pass for its work.
  route.importer =
      make_gpu_importer(std::move(gpu), {.strict = true, .surface_limit = kSurfaces, .implicit_modifiers = true});
  return route;
}

Result<OpenedRoute> open_cpu(const GpuChoice& /*choice*/) {
  return OpenedRoute{.importer = make_host_importer(kSurfaces),
                     .device = "CPU",
                     .uuid = {},
                     .software = true,
                     .memory = MemoryKind::Host};
}

struct Words {
  MemoryKind memory;
  std::string_view suffix;
  std::string_view where;
};
constexpr std::array kMemories = {
    Words{MemoryKind::Cuda, "+cuda", "CUDA memory that NVENC takes as it is"},
    Words{MemoryKind::Vaapi, "+vaapi", "VA-API memory that the card's encoders take as it is"},
    Words{MemoryKind::Vulkan, "+vulkan-video", "images that Vulkan Video's encoders take as they are"},
    Words{MemoryKind::Host, "", "memory that software encoders read"},
};

std::vector<RouteRow> make_rows() {
  std::vector<RouteRow> rows;
  for (const Words& words : kMemories) {
    const auto kind = std::ranges::find(gpu_kinds(), words.memory, &GpuKind::memory);
    for (const std::string_view converter : {"vulkan", "egl"}) {
      // With a software renderer, which has no encoder, the way as far as the encoder's memory.
      rows.push_back({.name = fmt::format("{}{}", converter, words.suffix),
                      .what = fmt::format("dmabufs by one {} pass into {}", converter, words.where),
                      .zero_copy = true,
                      .open = [kind, converter](const GpuChoice& choice) -> Result<OpenedRoute> {
                        Result<Gpu> gpu;
                        for (const GpuAttempt& attempt : gpu_attempts({&*kind, 1}, MemoryKind::Host, choice)) {
                          gpu = kind->open({.converter = converter, .software = true, .gpu = attempt.gpu});
                          if (gpu) return opened(std::move(*gpu), kind->memory);
                        }
                        return std::unexpected(std::move(gpu.error()));
                      }});
    }
  }
  rows.push_back(
      {.name = "cpu", .what = "shared memory and LINEAR dmabufs by the CPU", .zero_copy = false, .open = open_cpu});
  return rows;
}

Frame make_frame(const std::shared_ptr<const Dmabuf>& dmabuf) {
  Frame frame;
  frame.image = dmabuf;
  return frame;
}

/// What the CPU route makes of the picture.
Result<Surface> reference_surface(const TestPicture& picture) {
  const auto importer = make_host_importer(kSurfaces);
  if (auto ok = importer->configure({.format = kSurface, .size = picture.size}); !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  HostImage image{.format = picture.format, .size = picture.size, .planes = {}, .mapping = nullptr};
  image.planes[0] = {picture.pixels.data(), static_cast<std::uint32_t>(picture.stride_bytes())};
  Frame frame;
  frame.image = std::move(image);
  return importer->import(std::move(frame));
}

/// The surface in host memory.
Result<Surface> readable(const Surface& surface) {
  SurfaceFormat host = surface.format();
  host.memory = MemoryKind::Host;
  auto adapter = SurfaceAdapter::create(surface.format(), host);
  if (!adapter) return std::unexpected(std::move(adapter.error()));
  return adapter->adapt(surface);
}

/// How far a value is outside of what the samples around a place of interleaved chroma span.
unsigned outside(int value, const AVFrame& frame, std::uint64_t x, std::uint32_t y, std::uint64_t bytes,
                 std::uint32_t rows) {
  int least = 255;
  int most = 0;
  for (std::uint32_t row = y > 0 ? y - 1 : 0; row <= std::min(y + 1, rows - 1); ++row) {
    for (std::uint64_t at = x >= 2 ? x - 2 : x; at <= std::min(x + 2, bytes - 1); at += 2) {
      const int sample =
          frame.data[1][static_cast<std::ptrdiff_t>(row) * frame.linesize[1] + static_cast<std::ptrdiff_t>(at)];
      least = std::min(least, sample);
      most = std::max(most, sample);
    }
  }
  return static_cast<unsigned>(std::max({least - value, value - most, 0}));
}

/// Counts into `size` what differs; both surfaces are NV12 in host memory.
void compare(const Surface& surface, const Surface& reference, bool exact, RouteSize& size) {
  for (unsigned plane = 0; plane < info(kSurface).planes; ++plane) {
    const std::uint64_t bytes = row_bytes(kSurface, plane, size.width);
    for (std::uint32_t y = 0; y < plane_height(kSurface, plane, size.height); ++y) {
      const auto row = [&](const AVFrame& frame) {
        return frame.data[plane] + static_cast<std::ptrdiff_t>(y) * frame.linesize[plane];
      };
      const std::uint8_t* ours = row(*surface.av_frame());
      const std::uint8_t* wanted = row(*reference.av_frame());
      size.samples += bytes;
      for (std::uint64_t x = 0; x < bytes; ++x) {
        if (ours[x] == wanted[x]) continue;
        const std::uint32_t rows = plane_height(kSurface, plane, size.height);
        const auto difference =
            exact || plane == 0
                ? static_cast<unsigned>(std::abs(static_cast<int>(ours[x]) - static_cast<int>(wanted[x])))
                : outside(ours[x], *reference.av_frame(), x, y, bytes, rows);
        if (difference != 0) ++size.different;
        size.max_difference = std::max(size.max_difference, difference);
      }
    }
  }
}

/// The route with one frame, in one kind of memory, compared.
Result<void> try_memory(OpenedRoute& route, const std::shared_ptr<const Dmabuf>& dmabuf, const Surface& reference,
                        RouteSize& size) {
  const auto surface = route.importer->import(make_frame(dmabuf));
  if (!surface) return std::unexpected(surface.error());
  const auto host = readable(*surface);
  if (!host) return std::unexpected(host.error());
  RouteSize counted;
  counted.width = size.width;
  counted.height = size.height;
  compare(*host, reference, route.exact, counted);
  size = counted;
  if (size.max_difference <= kTolerance) return {};
  return fail(ErrorKind::Unsupported, "check the picture",
              fmt::format("{} of {} samples differ from the CPU route's, by up to {}", size.different, size.samples,
                          size.max_difference));
}

Result<void> take_times(Importer& importer, const std::shared_ptr<const Dmabuf>& dmabuf, RouteSize& size) {
  std::vector<double> us;
  us.reserve(kMostFrames);
  const Nanoseconds begun = monotonic_now();
  for (unsigned i = 0; i < kWarmUp + kMostFrames; ++i) {
    const Nanoseconds start = monotonic_now();
    const auto surface = importer.import(make_frame(dmabuf));
    if (!surface) return std::unexpected(surface.error());
    const Nanoseconds end = monotonic_now();
    if (i >= kWarmUp) us.push_back(static_cast<double>((end - start).count()) / 1e3);
    if (!us.empty() && end - begun > kTimingBudget) break;
  }
  const auto middle = us.begin() + static_cast<std::ptrdiff_t>(us.size() / 2);
  std::ranges::nth_element(us, middle);
  size.frames = static_cast<unsigned>(us.size());
  size.median_us = *middle;
  return {};
}

std::vector<std::uint64_t> modifiers_for(const FormatOffer& offer, PixelFormat format) {
  const auto entry = std::ranges::find(offer.formats, format, &FormatOffer::Entry::format);
  if (entry == offer.formats.end()) return {};
  return entry->modifiers;
}

/// Tries the kinds of memory until one gives the right picture, then takes its times.
Result<void> try_size(OpenedRoute& route, RouteReport& report, RouteSize& size) {
  Importer& importer = *route.importer;
  const SurfaceFormat target{.format = kSurface, .size = {size.width, size.height}, .memory = route.memory};
  if (auto ok = importer.configure(target); !ok) return ok;
  const TestPicture picture = make_test_picture(target.size);
  const auto reference = reference_surface(picture);
  if (!reference) return std::unexpected(reference.error());
  std::vector<std::uint64_t> modifiers = modifiers_for(importer.offer(), picture.format);
  // The CPU route offers none, because it takes shared memory first; it reads LINEAR ones.
  if (modifiers.empty()) modifiers.push_back(kModifierLinear);
  std::string reasons;
  for (const FrameMemory& memory : frame_memories()) {
    auto dmabuf = memory.make(picture, modifiers);
    auto tried = dmabuf ? try_memory(route, *dmabuf, *reference, size)
                        : Result<void>(std::unexpected(std::move(dmabuf.error())));
    if (!tried) {
      reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", memory.name, tried.error().message());
      continue;
    }
    report.source_memory = memory.name;
    report.modifier = modifier_name((*dmabuf)->modifier);
    return take_times(importer, *dmabuf, size);
  }
  return fail(ErrorKind::Unsupported, "", reasons);
}

}  // namespace

const std::vector<RouteRow>& route_rows() {
  static const std::vector<RouteRow> rows = make_rows();
  return rows;
}

RouteReport try_route(const RouteRow& row, std::span<const Size> sizes,
                      const std::function<void(const RouteReport&)>& progress, const GpuChoice& choice) {
  RouteReport report;
  report.route = row.name;
  report.what = row.what;
  report.zero_copy = row.zero_copy;
  progress(report);
  auto route = row.open(choice);
  if (!route) {
    report.reason = route.error().message();
    return report;
  }
  report.device = route->device;
  report.uuid = route->uuid;
  report.software = route->software;
  report.surface_memory = to_string(route->memory);
  for (const Size wanted : sizes) {
    progress(report);
    RouteSize size;
    size.width = wanted.width;
    size.height = wanted.height;
    const auto tried = try_size(*route, report, size);
    size.works = tried.has_value();
    if (!tried) size.reason = tried.error().message();
    report.sizes.push_back(std::move(size));
  }
  const auto failed = std::ranges::find(report.sizes, false, &RouteSize::works);
  report.works = failed == report.sizes.end();
  if (!report.works) report.reason = failed->reason;
  return report;
}

}  // namespace zc::probe
