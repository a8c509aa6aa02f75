#pragma once

#include <cstdint>
#include <string_view>

namespace zc {

enum class Codec : std::uint8_t { H264, HEVC, AV1 };

/// "h264", "hevc", "av1": the words of the command line, the config and the metrics.
[[nodiscard]] constexpr std::string_view to_string(Codec codec) {
  switch (codec) {
    case Codec::H264: return "h264";
    case Codec::HEVC: return "hevc";
    case Codec::AV1: return "av1";
  }
  return "h264";
}

}  // namespace zc
