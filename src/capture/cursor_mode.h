#pragma once

#include <cstdint>
#include <string_view>

namespace zc {

/// How the pointer gets into the picture.
enum class CursorMode : std::uint8_t {
  Hidden,    ///< not at all
  Embedded,  ///< drawn by the compositor
  Metadata,  ///< sent beside the picture and drawn by us
};

[[nodiscard]] constexpr std::string_view to_string(CursorMode mode) {
  switch (mode) {
    case CursorMode::Hidden: return "hidden";
    case CursorMode::Embedded: return "embedded";
    case CursorMode::Metadata: return "metadata";
  }
  return "hidden";
}

}  // namespace zc
