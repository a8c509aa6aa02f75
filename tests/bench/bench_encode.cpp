// One encoder of zerocast over a file of raw pictures, for tools/bench encode.
//
//   zerocast-encode-bench rows                               software encoders and the layout each takes, one a line
//   zerocast-encode-bench arguments ENCODER WxH RATE         the same configuration as arguments of ffmpeg, one a line
//   zerocast-encode-bench encode ENCODER WxH RATE FILE       encodes FILE; one JSON object on stdout
#include "encode/encoder_table.h"
#include "encode/ffmpeg_encoder.h"
#include "media/av_log.h"
#include "media/surface.h"

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/imgutils.h>
#include <libavutil/pixfmt.h>
}

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace zc {
namespace {

constexpr std::size_t kSurfaces = 16;  ///< more than any software encoder refers to: they copy

struct Job {
  const EncoderRow* row = nullptr;
  EncoderSettings settings;
  VideoParameters video;
};

template <class Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(value) : std::nullopt;
}

std::optional<Job> read_job(std::string_view encoder, std::string_view size, std::string_view rate) {
  const std::size_t cross = size.find('x');
  if (cross == std::string_view::npos) return std::nullopt;
  const auto width = number<std::uint32_t>(size.substr(0, cross));
  const auto height = number<std::uint32_t>(size.substr(cross + 1));
  const auto fps = number<std::uint32_t>(rate);
  Job job{.row = find_encoder_row(encoder), .settings = {}, .video = {}};
  if (job.row == nullptr || !width || !height || !fps) return std::nullopt;
  job.settings.encoder = std::string(encoder);
  job.video.size = {*width, *height};
  job.video.rate = {*fps, 1};
  job.video.constant_rate = true;
  job.video.threads = std::max(1U, std::thread::hardware_concurrency());
  return job;
}

AVPixelFormat layout_of(const Job& job) {
  const auto format = job.row->input_format(job.settings.bit_depth, job.settings.chroma);
  return format == PixelFormat::NV12 ? AV_PIX_FMT_NV12 : AV_PIX_FMT_YUV420P;
}

int print_rows() {
  for (const EncoderRow& row : encoder_rows()) {
    if (row.hardware()) continue;
    const Job job{.row = &row, .settings = {}, .video = {}};
    fmt::print("{} {}\n", row.name, layout_of(job) == AV_PIX_FMT_NV12 ? "nv12" : "yuv420p");
  }
  return 0;
}

/// What open_codec() gives libavcodec, in ffmpeg's words.
int print_arguments(const Job& job) {
  const EncoderRequest request{.row = *job.row,
                               .settings = job.settings,
                               .video = job.video,
                               .native = choose_native_preset(*job.row, job.settings, job.video, job.video.threads),
                               .processors = job.video.threads,
                               .max_delay = static_cast<unsigned>(kMaxDelaySeconds * job.video.rate.value())};
  CodecPlan plan;
  OptionList options(job.row->parameter_option);
  job.row->configure(request, plan, options);
  const double gop = job.settings.gop_seconds * job.video.rate.value();
  fmt::print("-c:v\n{}\n-threads\n{}\n-bf\n{}\n", job.row->name, plan.threads, plan.b_frames);
  fmt::print("-g\n{}\n", static_cast<int>(plan.forces_keyframes ? gop * 2 : gop));
  if (plan.forces_keyframes) fmt::print("-force_key_frames\nexpr:gte(t,n_forced*{})\n", job.settings.gop_seconds);
  fmt::print("-flags\n+global_header+cgop\n-colorspace\nbt709\n-color_primaries\nbt709\n-color_trc\nbt709\n");
  fmt::print("-color_range\ntv\n-chroma_sample_location\nleft\n");
  for (const auto& [key, value] : options.all()) fmt::print("-{}\n{}\n", key, value);
  return 0;
}

/// Reads the next picture into the frame's planes; false at the end.
bool read_picture(std::FILE* file, AVFrame& frame, AVPixelFormat layout) {
  const int planes = layout == AV_PIX_FMT_NV12 ? 2 : 3;
  for (int plane = 0; plane < planes; ++plane) {
    const int rows = plane == 0 ? frame.height : frame.height / 2;
    const auto bytes = static_cast<std::size_t>(av_image_get_linesize(layout, frame.width, plane));
    for (int y = 0; y < rows; ++y) {
      std::uint8_t* row = frame.data[plane] + static_cast<std::ptrdiff_t>(y) * frame.linesize[plane];
      if (std::fread(row, 1, bytes, file) != bytes) return false;
    }
  }
  return true;
}

int encode(const Job& job, const char* path) {
  auto encoder = open_ffmpeg_encoder(*job.row, job.settings, job.video);
  if (!encoder) {
    fmt::print(stderr, "zerocast-encode-bench: {}\n", encoder.error().message());
    return 1;
  }
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path, "rbe"), std::fclose);
  if (!file) {
    fmt::print(stderr, "zerocast-encode-bench: {} cannot be opened\n", path);
    return 1;
  }
  const AVPixelFormat layout = layout_of(job);
  std::vector<AvFramePtr> pool;
  for (std::size_t i = 0; i < kSurfaces; ++i) {
    AvFramePtr& frame = pool.emplace_back(av_frame_alloc());
    if (!frame) return 1;
    frame->format = layout;
    frame->width = static_cast<int>(job.video.size.width);
    frame->height = static_cast<int>(job.video.size.height);
    if (av_frame_get_buffer(frame.get(), 0) < 0) return 1;
  }
  std::uint64_t pictures = 0;
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  const auto failed = [](const Error& error) {
    fmt::print(stderr, "zerocast-encode-bench: {}\n", error.message());
    return 1;
  };
  const auto receive = [&]() -> Result<void> {
    while (true) {
      const auto packet = (*encoder)->receive();
      if (!packet) return std::unexpected(packet.error());
      if (!*packet) return {};
      ++packets;
      bytes += (*packet)->bytes().size();
    }
  };
  for (;; ++pictures) {
    const auto free = std::ranges::find_if(pool, [](const AvFramePtr& frame) {
      return av_frame_is_writable(const_cast<AVFrame*>(frame.get())) != 0;  // NOLINT: C's idea of a question
    });
    if (free == pool.end()) return failed(fail(ErrorKind::Internal, "encode", "it keeps every surface").error());
    if (!read_picture(file.get(), **free, layout)) break;
    Surface surface(AvFramePtr(av_frame_clone(free->get())), (*encoder)->input());
    if (!surface) return 1;
    surface.stream_time = Nanoseconds(static_cast<std::int64_t>(pictures) * 1'000'000'000 / job.video.rate.num);
    if (auto taken = (*encoder)->submit(surface); !taken) return failed(taken.error());
    if (auto received = receive(); !received) return failed(received.error());
  }
  if (auto drained = (*encoder)->drain(); !drained) return failed(drained.error());
  if (auto received = receive(); !received) return failed(received.error());
  fmt::print("{{\"frames\": {}, \"packets\": {}, \"bytes\": {}}}\n", pictures, packets, bytes);
  return pictures == packets && pictures > 0 ? 0 : 1;
}

int run(const std::vector<std::string_view>& words) {
  set_ffmpeg_logging(false);
  if (words.size() == 1 && words[0] == "rows") return print_rows();
  const auto job = words.size() >= 4 ? read_job(words[1], words[2], words[3]) : std::nullopt;
  if (job && words.size() == 4 && words[0] == "arguments") return print_arguments(*job);
  if (job && words.size() == 5 && words[0] == "encode") return encode(*job, words[4].data());
  fmt::print(stderr, "zerocast-encode-bench: say rows, arguments ENCODER WxH RATE or encode ENCODER WxH RATE FILE\n");
  return 2;
}

}  // namespace
}  // namespace zc

int main(int count, char** arguments) {
  try {
    return zc::run({arguments + 1, arguments + count});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "zerocast-encode-bench: %s\n", error.what());
    return 1;
  }
}
