#include "encode/encoder_proofs.h"

#include "base/log.h"
#include "encode/codec_context.h"
#include "encode/driver_identity.h"
#include "encode/probe.h"
#include "media/picture_device.h"

extern "C" {
#include <libavutil/avutil.h>
}

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace zc {
namespace {

/// Refusals that say nothing about what the machine can do.
bool passing(const Error& error) {
  constexpr std::array kTransient{AVERROR(ENOMEM), AVERROR(EAGAIN), AVERROR(EBUSY)};
  return error.kind == ErrorKind::Busy ||
         (error.domain == ErrorDomain::FFmpeg && std::ranges::find(kTransient, error.code) != kTransient.end());
}

}  // namespace

EncoderProofs EncoderProofs::remembered(bool anew) {
  auto cache = ProofCache::in_cache_home();
  if (cache) return EncoderProofs(*std::move(cache), anew);
  logger("encode").debug("encoders are tried at each start: {}", cache.error().message());
  return {};
}

std::string EncoderProofs::key(const EncoderRow& row, const EncoderSettings& settings, const VideoParameters& video) {
  const PlannedCodec planned = plan_codec(row, settings, video);
  const bool in_place = video.device && video.device->memory() == row.device_memory;
  std::string text =
      fmt::format("{} {}x{} {}/{} {} bit {} colour {}/{}/{}/{} b-frames {} rate {}/{} vbv {}\n", row.name,
                  video.size.width, video.size.height, video.rate.num, video.rate.den, settings.bit_depth,
                  settings.chroma == Chroma::Yuv444 ? "4:4:4" : "4:2:0", std::to_underlying(settings.colour.matrix),
                  std::to_underlying(settings.colour.range), std::to_underlying(settings.colour.primaries),
                  std::to_underlying(settings.colour.transfer), planned.plan.b_frames, settings.bit_rate.value_or(0),
                  planned.plan.max_bit_rate, planned.plan.buffer_bits);
  if (const auto& light = settings.hdr.light) {
    text += fmt::format("content light {}/{}\n", light->max_content, light->max_frame_average);
  }
  if (settings.hdr.mastering) text += "mastering display\n";
  for (const auto& [name, value] : planned.options.all()) text += fmt::format("{}={} ", name, value);
  text +=
      fmt::format("\nFFmpeg {} libavcodec {} libavutil {}\n", av_version_info(), avcodec_version(), avutil_version());
  if (in_place) text += fmt::format("{} memory of {}\n", to_string(row.device_memory), video.device->identity());
  if (!in_place && video.gpu.gpu) text += fmt::format("on {}\n", video.gpu.gpu->text());
  return text + driver_identity(row.backend);
}

Result<EncoderProofs::Outcome> EncoderProofs::check(const EncoderRow& row, const EncoderSettings& settings,
                                                    const VideoParameters& video,
                                                    const std::stop_token& given_up) const {
  if (!row.hardware()) return Outcome{};
  // What needs no trial needs no memory either.
  if (auto ok = validate_for(row, settings, video); !ok) return std::unexpected(std::move(ok.error()));
  if (auto ok = row_available(row, video.gpu); !ok) return std::unexpected(std::move(ok.error()));
  const std::string name = cache_ ? key(row, settings, video) : std::string();
  if (cache_ && !anew_) {
    if (auto known = cache_->find(name)) {
      if (known->works) return Outcome{.remembered = true, .remark = std::move(known->remark)};
      return fail(ErrorKind::Unsupported, fmt::format("open {}", row.name), std::move(known->remark));
    }
  }
  auto proven = prove_encoder(row, settings, video);
  const bool keep = proven || (proven.error().kind == ErrorKind::Unsupported && !passing(proven.error()));
  if (cache_ && keep && !given_up.stop_requested()) {
    const Proof proof{proven.has_value(), proven ? *proven : proven.error().detail};
    if (auto stored = cache_->store(name, proof); !stored) {
      logger("encode").debug("not remembered: {}", stored.error().message());
    }
  }
  if (!proven) return std::unexpected(std::move(proven.error()));
  return Outcome{.remembered = false, .remark = std::move(*proven)};
}

void EncoderProofs::forget(const EncoderRow& row, const EncoderSettings& settings, const VideoParameters& video) const {
  if (!cache_ || !row.hardware()) return;
  if (auto gone = cache_->forget(key(row, settings, video)); !gone) {
    logger("encode").debug("not forgotten: {}", gone.error().message());
  }
}

}  // namespace zc
