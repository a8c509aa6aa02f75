#include "encode/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace zc {
namespace {

std::unexpected<Error> invalid(std::string what, std::string why) {
  return fail(ErrorKind::Invalid, std::move(what), std::move(why));
}

Result<void> validate_rate(const EncoderSettings& settings) {
  const bool by_quality = settings.rate_control == RateControl::Quality;
  if (settings.rate_control && !by_quality && !settings.bit_rate) return invalid("rate control", "it needs a bit rate");
  if (by_quality && settings.bit_rate)
    return invalid("rate control", "constant quality and a bit rate exclude each other");
  if (settings.lossless() && (settings.crf || settings.bit_rate)) {
    return invalid("preset", "lossless has neither crf nor a bit rate");
  }
  if (settings.max_bit_rate) {
    if (!settings.bit_rate) return invalid("maximum bit rate", "it needs a bit rate");
    if (settings.holds_rate()) return invalid("maximum bit rate", "a held bit rate is its own maximum");
    if (*settings.max_bit_rate < *settings.bit_rate || *settings.max_bit_rate > kMaxBitRate) {
      return invalid("maximum bit rate", fmt::format("{} is not in {} (the bit rate) to {} bit/s",
                                                     *settings.max_bit_rate, *settings.bit_rate, kMaxBitRate));
    }
  }
  if (settings.vbv_ms && !settings.bit_rate) return invalid("vbv", "it needs a bit rate");
  if (settings.vbv_ms && (*settings.vbv_ms < kMinVbvMs || *settings.vbv_ms > kMaxVbvMs)) {
    return invalid("vbv", fmt::format("{} is not in {} to {} ms", *settings.vbv_ms, kMinVbvMs, kMaxVbvMs));
  }
  return {};
}

Result<void> validate_structure(const EncoderSettings& settings) {
  if (settings.speed && (*settings.speed < 1 || *settings.speed > kMaxSpeed)) {
    return invalid("speed", fmt::format("{} is not in 1 to {}", *settings.speed, kMaxSpeed));
  }
  if (settings.b_frames.value_or(0) > kMaxBFrames) {
    return invalid("b-frames", fmt::format("{} is not in 0 to {}", *settings.b_frames, kMaxBFrames));
  }
  if (settings.lookahead.value_or(0) > kMaxLookahead) {
    return invalid("lookahead", fmt::format("{} is not in 0 to {}", *settings.lookahead, kMaxLookahead));
  }
  if (settings.low_latency() && settings.b_frames.value_or(0) + settings.lookahead.value_or(0) > 0) {
    return invalid(settings.b_frames.value_or(0) > 0 ? "b-frames" : "lookahead", "low latency has none");
  }
  if (settings.intra_refresh && !std::isfinite(settings.gop_seconds)) {
    return invalid("intra refresh", "it needs a finite gop: the time of one refresh");
  }
  if (settings.intra_refresh && settings.b_frames.value_or(0) > 0) {
    return invalid("intra refresh", "it excludes B-frames");
  }
  return {};
}

Result<void> validate_colour(const EncoderSettings& settings) {
  if (settings.bit_depth != 8 && settings.bit_depth != 10) {
    return invalid("bit depth", fmt::format("{} is not one of 8, 10", settings.bit_depth));
  }
  if (settings.colour.matrix == ColourMatrix::Rgb) {
    if (settings.chroma != Chroma::Yuv444) return invalid("matrix", "rgb needs chroma 444");
    if (settings.bit_depth != 8) return invalid("bit depth", "rgb has 8 bits");
    if (settings.colour.range != ColourRange::Full) return invalid("range", "rgb has the full range");
  }
  if (!settings.hdr.mastering && !settings.hdr.light) return {};
  if (settings.colour.transfer != TransferFunction::PQ)
    return invalid("HDR metadata", "it needs the transfer function pq");
  if (settings.bit_depth != 10) return invalid("HDR metadata", "it needs 10 bits");
  if (settings.hdr.mastering && settings.hdr.mastering->min_luminance >= settings.hdr.mastering->max_luminance) {
    return invalid("mastering display", "its lowest luminance is not below its highest");
  }
  return {};
}

}  // namespace

