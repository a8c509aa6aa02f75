#pragma once

#include "base/error.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

/// What PipeWire has to hear, for `zerocast sources`.
struct AudioNode {
  enum class Kind : std::uint8_t { Output, Input, Application };
  Kind kind = Kind::Output;
  std::string source;       ///< what parse_audio_source() takes for it
  std::string description;  ///< for a person
  bool operator==(const AudioNode&) const = default;
};

/// "output", "input", "application".
[[nodiscard]] std::string_view to_string(AudioNode::Kind kind);

/// Asks the default daemon; takes 3 s at most. An application that plays several streams is there once. NotFound: no
/// daemon.
[[nodiscard]] Result<std::vector<AudioNode>> list_audio_nodes();

}  // namespace zc
