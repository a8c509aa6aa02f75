// Surfaces in CUDA memory that the pass fills in place.
#include "encode/surface_adapter.h"
#include "gpu/check.h"
#include "gpu/cuda/context.h"
#include "media/colour.h"
#include "zerocopy/cuda/cuda_surface_pool.h"

#include <dlfcn.h>

extern "C" {
#include <libavutil/frame.h>
}

#include <fmt/format.h>

#include <array>

namespace zc::gpu_check {
namespace {

constexpr std::size_t kSurfaces = 4;

/// A pool on the GPU that Vulkan and CUDA both are.
struct Pooled {
  std::shared_ptr<const cuda::Context> context;
  std::shared_ptr<CudaCounters> counters = std::make_shared<CudaCounters>();
  std::unique_ptr<Bench> bench;
};

Result<Pooled> open(const Setup& setup) {
  Pooled pooled;
  auto context = cuda::open_context(setup.device->gpu().uuid);
  if (!context) {
    context.error().kind = ErrorKind::Unsupported;
    return std::unexpected(std::move(context.error()));
  }
  auto bench = Bench::create(setup.device);
  if (!bench) return std::unexpected(std::move(bench.error()));
  pooled.context = *std::move(context);
  pooled.bench = *std::move(bench);
  return pooled;
}

Result<std::unique_ptr<CudaSurfacePool>> make_pool(const Setup& setup, const Pooled& pooled, PixelFormat format,
                                                   Size size) {
  return CudaSurfacePool::create({.format = format, .size = size, .colour = kBt709Limited, .memory = MemoryKind::Cuda},
                                 kSurfaces, pooled.context, setup.device, pooled.counters);
}

/// One picture through the pass into a surface of the pool.
Result<Surface> filled(Pooled& pooled, CudaSurfacePool& pool, const VulkanBuffer& picture) {
  auto taken = pool.take();
  if (!taken) return std::unexpected(std::move(taken.error()));
  const SurfaceLayout& layout = pool.layout();
  const auto plan = make_picture_plan(PixelFormat::BGRx, layout.size, {}, Transform::Normal, layout.size);
  if (!plan) return std::unexpected(plan.error());
  const ConversionPass::Source from{.buffer = &picture, .plane = {0, std::size_t{layout.size.width} * 4}};
  if (auto ok = pooled.bench->pass().run(from, *plan, taken->slot().buffer, layout, kBt709Limited, kFrameTimeout);
      !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  return pool.publish(*std::move(taken));
}

/// Samples that differ from the CPU's conversion once FFmpeg has copied the surface back.
Result<std::size_t> wrong_in(const Surface& surface, std::span<const std::byte> pixels) {
  SurfaceFormat host = surface.format();
  host.memory = MemoryKind::Host;
  auto adapter = SurfaceAdapter::create(surface.format(), host);
  if (!adapter) return std::unexpected(std::move(adapter.error()));
  const auto copy = adapter->adapt(surface);
  if (!copy) return std::unexpected(copy.error());
  const AVFrame& frame = *copy->av_frame();
  SurfaceLayout layout = surface_layout(host.format, host.size, 1);
  const auto wanted = converted(pixels, PixelFormat::BGRx, layout);
  if (!wanted) return std::unexpected(wanted.error());
  std::size_t wrong = 0;
  for (unsigned plane = 0; plane < info(host.format).planes; ++plane) {
    const std::size_t row = row_bytes(host.format, plane, host.size.width);
    for (std::uint32_t y = 0; y < plane_height(host.format, plane, host.size.height); ++y) {
      const std::uint8_t* ours = frame.data[plane] + static_cast<std::ptrdiff_t>(y) * frame.linesize[plane];
      const std::byte* theirs = wanted->data() + layout.planes.at(plane).offset_bytes + y * row;
      for (std::size_t x = 0; x < row; ++x) wrong += std::byte{ours[x]} == theirs[x] ? 0U : 1U;
    }
  }
  return wrong;
}

/// Pictures in every layout that encoders take, as FFmpeg reads them; then many without a new allocation or import.
Outcome pool(const Setup& setup) {
  constexpr std::array kFormats{PixelFormat::NV12, PixelFormat::P010, PixelFormat::I444};
  const Size size = setup.software ? Size{642, 362} : Size{1922, 1082};
  auto pooled = open(setup);
  if (!pooled) return outcome_of(pooled.error());
  const std::size_t frames = setup.software ? 20 : 1000;
  Outcome outcome;
  for (const PixelFormat format : kFormats) {
    const auto pool = make_pool(setup, *pooled, format, size);
    if (!pool) return outcome_of(pool.error());
    std::vector<std::vector<std::byte>> pictures;
    std::vector<VulkanBuffer> buffers;
    for (unsigned seed = 1; seed <= 2; ++seed) {
      pictures.push_back(noise(size, seed));
      auto buffer = pooled->bench->upload(pictures.back());
      if (!buffer) return outcome_of(buffer.error());
      buffers.push_back(*std::move(buffer));
    }
    // Two at once, so that they cannot be the same memory.
    std::array<Surface, 2> surfaces;
    for (std::size_t i = 0; i < surfaces.size(); ++i) {
      auto surface = filled(*pooled, **pool, buffers[i]);
      if (!surface) return outcome_of(surface.error());
      surfaces.at(i) = *std::move(surface);
    }
    for (std::size_t i = 0; i < surfaces.size(); ++i) {
      const auto wrong = wrong_in(surfaces.at(i), pictures[i]);
      if (!wrong) return failed(wrong.error().message());
      if (*wrong != 0) return failed(fmt::format("{}: {} samples are wrong", name(format), *wrong));
    }
    surfaces = {};
    const std::array before{pooled->counters->imports.load(), setup.device->counters().allocations.load(),
                            setup.device->counters().exports.load()};
    for (std::size_t i = 0; i < frames; ++i) {
      if (const auto surface = filled(*pooled, **pool, buffers[i % 2]); !surface) {
        return failed(surface.error().message());
      }
    }
    const std::array after{pooled->counters->imports.load(), setup.device->counters().allocations.load(),
                           setup.device->counters().exports.load()};
    if (after != before) return failed(fmt::format("{}: memory was made while pictures were", name(format)));
    outcome.figures[std::string(name(format))] = {{"wrong_samples", 0}, {"frames", frames}, {"allocations", 0}};
  }
  return outcome;
}

/// A hundred pools of other sizes leave no memory and no descriptors behind.
Outcome size_changes(const Setup& setup) {
  constexpr unsigned kChanges = 100;
  constexpr unsigned kSettled = 20;
  auto pooled = open(setup);
  if (!pooled) return outcome_of(pooled.error());
  const auto current = cuda::CurrentContext::push(*pooled->context);
  if (!current) return failed(current.error().message());
  // FFmpeg's table of CUDA functions has no such one; the driver is loaded already.
  void* library = ::dlopen("libcuda.so.1", RTLD_LAZY);
  const auto get_info = reinterpret_cast<CUresult (*)(std::size_t*, std::size_t*)>(::dlsym(library, "cuMemGetInfo_v2"));
  std::size_t free_before = 0;
  std::size_t fds_before = 0;
  const auto free_memory = [&]() -> std::size_t {
    std::size_t free = 0;
    std::size_t total = 0;
    return get_info != nullptr && get_info(&free, &total) == CUDA_SUCCESS ? free : 0;
  };
  const auto picture = pooled->bench->upload(noise({1280, 720}, 3));
  if (!picture) return outcome_of(picture.error());
  for (unsigned i = 0; i < kChanges; ++i) {
    if (i == kSettled) {
      free_before = free_memory();
      fds_before = open_fds();
    }
    const Size size{640 + i % 10 * 64, 360 + i % 10 * 36};
    const auto pool = make_pool(setup, *pooled, PixelFormat::NV12, size);
    if (!pool) return outcome_of(pool.error());
    std::array<Surface, kSurfaces> surfaces;
    for (Surface& surface : surfaces) {
      auto made = filled(*pooled, **pool, *picture);
      if (!made) return failed(fmt::format("change {}: {}", i, made.error().message()));
      surface = *std::move(made);
    }
  }
  const auto lost = static_cast<std::int64_t>(free_before) - static_cast<std::int64_t>(free_memory());
  const auto descriptors = static_cast<std::int64_t>(open_fds()) - static_cast<std::int64_t>(fds_before);
  Outcome outcome;
  outcome.figures = {{"changes", kChanges}, {"device_bytes_lost", lost}, {"descriptors_left", descriptors}};
  // Drivers keep some blocks back; four 720p surfaces have 5.5 MB, and 80 changes would lose a hundred times that.
  constexpr std::int64_t kSlack = std::int64_t{64} << 20U;
  if (lost > kSlack || descriptors > 0) {
    outcome.verdict = Outcome::Verdict::Failed;
    outcome.reason = "memory or descriptors were left behind";
  }
  return outcome;
}

constexpr std::array kChecks{
    CheckRow{"pool", "the pass fills surfaces in CUDA memory, as FFmpeg reads them, and makes no new ones", pool},
    CheckRow{"size-changes", "a hundred sizes leave no GPU memory and no descriptors behind", size_changes},
};

}  // namespace

std::span<const CheckRow> pool_checks() { return kChecks; }

}  // namespace zc::gpu_check
