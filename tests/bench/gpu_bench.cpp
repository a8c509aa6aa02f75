// zerocast-gpu-bench: what one frame costs on this machine's GPU, as JSON on stdout. Our pass over a LINEAR buffer and
// over a tiled image (in Vulkan, and in OpenGL ES), beside plain copies of the same frame and beside what other
// programs do: copy, fence, pitched CUDA copy; blit, map, pitched CUDA copy, wait. Those have a CUDA context with the
// flags that such programs give it, or with --asleep this program's, in which threads sleep as they wait. All are
// measured by turns; a ratio is the median of the turns' ratios. Every result is compared with the CPU path; a
// wrong one is the error of the run (exit code 1). At one size the same again beside a process that keeps the GPU busy
// (this program with --load). A scene of several pictures is drawn by our one pass and by a chain of passes, and a
// decoder's pictures go through it.
#include "base/clock.h"
#include "base/process_stats.h"
#include "bench/gl_side.h"
#include "bench/scene_bench.h"
#include "bench/ways.h"
#include "gpu/cuda/context.h"
#include "zerocopy/cpu/rgb_to_yuv.h"
#include "zerocopy/cuda/cuda_memory.h"
#include "zerocopy/vulkan/conversion_pass.h"

#include <ffnvcodec/dynlink_loader.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <functional>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using namespace zc;
using namespace zc::bench;
using nlohmann::json;

constexpr PixelFormat kSource = PixelFormat::BGRx;

struct Scene {
  std::shared_ptr<VulkanDevice> device;
  Size size;
  std::vector<std::byte> pixels;
  PicturePlan plan;
  SurfaceLayout layout;
  VulkanBuffer source, copy, target, readback;
  VulkanImage image;

  [[nodiscard]] SourcePlane plane() const { return {0, std::size_t{size.width} * 4}; }
};

Scene make_scene(const std::shared_ptr<VulkanDevice>& device, ConversionPass& pass, Size size) {
  Scene s;
  s.device = device;
  s.size = size;
  s.pixels.resize(size.area() * 4);
  std::minstd_rand random(1);
  for (std::byte& b : s.pixels) b = static_cast<std::byte>(random() >> 8U);
  s.plan = need(make_picture_plan(kSource, size, {}, Transform::Normal, size));
  s.layout = surface_layout(PixelFormat::NV12, size, 256);
  s.source = need(VulkanBuffer::create_exportable(device, s.pixels.size()));
  s.copy = need(VulkanBuffer::create_exportable(device, s.pixels.size()));
  s.target = need(VulkanBuffer::create_exportable(device, s.layout.bytes));
  s.readback = need(VulkanBuffer::create_host(device, s.layout.bytes));
  const VulkanBuffer staging = need(VulkanBuffer::create_host(device, s.pixels.size()));
  std::memcpy(staging.mapped(), s.pixels.data(), s.pixels.size());
  need(pass.copy(staging, s.source, s.pixels.size(), kTimeout));
  s.image = need(VulkanImage::create(device, kSource, size));
  need(pass.upload(staging, s.image, kTimeout));
  return s;
}

/// Samples of the target that differ from the CPU path's.
std::size_t wrong_samples(const Scene& s, ConversionPass& pass) {
  need(pass.copy(s.target, s.readback, s.layout.bytes, kTimeout));
  need(s.readback.invalidate());
  std::vector<std::byte> want(s.layout.bytes);
  YuvView view{s.layout.format, s.size, {}};
  for (unsigned i = 0; i < 2; ++i) {
    view.planes.at(i) = {want.data() + s.layout.planes.at(i).offset_bytes, s.layout.planes.at(i).stride_bytes};
  }
  need(RgbToYuv::create(kSource, PixelFormat::NV12, kBt709Limited))
      .convert({s.pixels.data(), s.plane().stride_bytes, s.size}, view);
  std::size_t wrong = 0;
  for (unsigned i = 0; i < 2; ++i) {
    const std::size_t rows = plane_height(s.layout.format, i, s.size.height);
    for (std::size_t y = 0; y < rows; ++y) {
      const std::size_t row = s.layout.planes.at(i).offset_bytes + y * s.layout.planes.at(i).stride_bytes;
      for (std::size_t x = 0; x < row_bytes(s.layout.format, i, s.size.width); ++x) {
        if (want[row + x] != s.readback.mapped()[row + x]) ++wrong;
      }
    }
  }
  return wrong;
}

