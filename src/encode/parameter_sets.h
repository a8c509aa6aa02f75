#pragma once

#include "media/codec.h"

#include <cstddef>
#include <optional>
#include <span>

namespace zc {

/// In libavcodec's numbers: H.264 profile_idc and level_idc (41 = 4.1), HEVC general_profile_idc and general_level_idc
/// (123 = 4.1), AV1 seq_profile and seq_level_idx (9 = 4.1).
struct ProfileLevel {
  int profile;
  int level;
  bool operator==(const ProfileLevel&) const = default;
};

/// Reads profile and level from what an encoder puts into its extradata: Annex B parameter sets for H.264 (ITU-T H.264
/// 7.3.2.1) and HEVC (ITU-T H.265 7.3.2.2), a sequence header OBU for AV1 (AV1 specification 5.5.1). Encoders do not
/// tell these through libavcodec's interface. nullopt when there is no such header or it is cut short.
[[nodiscard]] std::optional<ProfileLevel> read_profile_level(Codec codec, std::span<const std::byte> extradata);

/// Whether a coded picture brings the headers that a decoder starts with: a sequence parameter set, or AV1's sequence
/// header, before its first slice or frame.
[[nodiscard]] bool has_parameter_sets(Codec codec, std::span<const std::byte> picture);

}  // namespace zc
