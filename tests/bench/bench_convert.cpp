// RGB -> YUV conversion beside libyuv and swscale, on one core. `--benchmark_filter=1080` for one size; the ratios at
// the end compare medians of the same run.
#include "zerocopy/cpu/rgb_to_yuv.h"
#include "zerocopy/host_importer.h"

#include <benchmark/benchmark.h>
#include <libyuv.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

extern "C" {
#include <libswscale/swscale.h>
}

namespace {

using namespace zc;

Size size_of(const benchmark::State& state) {
  const auto height = static_cast<std::uint32_t>(state.range(0));
  return {height * 16 / 9, height};
}

/// A source picture and a target of any format, packed the way surfaces are.
struct Pictures {
  explicit Pictures(PixelFormat target_format, Size size) : source(size.area() * 4) {
    std::minstd_rand random(1);
    for (auto& b : source) b = static_cast<std::byte>(random() >> 8U);
    rgb = {source.data(), std::size_t{size.width} * 4, size};
    std::size_t bytes = 0;
    for (unsigned i = 0; i < info(target_format).planes; ++i) {
      bytes += row_bytes(target_format, i, size.width) * plane_height(target_format, i, size.height);
    }
    target.resize(bytes);
    yuv = {target_format, size, {}};
    std::byte* at = target.data();
    for (unsigned i = 0; i < info(target_format).planes; ++i) {
      yuv.planes.at(i) = {at, row_bytes(target_format, i, size.width)};
      at += row_bytes(target_format, i, size.width) * plane_height(target_format, i, size.height);
    }
  }
  std::vector<std::byte> source, target;
  RgbView rgb;
  YuvView yuv;
};

void ours(benchmark::State& state, PixelFormat source, PixelFormat target, Isa isa) {
  const Pictures p(target, size_of(state));
  const auto convert = RgbToYuv::create(source, target, kBt709Limited, isa);
  for ([[maybe_unused]] auto _ : state) {
    convert->convert(p.rgb, p.yuv);
    benchmark::ClobberMemory();
  }
}

/// What a recording sees: every picture comes from memory, into a surface that was written some pictures ago.
void ours_cold(benchmark::State& state, PixelFormat source, PixelFormat target, Isa isa) {
  constexpr std::size_t kBytes = std::size_t{192} << 20U;
  std::vector<std::unique_ptr<Pictures>> pictures;
  const std::size_t count = kBytes / (size_of(state).area() * 5) + 2;
  for (std::size_t i = 0; i < count; ++i) pictures.push_back(std::make_unique<Pictures>(target, size_of(state)));
  const auto convert = RgbToYuv::create(source, target, kBt709Limited, isa);
  std::size_t next = 0;
  for ([[maybe_unused]] auto _ : state) {
    const Pictures& p = *pictures[next];
    if (++next == count) next = 0;
    convert->convert(p.rgb, p.yuv);
    benchmark::ClobberMemory();
  }
}

/// Random bytes as a picture.
struct Foreign {
  Foreign(PixelFormat format, Size size) {
    image.format = format;
    image.size = size;
    std::minstd_rand random(1);
    for (unsigned i = 0; i < info(format).planes; ++i) {
      const std::size_t stride = row_bytes(format, i, size.width);
      memory.at(i).resize(stride * plane_height(format, i, size.height));
      for (auto& b : memory.at(i)) b = static_cast<std::byte>(random() >> 8U);
      image.planes.at(i) = {memory.at(i).data(), static_cast<std::uint32_t>(stride)};
    }
  }
  HostImage image;
  std::array<std::vector<std::byte>, 3> memory;
};

/// What a recording of a moving screen sees, from memory; above it, if `layer` names a format, a picture that is scaled
/// to 480x270 where it is larger, and a new one each time where it `moves`. NV12 surfaces, two of which are held.
void importer(benchmark::State& state, PixelFormat layer, Size layer_size, bool moves) {
  const Size size = size_of(state);
  const auto made = make_host_importer();
  if (!made->configure({.format = PixelFormat::NV12, .size = size})) return state.SkipWithError("cannot be configured");
  std::vector<std::unique_ptr<Foreign>> screens;
  for (std::size_t i = 0; i < (std::size_t{96} << 20U) / (size.area() * 4) + 2; ++i) {
    screens.push_back(std::make_unique<Foreign>(PixelFormat::BGRx, size));
  }
  std::vector<std::unique_ptr<Foreign>> cameras;
  for (int i = 0; i < 4 && layer != PixelFormat::Unknown; ++i) {
    cameras.push_back(std::make_unique<Foreign>(layer, layer_size));
  }
  std::array<Surface, 2> held;
  std::size_t next = 0;
  for ([[maybe_unused]] auto _ : state) {
    if (!cameras.empty() && (moves || next == 0)) {
      auto picture = std::make_shared<Frame>();
      picture->image = cameras[next % cameras.size()]->image;
      const auto right = static_cast<std::int32_t>(size.width) - 496;
      const auto bottom = static_cast<std::int32_t>(size.height) - 286;
      made->set_layers({{.id = 1, .place = {.box = {right, bottom, 480, 270}}, .picture = std::move(picture)}});
    }
    Frame frame;
    frame.image = screens[next % screens.size()]->image;
    frame.damage = Damage::all();
    auto surface = made->import(std::move(frame));
    if (!surface) return state.SkipWithError("cannot be imported");
    held[next++ % held.size()] = std::move(*surface);
  }
}

void libyuv_nv12(benchmark::State& state) {
  Pictures p(PixelFormat::NV12, size_of(state));
  const auto byte = [](std::byte* b) { return reinterpret_cast<std::uint8_t*>(b); };
  const auto width = static_cast<int>(p.rgb.size.width);
  for ([[maybe_unused]] auto _ : state) {
    libyuv::ARGBToNV12(byte(p.source.data()), width * 4, byte(p.yuv.planes[0].data), width, byte(p.yuv.planes[1].data),
                       width, width, static_cast<int>(p.rgb.size.height));
    benchmark::ClobberMemory();
  }
}

void swscale(benchmark::State& state, AVPixelFormat format, PixelFormat target) {
  Pictures p(target, size_of(state));
  const auto width = static_cast<int>(p.rgb.size.width);
  const auto height = static_cast<int>(p.rgb.size.height);
  const std::unique_ptr<SwsContext, decltype(&sws_freeContext)> context(
      sws_getContext(width, height, AV_PIX_FMT_BGR0, width, height, format, SWS_BILINEAR, nullptr, nullptr, nullptr),
      &sws_freeContext);
  sws_setColorspaceDetails(context.get(), sws_getCoefficients(SWS_CS_DEFAULT), 1, sws_getCoefficients(SWS_CS_ITU709), 0,
                           0, 1 << 16, 1 << 16);
  const std::uint8_t* const from[] = {reinterpret_cast<const std::uint8_t*>(p.source.data())};
  const int from_stride[] = {width * 4};
  std::uint8_t* to[4] = {};
  int to_stride[4] = {};
  for (unsigned i = 0; i < info(target).planes; ++i) {
    to[i] = reinterpret_cast<std::uint8_t*>(p.yuv.planes.at(i).data);
    to_stride[i] = static_cast<int>(p.yuv.planes.at(i).stride_bytes);
  }
  for ([[maybe_unused]] auto _ : state) {
    sws_scale(context.get(), from, from_stride, 0, height, to, to_stride);
    benchmark::ClobberMemory();
  }
}

/// Keeps every result so that the ratios can be printed when all have run.
class Ratios : public benchmark::ConsoleReporter {
 public:
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.run_type == Run::RT_Aggregate && run.aggregate_name != "median") continue;
      times_[run.run_name.str()] = run.GetAdjustedCPUTime();
    }
    ConsoleReporter::ReportRuns(runs);
  }
  void Finalize() override {
    for (const auto& [name, time] : times_) {
      const auto slash = name.rfind('/');
      const char* const of = name.starts_with("importer/") ? "importer/no-layer" : "BGRx-NV12/best";
      const auto base = times_.find(of + name.substr(slash));
      if (base == times_.end() || name == base->first) continue;
      std::printf("%-34s takes %5.2fx the time of %s\n", name.c_str(), time / base->second, base->first.c_str());
    }
  }

 private:
  std::map<std::string, double> times_;
};