void check_pixels(const Scene& s, ConversionPass& pass, const char* what) {
  if (const std::size_t wrong = wrong_samples(s, pass); wrong != 0) {
    fmt::print(stderr, "zerocast-gpu-bench: {}: {} samples differ from the CPU path\n", what, wrong);
    std::exit(1);
  }
}

/// How threads wait in a CUDA context.
enum class CudaWaits : std::uint8_t {
  AsOthers,  ///< CU_CTX_SCHED_AUTO, a context of its own: as recorders open it (gpu-screen-recorder, OBS)
  Asleep,    ///< this program's: the process's one context, CU_CTX_SCHED_BLOCKING_SYNC
};

/// What other programs use CUDA for: its view of Vulkan memory, and a stream to copy on and to wait for.
class CudaSide {
 public:
  CudaSide(std::shared_ptr<const cuda::Driver> driver, const cuda::Device& device, CudaWaits waits)
      : driver_(std::move(driver)), api_(driver_->api()) {
    if (waits == CudaWaits::AsOthers) {
      constexpr unsigned kSchedAuto = 0;  // CU_CTX_SCHED_AUTO, which ffnvcodec's header lacks
      check(api_.cuCtxCreate(&own_, kSchedAuto, device.handle), "make a context");
      CUcontext made = nullptr;
      check(api_.cuCtxPopCurrent(&made), "leave the context");
    } else {
      shared_ = need(cuda::Context::open(driver_, device));
    }
    inside([&] { check(api_.cuStreamCreate(&stream_, CU_STREAM_NON_BLOCKING), "make a stream"); });
  }
  CudaSide(const CudaSide&) = delete;
  CudaSide& operator=(const CudaSide&) = delete;
  ~CudaSide() {
    inside([&] {
      for (const CUdeviceptr pointer : memory_) api_.cuMemFree(pointer);
      for (CUexternalMemory external : external_) api_.cuDestroyExternalMemory(external);
      if (stream_ != nullptr) api_.cuStreamDestroy(stream_);
    });
    if (own_ != nullptr) api_.cuCtxDestroy(own_);
  }
  /// `work` with this context current.
  template <class Work>
  void inside(const Work& work) {
    check(api_.cuCtxPushCurrent(own_ != nullptr ? own_ : shared_->handle()), "enter the context");
    work();
    CUcontext left = nullptr;
    check(api_.cuCtxPopCurrent(&left), "leave the context");
  }
  /// Lives as long as this, as what allocate() returns.
  [[nodiscard]] CUdeviceptr map(const VulkanBuffer& buffer) {
    constexpr unsigned kDedicated = 1;  // CUDA_EXTERNAL_MEMORY_DEDICATED of cuda.h
    CUDA_EXTERNAL_MEMORY_HANDLE_DESC handle{};
    handle.type = CU_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD;
    UniqueFd fd = need(buffer.export_fd());
    handle.handle.fd = fd.get();
    handle.size = buffer.allocation_bytes();
    handle.flags = kDedicated;
    CUDA_EXTERNAL_MEMORY_BUFFER_DESC whole{};
    whole.size = buffer.bytes();
    CUdeviceptr pointer = 0;
    inside([&] {
      check(api_.cuImportExternalMemory(&external_.emplace_back(), &handle), "import");
      static_cast<void>(fd.release());  // CUDA's now
      check(api_.cuExternalMemoryGetMappedBuffer(&pointer, external_.back(), &whole), "map");
    });
    return memory_.emplace_back(pointer);
  }
  [[nodiscard]] CUdeviceptr allocate(std::size_t row, std::size_t rows, std::size_t& pitch) {
    CUdeviceptr pointer = 0;
    inside([&] { check(api_.cuMemAllocPitch(&pointer, &pitch, row, rows, 16), "allocate"); });
    return memory_.emplace_back(pointer);
  }
  [[nodiscard]] const cuda::Driver& driver() const { return *driver_; }
  [[nodiscard]] CUstream stream() const { return stream_; }
  [[nodiscard]] std::vector<std::byte> download(CUdeviceptr from, std::size_t bytes) {
    std::vector<std::byte> out(bytes);
    inside([&] { check(api_.cuMemcpyDtoH(out.data(), from, bytes), "download"); });
    return out;
  }
  void copy(CUdeviceptr to, CUdeviceptr from, std::size_t bytes) {
    inside([&] {
      check(api_.cuMemcpyDtoDAsync(to, from, bytes, stream_), "copy");
      wait();
    });
  }
  void copy_pitched(CUdeviceptr to, std::size_t pitch, CUdeviceptr from, std::size_t row, std::size_t rows) {
    CUDA_MEMCPY2D m{};
    m.srcMemoryType = CU_MEMORYTYPE_DEVICE;
    m.srcDevice = from;
    m.srcPitch = row;
    m.dstMemoryType = CU_MEMORYTYPE_DEVICE;
    m.dstDevice = to;
    m.dstPitch = pitch;
    m.WidthInBytes = row;
    m.Height = rows;
    inside([&] {
      check(api_.cuMemcpy2DAsync(&m, stream_), "pitched copy");
      wait();
    });
  }

