// Cameras as a source.
#pragma once

#include "base/error.h"
#include "capture/camera_spec.h"
#include "capture/source.h"

#include <memory>
#include <stop_token>

namespace zc {

/// The pictures of one of PipeWire's cameras, raw as they come or decoded (MJPEG, H.264) on a thread of its own. Which
/// of its sizes, rates and formats it sends is chosen by camera_offers(). Where this program may not speak with
/// PipeWire (a sandbox), or where that is asked for, it goes through the desktop's portal, which asks its user.
///
/// start(): NotFound: no camera, or none of that name, with those there are; no PipeWire and no portal. Invalid: it has
/// no such size or rate. Denied: by the portal's user. Else as make_pipewire_source(), whose ends are this one's.
/// `stop` ends the waits of start() with Cancelled.
[[nodiscard]] std::unique_ptr<Source> make_camera_source(CameraSpec spec, std::stop_token stop = {});

}  // namespace zc
