// The sound of a file, decoded by libavcodec.
#pragma once

#include "base/error.h"

#include <string>
#include <vector>

namespace zc::test {

struct DecodedSound {
  std::string title;
  unsigned channels = 0;
  double start = 0;            ///< seconds
  std::vector<float> samples;  ///< of the first channel, 48 kHz
};

/// By track.
[[nodiscard]] Result<std::vector<DecodedSound>> decode_sound(const std::string& path);

}  // namespace zc::test