 private:
  void wait() { check(api_.cuStreamSynchronize(stream_), "wait"); }
  void check(CUresult result, const char* what) { need(driver_->check(result, what)); }

  std::shared_ptr<const cuda::Driver> driver_;
  const CudaFunctions& api_;
  std::shared_ptr<const cuda::Context> shared_;
  CUcontext own_ = nullptr;
  CUstream stream_ = nullptr;
  std::vector<CUexternalMemory> external_;
  std::vector<CUdeviceptr> memory_;
};

/// The ways of other programs that need CUDA, on one side of it.
struct CudaRivals {
  CudaRivals(std::shared_ptr<const cuda::Driver> driver, const cuda::Device& device, CudaWaits waits, const Scene& s)
      : side(std::move(driver), device, waits), from(side.map(s.source)), to(side.map(s.copy)) {
    pool = side.allocate(s.plane().stride_bytes, s.size.height, pitch);
  }
  CudaSide side;
  CUdeviceptr from, to, pool = 0;
  std::size_t pitch = 0;
};

constexpr std::array kWorkgroups = {std::array{32, 4}, std::array{16, 8}, std::array{8, 8},  std::array{8, 16},
                                    std::array{4, 8},  std::array{8, 4},  std::array{32, 8}, std::array{64, 2}};

json tune_linear_and_tiled(const std::shared_ptr<VulkanDevice>& device, int count,
                           const std::function<void(ConversionPass&, bool tiled)>& convert) {
  json out;
  for (const auto workgroup : kWorkgroups) {
    for (const int spin_us : {0, 200}) {
      const auto with =
          need(ConversionPass::create(device, {workgroup, workgroup, std::chrono::microseconds(spin_us)}));
      out[fmt::format("{}x{} spin {}", workgroup[0], workgroup[1], spin_us)] = {
          {"linear", measure_one(count, [&] { convert(*with, false); })},
          {"tiled", measure_one(count, [&] { convert(*with, true); })}};
    }
  }
  return out;
}

json tune_gl(const bench::GlSide& side, int count, const std::function<void(GlPass&)>& convert) {
  json out;
  for (const auto workgroup : kWorkgroups) {
    for (const int spin_us : {0, 200}) {
      GlPass with(side.device(), {workgroup, std::chrono::microseconds(spin_us)});
      out[fmt::format("{}x{} spin {}", workgroup[0], workgroup[1], spin_us)] =
          measure_one(count, [&] { convert(with); });
    }
  }
  return out;
}

/// That the blit left the picture in `pool`.
void check_blit(const Scene& s, CudaSide& side, CUdeviceptr pool, std::size_t pitch) {
  const std::vector<std::byte> got = side.download(pool, pitch * s.size.height);
  const std::size_t row = s.plane().stride_bytes;
  for (std::size_t y = 0; y < s.size.height; ++y) {
    if (std::memcmp(got.data() + y * pitch, s.pixels.data() + y * row, row) != 0) {
      fmt::print(stderr, "zerocast-gpu-bench: gl_blit_map_pitched: row {} is not the picture's\n", y);
      std::exit(1);
    }
  }
}

/// What each route of ours replaces.
constexpr std::array<std::array<const char*, 2>, 4> kRivals{{{"linear", "vk_copy_fence_cuda_pitched"},
                                                             {"tiled", "vk_copy_fence_cuda_pitched"},
                                                             {"tiled", "gl_blit_map_pitched"},
                                                             {"gl_tiled", "gl_blit_map_pitched"}}};

