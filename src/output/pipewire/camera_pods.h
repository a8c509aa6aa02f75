// What a camera says to PipeWire: pure functions.
#pragma once

#include "media/colour.h"
#include "media/geometry.h"
#include "output/camera_picture.h"
#include "pipewire/pod.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace zc {

struct CameraOffer {
  Size size;
  Rational rate;  ///< pictures/s to expect; readers may ask for others, and get no more than they ask for
  ColourDescription colour;
};

/// What readers and camera have agreed on.
struct CameraFormat {
  CameraLayout layout;
  Rational rate;  ///< zero: as they come
};

/// SPA_PARAM_EnumFormat, one for each of camera_formats(), each with the colour that its samples have.
[[nodiscard]] std::vector<PodPtr> make_camera_offer(const CameraOffer& offer);
/// SPA_PARAM_Format as PipeWire hands it out; nullopt: none of those that were offered.
[[nodiscard]] std::optional<CameraFormat> parse_camera_format(const spa_pod* format, const CameraOffer& offer);
/// Buffers in shared memory, and a head with time and number for each picture.
[[nodiscard]] std::vector<PodPtr> make_camera_buffers(const CameraLayout& layout);

}  // namespace zc
