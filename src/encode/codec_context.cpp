#include "encode/codec_context.h"

#include "encode/hw_frames.h"
#include "media/av_log.h"
#include "media/packet.h"
#include "media/picture_device.h"
#include "media/surface.h"

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/opt.h>
}

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <ranges>
#include <string_view>
#include <thread>

namespace zc {
namespace {

/// Pictures; what x264 calls infinite, and more than any recording has.
constexpr double kLongestGop = 1 << 30;

int clamp_to_int(std::int64_t value) {
  return static_cast<int>(std::clamp<std::int64_t>(value, 0, std::numeric_limits<int>::max()));
}

void set_generic_fields(AVCodecContext& context, const EncoderRow& row, const EncoderSettings& settings,
                        const VideoParameters& video, PixelFormat format) {
  context.codec_type = AVMEDIA_TYPE_VIDEO;
  context.codec_id = av_codec_id(row.codec);
  context.width = static_cast<int>(video.size.width);
  context.height = static_cast<int>(video.size.height);
  context.pix_fmt = av_pixel_format(format);
  context.time_base = {1, static_cast<int>(kPacketClock)};
  context.framerate = {static_cast<int>(video.rate.num), static_cast<int>(video.rate.den)};
  context.sample_aspect_ratio = {1, 1};
  context.flags |= static_cast<int>(AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_CLOSED_GOP);
  context.colorspace = av_matrix(settings.colour.matrix);
  context.color_range = av_range(settings.colour.range);
  context.color_primaries = av_primaries(settings.colour.primaries);
  context.color_trc = av_transfer(settings.colour.transfer);
  // The conversion sites 4:2:0 chroma left (MPEG-2); 4:4:4 has nothing to site.
  if (settings.chroma == Chroma::Yuv420) context.chroma_sample_location = AVCHROMA_LOC_LEFT;
}

/// The libraries only warn about what they do not know in their parameter lists. What we set ourselves is no error of
/// the user: other versions may have dropped it.
const std::string* refused_parameter(const AvLogCapture& log, const EncoderRow& row, const EncoderSettings& settings) {
  const auto of_the_user = [&](const std::string& line) {
    return std::ranges::any_of(settings.options, [&](const auto& option) {
      if (option.first != row.parameter_option) return false;
      return std::ranges::any_of(std::views::split(std::string_view(option.second), ':'), [&](auto part) {
        const std::string_view parameter(part.begin(), part.end());
        return line.find(parameter.substr(0, parameter.find('='))) != std::string::npos;
      });
    });
  };
  const auto it = std::ranges::find_if(log.lines(), [&](const std::string& line) {
    return (line.starts_with("Error parsing option") || line.starts_with("Unknown option") ||
            line.starts_with("Invalid value for")) &&
           of_the_user(line);
  });
  return it == log.lines().end() ? nullptr : &*it;
}

Result<AvDictionaryPtr> to_dictionary(const OptionList& options) {
  AVDictionary* dictionary = nullptr;
  for (const auto& [key, value] : options.all()) {
    if (const int result = av_dict_set(&dictionary, key.c_str(), value.c_str(), 0); result < 0) {
      av_dict_free(&dictionary);
      return fail_av(result, "collect the encoder's options");
    }
  }
  return AvDictionaryPtr(dictionary);
}

/// Where the pictures come from: a device's memory, host memory that is uploaded, or host memory as it is.
Result<void> set_memory(OpenedCodec& opened, const EncoderRow& row, const VideoParameters& video, unsigned bits) {
  AVCodecContext& context = *opened.context;
  const AVPixelFormat layout = context.pix_fmt;
  AvBufferPtr device;
  AVPixelFormat memory = layout;
  if (video.device && video.device->memory() == row.device_memory) {
    auto made = video.device->av_device();
    if (!made) return std::unexpected(std::move(made.error()));
    device = std::move(*made);
    opened.memory = row.device_memory;
    memory = device_pixel_format(opened.memory, layout);
  } else if (row.open_device != nullptr) {
    auto made = row.open_device(video.gpu, row.codec, bits);
    if (!made) return std::unexpected(std::move(made.error()));
    device = std::move(*made);
    memory = static_cast<AVPixelFormat>(row.device_format);
  }
  if (!device) return {};
  auto frames = make_hw_frames(*device, memory, layout, video.size);
  if (!frames) return std::unexpected(std::move(frames.error()));
  context.pix_fmt = memory;
  context.sw_pix_fmt = layout;
  context.hw_frames_ctx = av_buffer_ref(frames->get());
  if (context.hw_frames_ctx == nullptr) return fail_av(AVERROR(ENOMEM), fmt::format("open {}", row.name));
  if (opened.memory == MemoryKind::Host) opened.upload = std::move(*frames);
  return {};
}

}  // namespace

AVPixelFormat device_pixel_format(MemoryKind memory, AVPixelFormat layout) {
  switch (memory) {
    case MemoryKind::Cuda: return AV_PIX_FMT_CUDA;
    case MemoryKind::Vaapi: return AV_PIX_FMT_VAAPI;
    case MemoryKind::Vulkan: return AV_PIX_FMT_VULKAN;
    case MemoryKind::Host: break;
  }
  return layout;
}

void EncoderClose::operator()(AVCodecContext* context) const noexcept {
  if (drain && avcodec_is_open(context) != 0) {
    const AvPacketPtr packet(av_packet_alloc());
    const AvFramePtr blank(av_frame_alloc());
    if (packet && blank) {
      blank->format = context->pix_fmt;
      blank->width = context->width;
      blank->height = context->height;
      blank->pts = 0;
      if (!fed && av_frame_get_buffer(blank.get(), 0) == 0) avcodec_send_frame(context, blank.get());
      avcodec_send_frame(context, nullptr);
      while (avcodec_receive_packet(context, packet.get()) == 0) av_packet_unref(packet.get());
    }
  }
  avcodec_free_context(&context);
}

PlannedCodec plan_codec(const EncoderRow& row, const EncoderSettings& settings, const VideoParameters& video) {
  const unsigned processors = video.threads != 0 ? video.threads : std::max(1U, std::thread::hardware_concurrency());
  const auto max_delay = static_cast<unsigned>(std::max(0.0, kMaxDelaySeconds * video.rate.value()));
  const EncoderRequest request{.row = row,
                               .settings = settings,
                               .video = video,
                               .native = choose_native_preset(row, settings, video, processors),
                               .processors = processors,
                               .max_delay = settings.low_latency() ? 0 : max_delay};
  PlannedCodec planned{.plan = {}, .options = OptionList(row.parameter_option)};
  planned.plan.live_bitrate = row.live_bitrate;
  row.configure(request, planned.plan, planned.options);
  for (const auto& [key, value] : settings.options) planned.options.set(key, value);
  return planned;
}

Result<void> row_available(const EncoderRow& row, const GpuChoice& gpu) {
  const std::string operation = fmt::format("open {}", row.name);
  if (avcodec_find_encoder_by_name(std::string(row.name).c_str()) == nullptr) {
    return fail(ErrorKind::Unsupported, operation, fmt::format("this FFmpeg was built without {}", row.name));
  }
  if (row.available == nullptr) return {};
  if (auto ok = row.available(gpu); !ok) return fail(ErrorKind::Unsupported, operation, ok.error().message());
  return {};
}

Result<OpenedCodec> open_codec(const EncoderRow& row, const EncoderSettings& settings, const VideoParameters& video) {
  if (auto ok = row_available(row, video.gpu); !ok) return std::unexpected(std::move(ok.error()));
  const AVCodec* codec = avcodec_find_encoder_by_name(std::string(row.name).c_str());
  const std::string operation = fmt::format("open {}", row.name);
  auto [plan, options] = plan_codec(row, settings, video);

  OpenedCodec opened;
  opened.input = row.input_format(settings.bit_depth, settings.chroma).value_or(PixelFormat::Unknown);
  opened.plan = plan;
  opened.context = {avcodec_alloc_context3(codec), EncoderClose{.drain = row.drain_before_close, .fed = false}};
  if (!opened.context) return fail_av(AVERROR(ENOMEM), operation);
  AVCodecContext& context = *opened.context;
  set_generic_fields(context, row, settings, video, opened.input);
  context.thread_count = opened.plan.threads;
  context.max_b_frames = opened.plan.b_frames;
  // Where keyframes are forced by time, the encoder's own count is only the second net: at the same distance x264
  // warns of the two coinciding.
  const bool second_net = opened.plan.forces_keyframes && settings.periodic_keyframes();
  const double gop = settings.gop_seconds * video.rate.value() * (second_net ? 2 : 1);
  context.gop_size = clamp_to_int(std::llround(std::clamp(gop, 1.0, kLongestGop)));
  if (settings.bit_rate) {
    context.bit_rate = *settings.bit_rate;
    context.rc_max_rate = opened.plan.max_bit_rate;
    context.rc_buffer_size = clamp_to_int(opened.plan.buffer_bits);
  } else if (row.hardware()) {
    context.bit_rate = 0;  // the wrappers' default of 2 Mbit/s would count for more than the quality
  }

  for (const auto& [key, value] : settings.options) {
    if (av_opt_find(&context, key.c_str(), nullptr, 0, AV_OPT_SEARCH_CHILDREN) == nullptr) {
      return fail(ErrorKind::Invalid, fmt::format("options of {}", row.name),
                  fmt::format("it has no option '{}' ('ffmpeg -h encoder={}' lists them)", key, row.name));
    }
  }
  const AvLogCapture log;
  if (auto ok = set_memory(opened, row, video, settings.bit_depth); !ok) {
    const std::string words = log.text();
    return fail(ErrorKind::Unsupported, operation, words.empty() ? ok.error().message() : words);
  }
  auto dictionary = to_dictionary(options);
  if (!dictionary) return std::unexpected(std::move(dictionary.error()));
  AVDictionary* remaining = dictionary->release();
  const int result = avcodec_open2(&context, codec, &remaining);
  dictionary->reset(remaining);
  if (result < 0 && !settings.options.empty()) {
    const std::string words = log.text();
    EncoderSettings plain = settings;
    plain.options.clear();
    // What fails without them as well is not their fault.
    if (open_codec(row, plain, video)) return fail(ErrorKind::Invalid, fmt::format("options of {}", row.name), words);
  }
  if (result < 0) {
    auto failure = fail_av(result, operation, log.text());
    failure.error().kind = ErrorKind::Unsupported;
    return failure;
  }
  // The user's own have been looked up; one of ours would be a quality that nobody gets.
  if (const AVDictionaryEntry* left = av_dict_get(remaining, "", nullptr, AV_DICT_IGNORE_SUFFIX)) {
    return fail(ErrorKind::Unsupported, operation,
                fmt::format("this FFmpeg's {} has no option '{}'", row.name, left->key));
  }
  if (const std::string* line = refused_parameter(log, row, settings)) {
    return fail(ErrorKind::Invalid, fmt::format("options of {}", row.name), *line);
  }
  return opened;
}

}  // namespace zc