json ratios(const std::vector<Way>& ways) {
  const auto find = [&ways](std::string_view name) { return std::ranges::find(ways, name, &Way::name); };
  json out;
  for (const auto& [route, classic] : kRivals) {
    const auto ours = find(route), theirs = find(classic), plain = find("cuda_copy");
    if (ours == ways.end() || theirs == ways.end() || plain == ways.end()) continue;
    const std::string peer = std::string_view(classic) == "gl_blit_map_pitched" ? "blit" : "classic";
    json& of = out[route];
    of["over_plain_copy"] = ratio(ours->turn_median_us, plain->turn_median_us);
    of[peer + "_over_it"] = ratio(theirs->turn_median_us, ours->turn_median_us);
    of["cpu_of_" + peer] = ratio(ours->turn_cpu_us, theirs->turn_cpu_us);
  }
  return out;
}

struct Effort {
  int turns, count;
  bool tune;
  CudaWaits waits;
};

json bench_size(const std::shared_ptr<VulkanDevice>& device, Size size, Effort effort) {
  const auto pass = need(ConversionPass::create(device));
  Scene s = make_scene(device, *pass, size);
  const auto convert = [&](ConversionPass& with, bool tiled) {
    const ConversionPass::Source source = tiled ? ConversionPass::Source{.image = &s.image}
                                                : ConversionPass::Source{.buffer = &s.source, .plane = s.plane()};
    need(with.run(source, s.plan, s.target, s.layout, kBt709Limited, kTimeout));
  };
  // The target is spoiled after each check: the next must not find the picture there already.
  const auto check = [&](const char* what) {
    return [&, what] {
      check_pixels(s, *pass, what);
      need(pass->copy(s.source, s.target, s.layout.bytes, kTimeout));
    };
  };
  json out{{"width", size.width}, {"height", size.height}};
  std::vector<Way> ways;
  ways.push_back({"linear", [&] { convert(*pass, false); }, check("linear")});
  ways.push_back({"tiled", [&] { convert(*pass, true); }, check("tiled")});
  const auto copy = [&] { need(pass->copy(s.source, s.copy, s.pixels.size(), kTimeout)); };
  ways.push_back({"vk_copy_fence", copy});

  auto gl = bench::GlSide::create(*device, size, s.pixels);
  if (!gl) out["gl"] = gl.error().message();
  const auto convert_gl = [&](GlPass& with) { need((*gl)->convert(with, s.plan, s.target, s.layout, kTimeout)); };
  std::optional<GlPass> gl_pass;
  const auto gl_imports = [&gl] {
    const GlCounters& counters = (*gl)->device()->counters();
    return counters.memories + counters.images + counters.programs;
  };
  if (gl) {
    gl_pass.emplace((*gl)->device());
    convert_gl(*gl_pass);
    ways.push_back({"gl_tiled", [&] { convert_gl(*gl_pass); }, check("gl_tiled")});
  }

  const auto driver = cuda::Driver::load();
  if (!driver) out["cuda"] = driver.error().message();
  std::optional<CudaRivals> rivals;
  std::unique_ptr<bench::GlBlit> blit;
  const std::size_t row = s.plane().stride_bytes;
  if (driver) {
    const auto devices = need((*driver)->devices());
    const auto same = std::ranges::find(devices, device->gpu().uuid, &cuda::Device::uuid);
    if (same == devices.end())
      give_up(fail(ErrorKind::NotFound, "bench CUDA", "it does not have Vulkan's device").error());
    rivals.emplace(*driver, *same, effort.waits, s);
    ways.push_back({"cuda_copy", [&] { rivals->side.copy(rivals->to, rivals->from, s.pixels.size()); }});
    ways.push_back({"vk_copy_fence_cuda_pitched", [&] {
                      copy();
                      rivals->side.copy_pitched(rivals->pool, rivals->pitch, rivals->to, row, size.height);
                    }});
  }
  if (driver && gl) {
    rivals->side.inside(
        [&] { blit = need(bench::GlBlit::create(**gl, rivals->side.driver(), rivals->side.stream())); });
    ways.push_back({"gl_blit_map_pitched",
                    [&] { rivals->side.inside([&] { need(blit->frame(rivals->pool, rivals->pitch)); }); },
                    [&] { check_blit(s, rivals->side, rivals->pool, rivals->pitch); }});
  }

  const std::uint64_t allocations = device->counters().allocations, imports = device->counters().imports;
  const std::uint64_t gl_before = gl ? gl_imports() : 0;
  measure(ways, effort.turns, effort.count);
  out["allocations"] = device->counters().allocations - allocations;
  out["imports"] = device->counters().imports - imports;
  if (gl) out["gl_imports"] = gl_imports() - gl_before;
  for (const Way& way : ways) out[way.name] = figures(way);
  if (json found = ratios(ways); !found.is_null()) out["ratios"] = std::move(found);
  if (effort.tune) {
    out["tune"] = tune_linear_and_tiled(device, effort.count, convert);
    if (gl) out["tune_gl"] = tune_gl(**gl, effort.count, convert_gl);
  }
  if (rivals) rivals->side.inside([&] { blit.reset(); });
  return out;
}

