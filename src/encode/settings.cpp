#include "encode/settings.h"

#include <fmt/format.h>

#include <cmath>

namespace zc {

Result<void> validate(const EncoderSettings& settings) {
  const auto invalid = [](std::string what, std::string why) {
    return fail(ErrorKind::Invalid, std::move(what), std::move(why));
  };
  if (settings.crf && settings.bit_rate) {
    return invalid("rate control", "crf and bit rate exclude each other: set one of them");
  }
  if (settings.bit_rate && (*settings.bit_rate < kMinBitRate || *settings.bit_rate > kMaxBitRate)) {
    return invalid("bit rate",
                   fmt::format("{} is not in {} to {} bit/s", *settings.bit_rate, kMinBitRate, kMaxBitRate));
  }
  if (!std::isfinite(settings.gop_seconds) || settings.gop_seconds < kMinGopSeconds ||
      settings.gop_seconds > kMaxGopSeconds) {
    return invalid("gop",
                   fmt::format("{} is not in {} to {} seconds", settings.gop_seconds, kMinGopSeconds, kMaxGopSeconds));
  }
  if (settings.bit_depth != 8 && settings.bit_depth != 10) {
    return invalid("bit depth", fmt::format("{} is not one of 8, 10", settings.bit_depth));
  }
  return {};
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
