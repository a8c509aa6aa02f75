#pragma once

#include "base/error.h"
#include "capture/camera_spec.h"
#include "capture/node_list.h"
#include "capture/offered_format.h"
#include "media/format_offer.h"

#include <span>
#include <string>
#include <vector>

namespace zc {

/// A camera that the user means, among those there are. Its node's name counts before its description, both before a
/// part of either (letters of any case); without a name it is the one with the highest priority.
/// NotFound: there is none, or none of that name. Invalid: several fit. Both name those there are.
[[nodiscard]] Result<VideoNode> pick_camera(std::span<const VideoNode> nodes, const CameraSpec& spec);

/// What a camera is to be asked for, best first: offers of one mode each, made of what the consumer takes (`offer`) and
/// what the spec wants. The best is the largest picture at 30 a second or more (or at the limit of the offer), then the
/// smallest rate that is enough, then raw before MJPEG before H.264, dmabufs before shared memory. Where none comes
/// that often, the rate counts before the size.
/// Unsupported: the consumer takes none of the camera's formats. Invalid: it has no such size or rate; names those it
/// has.
[[nodiscard]] Result<std::vector<FormatOffer>> camera_offers(const VideoNode& camera, const CameraSpec& spec,
                                                             const FormatOffer& offer);

}  // namespace zc