std::string_view to_string(Feature feature) {
  switch (feature) {
    case Feature::BFrames: return "B-frames";
    case Feature::Lookahead: return "lookahead";
    case Feature::SpatialAq: return "spatial AQ";
    case Feature::TemporalAq: return "temporal AQ";
    case Feature::Multipass: return "multipass";
    case Feature::IntraRefresh: return "intra refresh";
    case Feature::Lossless: return "lossless coding";
    case Feature::VariableRate: return "variable bit rate";
    case Feature::Rgb: return "RGB";
    case Feature::HdrMetadata: return "HDR metadata";
  }
  return "";
}

EncoderSettings with_bit_rate(EncoderSettings settings, std::int64_t bits_per_second) {
  if (settings.max_bit_rate && settings.bit_rate) {
    const double factor = static_cast<double>(bits_per_second) / static_cast<double>(*settings.bit_rate);
    const auto scaled = std::llround(static_cast<double>(*settings.max_bit_rate) * factor);
    settings.max_bit_rate = std::clamp<std::int64_t>(scaled, bits_per_second, std::max(bits_per_second, kMaxBitRate));
  }
  settings.bit_rate = bits_per_second;
  return settings;
}

std::vector<Feature> wanted_features(const EncoderSettings& settings) {
  std::vector<Feature> wanted;
  const auto want = [&](bool condition, Feature feature) {
    if (condition) wanted.push_back(feature);
  };
  want(settings.b_frames.value_or(0) > 0, Feature::BFrames);
  want(settings.lookahead.value_or(0) > 0, Feature::Lookahead);
  want(settings.spatial_aq.value_or(false), Feature::SpatialAq);
  want(settings.temporal_aq.value_or(false), Feature::TemporalAq);
  want(settings.multipass.value_or(Multipass::Off) != Multipass::Off, Feature::Multipass);
  want(settings.intra_refresh, Feature::IntraRefresh);
  want(settings.lossless(), Feature::Lossless);
  want(settings.rate_control == RateControl::Vbr || settings.max_bit_rate.has_value(), Feature::VariableRate);
  want(settings.colour.matrix == ColourMatrix::Rgb, Feature::Rgb);
  want(settings.hdr.mastering || settings.hdr.light, Feature::HdrMetadata);
  return wanted;
}

Result<void> validate(const EncoderSettings& settings) {
  if (settings.crf && settings.bit_rate) {
    return invalid("rate control", "crf and bit rate exclude each other: set one of them");
  }
  if (settings.bit_rate && (*settings.bit_rate < kMinBitRate || *settings.bit_rate > kMaxBitRate)) {
    return invalid("bit rate",
                   fmt::format("{} is not in {} to {} bit/s", *settings.bit_rate, kMinBitRate, kMaxBitRate));
  }
  const bool finite_gop = settings.gop_seconds >= kMinGopSeconds && settings.gop_seconds <= kMaxGopSeconds;
  if (!finite_gop && settings.gop_seconds != kInfiniteGop) {
    return invalid("gop", fmt::format("{} is not in {} to {} seconds, nor infinite", settings.gop_seconds,
                                      kMinGopSeconds, kMaxGopSeconds));
  }
  if (auto ok = validate_rate(settings); !ok) return ok;
  if (auto ok = validate_structure(settings); !ok) return ok;
  return validate_colour(settings);
}

Result<void> validate(const VideoParameters& video) {
  if (video.size.empty()) return fail(ErrorKind::Invalid, "picture size", "it is zero");
  if (video.size != encodable_size(video.size)) {
    return fail(ErrorKind::Invalid, "picture size",
                fmt::format("{}x{} is odd; the coded size must be even", video.size.width, video.size.height));
  }
  if (video.rate.zero()) return fail(ErrorKind::Invalid, "frame rate", "it is zero");
  return {};
}

}  // namespace zc
