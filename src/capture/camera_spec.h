#pragma once

#include "base/error.h"
#include "media/geometry.h"

#include <optional>
#include <string>
#include <string_view>

namespace zc {

/// `camera[:NAME][@WxH][@FPS]`: a camera of PipeWire. NAME is its node's name, its description or a part of it that no
/// other camera has; `@default`, or none: the one with the highest priority; `portal`: that one, by the desktop's
/// permission.
struct CameraSpec {
  std::string name;              ///< empty: the default
  bool portal = false;           ///< through the desktop's portal, even where PipeWire is open to this program
  std::optional<Size> size;      ///< px; unset: the largest that comes often enough
  std::optional<Rational> rate;  ///< pictures/s; unset: 30, or what is wanted of it
  bool operator==(const CameraSpec&) const = default;
};

inline constexpr std::string_view kCameraForm = "camera[:NAME|:@default|:portal][@1280x720][@30]";

/// What follows `camera` and its colon. Invalid: names the wrong part.
[[nodiscard]] Result<CameraSpec> parse_camera(std::string_view rest);
[[nodiscard]] std::string text_of(const CameraSpec& spec);

}  // namespace zc
