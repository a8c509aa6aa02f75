#include "verify_support.h"

#include "audio/audio_encoder.h"
#include "encode/encoder_table.h"
#include "encode/ffmpeg_encoder.h"
#include "media/av_words.h"
#include "media/test_sound.h"
#include "output/file_sink.h"
#include "output/output_spec.h"
#include "verify/reference_picture.h"

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/pixdesc.h>
}

#include <fmt/format.h>
#include <catch2/catch_test_macros.hpp>

#include <cstring>
#include <optional>

namespace zc::test {
namespace {

/// The reference picture in the encoder's layout.
Surface surface_of(const verify::ReferencePicture& picture, const SurfaceFormat& format) {
  AvFramePtr frame(av_frame_alloc());
  REQUIRE(frame);
  frame->format = av_pixel_format(format.format);
  frame->width = static_cast<int>(format.size.width);
  frame->height = static_cast<int>(format.size.height);
  REQUIRE(av_frame_get_buffer(frame.get(), 0) == 0);
  const AVPixFmtDescriptor* layout = av_pix_fmt_desc_get(static_cast<AVPixelFormat>(frame->format));
  for (unsigned component = 0; component < 3; ++component) {
    const AVComponentDescriptor& of = layout->comp[component];
    const verify::ReferencePlane& plane = picture.planes().at(component);
    for (std::uint32_t y = 0; y < plane.size.height; ++y) {
      std::uint8_t* row = frame->data[of.plane] + static_cast<std::ptrdiff_t>(y) * frame->linesize[of.plane];
      for (std::uint32_t x = 0; x < plane.size.width; ++x) {
        const std::uint16_t sample = plane.samples[std::size_t{y} * plane.size.width + x];
        std::uint8_t* to = row + of.offset + std::ptrdiff_t{of.step} * static_cast<std::ptrdiff_t>(x);
        const auto wide = static_cast<std::uint16_t>(sample << static_cast<unsigned>(of.shift));
        if (of.depth > 8) {
          std::memcpy(to, &wide, 2);
        } else {
          *to = static_cast<std::uint8_t>(sample);
        }
      }
    }
  }
  return Surface(std::move(frame), format);
}

}  // namespace

Clip make_clip(const ClipOptions& options) {
  const EncoderRow* row = find_encoder_row(options.encoder);
  REQUIRE(row != nullptr);
  EncoderSettings settings;
  settings.preset = options.low_latency ? Preset::LowLatency : options.preset;
  const bool rgb = options.colour.matrix == ColourMatrix::Rgb;
  if (rgb) settings.chroma = Chroma::Yuv444;
  settings.hdr = options.hdr;
  settings.options = options.options;
  settings.bit_depth = options.bit_depth;
  settings.gop_seconds = options.gop_seconds;
  settings.colour = options.colour;
  auto encoder = open_ffmpeg_encoder(*row, settings,
                                     {.size = options.size, .rate = {20, 1}, .threads = 2, .in_band_headers = true});
  if (!encoder) FAIL(encoder.error().message());
  Clip clip{(*encoder)->stream(), {}};
  const auto receive = [&] {
    while (true) {
      auto packet = (*encoder)->receive();
      if (!packet) FAIL(packet.error().message());
      if (!*packet) return;
      clip.packets.push_back(std::move(**packet));
    }
  };
  verify::ReferencePicture picture({.size = options.size,
                                    .bits = options.bit_depth,
                                    .rgb = rgb,
                                    .chroma_shift_x = rgb ? 0U : 1U,
                                    .chroma_shift_y = rgb ? 0U : 1U,
                                    .colour = options.colour});
  for (std::uint32_t n = 0; n < options.count; ++n) {
    const std::uint32_t number = options.number(n);
    if (options.marked) picture.paint({number, options.time(number)});
    Surface surface = surface_of(picture, (*encoder)->input());
    if (!options.marked) {
      // A grey square that wanders, so that no picture is the one before.
      std::uint8_t* luma = surface.av_frame()->data[0] +
                           static_cast<std::ptrdiff_t>(n % 8) * 16 * surface.av_frame()->linesize[0] + n * 4;
      for (int y = 0; y < 16; ++y) std::memset(luma + std::ptrdiff_t{y} * surface.av_frame()->linesize[0], 40, 16);
    }
    surface.stream_time = options.time(n);
    auto taken = (*encoder)->submit(surface);
    if (!taken) FAIL(taken.error().message());
    receive();
  }
  REQUIRE((*encoder)->drain());
  receive();
  REQUIRE(clip.packets.size() == options.count);
  return clip;
}

void add_sound(Clip& clip, Nanoseconds from, Nanoseconds to) {
  auto encoder = AudioEncoder::open({.codec = AudioCodec::Pcm});
  if (!encoder) FAIL(encoder.error().message());
  clip.stream.audio = {(*encoder)->stream()};
  const auto sample_at = [](Nanoseconds time) -> std::int64_t {
    return time / std::chrono::milliseconds(1) * (kAudioRate / 1000);
  };
  const std::size_t frame = (*encoder)->stream().frame_samples;
  std::vector<float> samples;
  for (std::int64_t at = sample_at(from); at < sample_at(to); at += static_cast<std::int64_t>(frame)) {
    samples.clear();
    for (std::size_t i = 0; i < frame && at + static_cast<std::int64_t>(i) < sample_at(to); ++i) {
      const Nanoseconds time((at + static_cast<std::int64_t>(i)) * 1'000'000'000 / kAudioRate);
      samples.insert(samples.end(), 2, test_sound(time));
    }
    REQUIRE((*encoder)->submit(at, samples));
    while (auto packet = (*encoder)->receive().value()) {
      packet->track = 1;
      clip.packets.push_back(std::move(*packet));
    }
  }
}

void write_file(const std::string& path, Container container, const Clip& clip,
                const std::function<bool(std::size_t)>& keep) {
  auto sink = FileSink::create({.container = container, .target = FileOutput{path, true}});
  if (!sink) FAIL(sink.error().message());
  REQUIRE((*sink)->open(clip.stream));
  for (std::size_t i = 0; i < clip.packets.size(); ++i) {
    if (keep(i)) REQUIRE((*sink)->write(clip.packets[i]));
  }
  REQUIRE((*sink)->close());
}

verify::VerifyReport verified(const std::string& path, verify::VerifyOptions options) {
  options.input = path;
  options.decoder = DecoderBackend::Software;
  auto report = verify::verify_stream(options);
  if (!report) FAIL(report.error().message());
  return *std::move(report);
}

std::string faults_of(const verify::VerifyReport& report) {
  std::string text;
  for (const verify::Fault& fault : report.faults) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", to_string(fault.kind), fault.count);
  }
  return text;
}

}  // namespace zc::test
