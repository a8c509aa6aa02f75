// What the rows' configure functions share.
#pragma once

#include "encode/encoder_table.h"

#include <cstdint>
#include <limits>
#include <string>

namespace zc {

/// NativePreset::max_load of the last preset.
inline constexpr double kAnyLoad = std::numeric_limits<double>::infinity();

/// VBV: a held rate may not be exceeded for longer than half a second; another one may, for a second by half. Nothing
/// without a bit rate.
inline void set_vbv(const EncoderRequest& request, CodecPlan& plan) {
  if (!request.settings.bit_rate) return;
  const std::int64_t rate = *request.settings.bit_rate;
  const bool held = request.settings.holds_rate();
  plan.max_bit_rate = held ? rate : request.settings.max_bit_rate.value_or(rate + rate / 2);
  plan.buffer_bits = plan.max_bit_rate * request.settings.vbv_ms.value_or(held ? 500 : 1000) / 1000;
}

/// The constant quality asked for, or the row's own for the preset, as an option's value.
inline std::string rate_factor(const EncoderRequest& request) {
  const auto preset = static_cast<std::size_t>(request.settings.preset);
  return std::to_string(request.settings.crf.value_or(request.row.default_crf.at(preset)));
}

/// The same for drivers that want AV1's quantiser index (0 to 255) where the row's scale is 0 to 63, as libaom's is.
inline std::string quantiser(const EncoderRequest& request) {
  const auto preset = static_cast<std::size_t>(request.settings.preset);
  const unsigned factor = request.settings.crf.value_or(request.row.default_crf.at(preset));
  return std::to_string(request.row.codec == Codec::AV1 ? factor * 4 : factor);
}

}  // namespace zc
