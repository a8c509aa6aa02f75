// Decoders and encoders of the GPU.
#include "base/clock.h"
#include "base/process_stats.h"
#include "encode/decoder_probe.h"
#include "encode/encoder_chain.h"
#include "encode/encoder_table.h"
#include "encode/hw_frames.h"
#include "encode/surface_adapter.h"
#include "gpu/check.h"
#include "gpu/cuda/av_device.h"
#include "gpu/cuda/context.h"
#include "media/test_mark.h"
#include "tools/decode.h"

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
}

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

namespace zc::gpu_check {
namespace {

Outcome nvdec(Codec codec) {
  if (const auto context = cuda::open_context(); !context) return skipped(context.error().message());
  const DecoderReport report = probe_decoder(DecoderBackend::Nvdec, codec);
  Outcome outcome;
  outcome.figures = {{"decoder", report.decoder},
                     {"pictures", report.pictures},
                     {"samples", report.samples},
                     {"different", report.different}};
  if (report.works) return outcome;
  // Without its library, or this engine, there is nothing to check; anything else is wrong. The last are FFmpeg's words
  // for cuvidGetDecoderCaps() answering that the GPU has no such decoder (libavcodec/nvdec.c).
  constexpr std::array kAbsent = {"libnvcuvid", "not supported", "Hardware is lacking required capabilities"};
  const bool absent =
      std::ranges::any_of(kAbsent, [&](const char* words) { return report.reason.find(words) != std::string::npos; });
  outcome.verdict = absent && report.samples == 0 ? Outcome::Verdict::Skipped : Outcome::Verdict::Failed;
  outcome.reason = report.reason;
  return outcome;
}
Outcome nvdec_h264(const Setup& /*setup*/) { return nvdec(Codec::H264); }
Outcome nvdec_hevc(const Setup& /*setup*/) { return nvdec(Codec::HEVC); }
Outcome nvdec_av1(const Setup& /*setup*/) { return nvdec(Codec::AV1); }

constexpr Size kSize{640, 360};
constexpr std::uint32_t kPictures = 30;

/// An NV12 picture with its number in it, of host memory.
Result<AvFramePtr> marked_picture(std::uint32_t number) {
  AvFramePtr frame(av_frame_alloc());
  if (!frame) return fail(ErrorKind::Internal, "make a picture", "out of memory");
  frame->format = AV_PIX_FMT_NV12;
  frame->width = static_cast<int>(kSize.width);
  frame->height = static_cast<int>(kSize.height);
  if (av_frame_get_buffer(frame.get(), 0) < 0) return fail(ErrorKind::Internal, "make a picture", "out of memory");
  std::vector<std::byte> pixels(kSize.area() * 4, std::byte{0x60});
  paint_mark(pixels, std::size_t{kSize.width} * 4, kSize, {.frame = number, .time = Nanoseconds(number)});
  for (std::uint32_t y = 0; y < kSize.height; ++y) {
    for (std::uint32_t x = 0; x < kSize.width; ++x) {
      const auto blue = std::to_integer<unsigned>(pixels[(std::size_t{y} * kSize.width + x) * 4]);
      frame->data[0][static_cast<std::ptrdiff_t>(y) * frame->linesize[0] + x] =
          static_cast<std::uint8_t>(16 + blue * 219 / 255);
    }
  }
  for (std::uint32_t y = 0; y < kSize.height / 2; ++y) {
    std::memset(frame->data[1] + static_cast<std::ptrdiff_t>(y) * frame->linesize[1], 128, kSize.width);
  }
  return frame;
}

/// Copies a picture into CUDA memory of FFmpeg's.
Result<Surface> in_cuda(AVBufferRef& frames, const AVFrame& picture) {
  AvFramePtr frame(av_frame_alloc());
  if (!frame || av_hwframe_get_buffer(&frames, frame.get(), 0) < 0 ||
      av_hwframe_transfer_data(frame.get(), &picture, 0) < 0) {
    return fail(ErrorKind::Internal, "copy a picture to the GPU", "FFmpeg refuses");
  }
  return Surface(std::move(frame), {.format = PixelFormat::NV12, .size = kSize, .memory = MemoryKind::Cuda});
}

/// Pictures in CUDA memory to whichever encoder of the chain opens: NVENC takes them as they are, and where the GPU has
/// none they come back for a software encoder. Every mark is read from the decoded stream.
Outcome chain(const Setup& setup) {
  const auto context = cuda::open_context(setup.device->gpu().uuid);
  if (!context) return skipped(context.error().message());
  auto device = cuda::make_av_device(*context);
  if (!device) return failed(device.error().message());
  const auto frames = make_hw_frames(**device, AV_PIX_FMT_CUDA, AV_PIX_FMT_NV12, kSize);
  if (!frames) return failed(frames.error().message());
  EncoderSettings settings;
  settings.preset = Preset::LowLatency;
  auto chain = EncoderChain::create(settings);
  if (!chain) return failed(chain.error().message());
  auto encoder = chain->open_first({.size = kSize, .rate = {30, 1}, .threads = 2, .device = *context});
  if (!encoder) return failed(encoder.error().message());
  std::vector<Packet> packets;
  std::optional<SurfaceAdapter> adapter;
  for (std::uint32_t number = 0; number < kPictures; ++number) {
    const auto picture = marked_picture(number);
    if (!picture) return failed(picture.error().message());
    auto surface = in_cuda(**frames, **picture);
    if (!surface) return failed(surface.error().message());
    surface->stream_time = std::chrono::milliseconds(33) * number;
    if (!adapter) {
      auto made = SurfaceAdapter::create(surface->format(), (*encoder)->input());
      if (!made) return failed(made.error().message());
      adapter.emplace(*std::move(made));
    }
    const auto adapted = adapter->adapt(*surface);
    if (!adapted) return failed(adapted.error().message());
    if (auto ok = (*encoder)->submit(*adapted); !ok) return failed(ok.error().message());
    for (auto packet = (*encoder)->receive(); packet && *packet; packet = (*encoder)->receive()) {
      packets.push_back(std::move(**packet));
    }
  }
  if (auto ok = (*encoder)->drain(); !ok) return failed(ok.error().message());
  for (auto packet = (*encoder)->receive(); packet && *packet; packet = (*encoder)->receive()) {
    packets.push_back(std::move(**packet));
  }
  auto decoder = test::Decoder::open((*encoder)->stream(), packets);
  if (!decoder) return failed(decoder.error().message());
  for (std::uint32_t number = 0; number < kPictures; ++number) {
    const auto frame = decoder->next();
    if (!frame || !*frame) return failed(fmt::format("picture {} is missing", number));
    const auto mark = (*frame)->mark(kSize);
    if (!mark || mark->frame != number) return failed(fmt::format("picture {} is another one", number));
  }
  Outcome outcome;
  outcome.figures = {{"encoder", (*encoder)->name()},
                     {"takes_cuda", (*encoder)->input().memory == MemoryKind::Cuda},
                     {"pictures", kPictures},
                     {"refused", Json::array()}};
  for (const EncoderChain::Refusal& refusal : chain->refusals()) {
    outcome.figures["refused"].push_back({{"encoder", refusal.encoder}, {"reason", refusal.error.message()}});
  }
  return outcome;
}

/// A 4K picture from CUDA memory to the host, for a software encoder: through page-locked memory and without it.
Outcome download(const Setup& setup) {
  constexpr Size k4k{3840, 2160};
  constexpr std::size_t kRuns = 120;
  const auto context = cuda::open_context(setup.device->gpu().uuid);
  if (!context) return skipped(context.error().message());
  auto device = cuda::make_av_device(*context);
  if (!device) return failed(device.error().message());
  const auto frames = make_hw_frames(**device, AV_PIX_FMT_CUDA, AV_PIX_FMT_NV12, k4k);
  if (!frames) return failed(frames.error().message());
  AvFramePtr frame(av_frame_alloc());
  if (!frame || av_hwframe_get_buffer(frames->get(), frame.get(), 0) < 0) return failed("no 4K picture in CUDA memory");
  const SurfaceFormat in_cuda{.format = PixelFormat::NV12, .size = k4k, .memory = MemoryKind::Cuda};
  const Surface surface(std::move(frame), in_cuda);
  Outcome outcome;
  for (const bool pinned : {true, false}) {
    auto adapter = SurfaceAdapter::create(in_cuda, {.format = PixelFormat::NV12, .size = k4k});
    if (!adapter) return failed(adapter.error().message());
    if (!pinned) adapter->use_pageable_memory();
    std::vector<double> us;
    const Nanoseconds cpu = process_cpu_time();
    for (std::size_t run = 0; run < kRuns; ++run) {
      const Nanoseconds start = monotonic_now();
      if (const auto adapted = adapter->adapt(surface); !adapted) return failed(adapted.error().message());
      us.push_back(static_cast<double>((monotonic_now() - start).count()) / 1e3);
    }
    const double cpu_us = static_cast<double>((process_cpu_time() - cpu).count()) / 1e3 / kRuns;
    std::ranges::sort(us);
    outcome.figures[pinned ? "page_locked" : "pageable"] = {
        {"median_us", us[kRuns / 2]}, {"p95_us", us[kRuns * 95 / 100]}, {"cpu_us", cpu_us}};
  }
  return outcome;
}

constexpr std::array kChecks{
    CheckRow{"nvdec-h264", "NVDEC's pixels of H.264 beside the software decoder's", nvdec_h264},
    CheckRow{"nvdec-hevc", "likewise HEVC", nvdec_hevc},
    CheckRow{"nvdec-av1", "likewise AV1", nvdec_av1},
    CheckRow{"download", "a 4K NV12 picture back from CUDA memory, page-locked and pageable: time and CPU", download},
    CheckRow{"chain", "pictures in CUDA memory to NVENC, or back to a software encoder where there is none", chain},
};

}  // namespace

std::span<const CheckRow> coding_checks() { return kChecks; }

}  // namespace zc::gpu_check