void sizes(benchmark::internal::Benchmark* b) { b->Unit(benchmark::kMicrosecond)->Arg(720)->Arg(1080)->Arg(2160); }

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  using enum PixelFormat;
  const Isa best = best_isa();
  const auto add = [](const char* name, auto function) { sizes(benchmark::RegisterBenchmark(name, function)); };
  add("BGRx-NV12/best", [=](auto& s) { ours(s, BGRx, NV12, best); });
  add("BGRx-NV12/best-cold", [=](auto& s) { ours_cold(s, BGRx, NV12, best); });
  if (best == Isa::Avx512) {
    add("BGRx-NV12/avx2", [](auto& s) { ours(s, BGRx, NV12, Isa::Avx2); });
    add("BGRx-NV12/avx2-cold", [](auto& s) { ours_cold(s, BGRx, NV12, Isa::Avx2); });
  }
  add("BGRx-NV12/portable", [](auto& s) { ours(s, BGRx, NV12, Isa::Portable); });
  add("BGRx-I420/best", [=](auto& s) { ours(s, BGRx, I420, best); });
  add("BGRx-P010/best", [=](auto& s) { ours(s, BGRx, P010, best); });
  add("BGRx-I444/best", [=](auto& s) { ours(s, BGRx, I444, best); });
  add("xRGB_210LE-P010/best", [=](auto& s) { ours(s, xRGB_210LE, P010, best); });
  add("BGRx-NV12/libyuv-bt601", libyuv_nv12);
  add("BGRx-NV12/swscale-bt709", [](auto& s) { swscale(s, AV_PIX_FMT_NV12, NV12); });
  add("BGRx-I420/swscale-bt709", [](auto& s) { swscale(s, AV_PIX_FMT_YUV420P, I420); });
  const Size inset{480, 270};
  add("importer/no-layer", [=](auto& s) { importer(s, Unknown, {}, false); });
  add("importer/still-BGRx", [=](auto& s) { importer(s, BGRx, inset, false); });
  add("importer/BGRx", [=](auto& s) { importer(s, BGRx, inset, true); });
  add("importer/YUY2", [=](auto& s) { importer(s, YUY2, inset, true); });
  add("importer/NV12", [=](auto& s) { importer(s, NV12, inset, true); });
  add("importer/BGRx-640x360", [=](auto& s) { importer(s, BGRx, {640, 360}, true); });
  add("importer/YUY2-640x360", [=](auto& s) { importer(s, YUY2, {640, 360}, true); });
  add("importer/YUY2-1280x720", [=](auto& s) { importer(s, YUY2, {1280, 720}, true); });
  Ratios reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  return 0;
}