/// Conversions without a pause by several threads, each with a queue of its own and of no priority, until it is ended.
[[noreturn]] void load() {
  constexpr Size kSize{7680, 4320};
  constexpr int kQueues = 3;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::vector<std::jthread> threads;
  for (int i = 0; i < kQueues; ++i) {
    threads.emplace_back([] {
      auto instance = need(VulkanInstance::create());
      const auto gpus = need(instance->gpus());
      VulkanGpu gpu = gpus.at(need(choose_gpu(gpus, {.use = VulkanUse::Export})));
      std::erase(gpu.extensions, VK_KHR_GLOBAL_PRIORITY_EXTENSION_NAME);
      const auto device = need(VulkanDevice::create(std::move(instance), gpu));
      const auto pass = need(ConversionPass::create(device));
      const Scene s = make_scene(device, *pass, kSize);
      while (true) {
        need(pass->run({.image = &s.image}, s.plan, s.target, s.layout, kBt709Limited, kTimeout));
      }
    });
  }
  threads.clear();
  std::exit(1);
}

/// A process of load(), as long as this lives.
class Load {
 public:
  Load() {
    std::array<char*, 3> arguments{program_.data(), option_.data(), nullptr};
    if (const int error = ::posix_spawn(&pid_, "/proc/self/exe", nullptr, nullptr, arguments.data(), environ)) {
      give_up(fail_errno(error, "start the load").error());
    }
    std::this_thread::sleep_for(std::chrono::seconds(5));  // its pictures are made on the CPU
    if (::waitpid(pid_, nullptr, WNOHANG) != 0) give_up(fail(ErrorKind::Lost, "keep the GPU busy", "it ended").error());
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  ~Load() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

 private:
  std::string program_ = "zerocast-gpu-bench", option_ = "--load";
  pid_t pid_ = 0;
};

int run(std::string_view option) {
  if (option == "--load") load();
  const bool tune = option == "--tune", quick = option == "--quick";
  const CudaWaits waits = option == "--asleep" ? CudaWaits::Asleep : CudaWaits::AsOthers;
  // A software renderer would take hours for figures that say nothing about a GPU.
  auto opened = VulkanDevice::open({.use = VulkanUse::Export, .software = quick});
  if (!opened && opened.error().kind == ErrorKind::Unsupported) {
    fmt::print(stderr, "zerocast-gpu-bench: {}\n", opened.error().message());
    return kNoGpu;
  }
  const std::shared_ptr<VulkanDevice> device = need(std::move(opened));
  json report{{"device", device->gpu().name}, {"driver", device->gpu().driver}, {"realtime", device->realtime()}};
  const std::vector<Size> sizes =
      quick ? std::vector{Size{640, 360}} : std::vector{Size{1920, 1080}, Size{3840, 2160}, Size{7680, 4320}};
  for (const Size size : sizes) {
    report["sizes"].push_back(
        bench_size(device, size, quick ? Effort{2, 5, tune, waits} : Effort{7, 300, tune, waits}));
  }
  if (!tune) {
    report["scene"] = bench_scene(device, quick ? Size{640, 360} : Size{3840, 2160}, quick ? 2 : 7, quick ? 5 : 300);
    report["decoded"] = bench_decoded(device, quick ? Size{640, 360} : Size{3840, 2160}, quick ? 8 : 120);
  }
  if (!quick && !tune) {
    const Load load;
    report["busy"] = bench_size(device, {3840, 2160}, {5, 100, false, waits});
  }
  fmt::print("{}\n", report.dump(2));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc > 1 ? argv[1] : "");
  } catch (const std::exception& error) {
    fmt::print(stderr, "zerocast-gpu-bench: {}\n", error.what());
    return 1;
  }
}
