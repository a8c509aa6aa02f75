#pragma once

#include "base/error.h"
#include "base/unique_fd.h"
#include "capture/offered_format.h"
#include "media/geometry.h"
#include "media/pixel_format.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

/// A node of the default PipeWire daemon that gives video, for `zerocast sources`.
struct VideoNode {
  enum class Kind : std::uint8_t { Compositor, Camera, Other };
  struct Format {
    PixelFormat format = PixelFormat::Unknown;
    Size min_size;      ///< px; empty when not stated
    Size max_size;      ///< px
    Rational max_rate;  ///< 0 = not stated
    bool dmabuf = false;
    std::optional<CodedFormat> coded = std::nullopt;  ///< set: coded pictures, and `format` is unknown
  };

  /// Something that can be set at a camera, such as its brightness.
  struct Control {
    std::string name;         ///< for a person
    double value = 0;         ///< now
    double preferred = 0;     ///< what it is by itself
    double min = 0, max = 0;  ///< equal where the camera states no limits
  };

  std::uint32_t id = 0;
  std::uint64_t serial = 0;
  std::string name;         ///< node.name
  std::string description;  ///< for a person; the name when the node has none
  std::string media_class;  ///< "Video/Source", "Stream/Output/Video"
  Kind kind = Kind::Other;
  std::int32_t priority = 0;              ///< the session manager's: the camera with the highest one is the default
  std::vector<Format> formats;            ///< those we know; the same format with and without dmabuf counts as two
  std::vector<OfferedFormat> modes = {};  ///< the same one by one, as the node states them
  std::vector<Control> controls = {};     ///< of cameras
};

[[nodiscard]] std::string_view to_string(VideoNode::Kind kind);

/// Asks the daemon behind `remote`, or where that is empty the default one; takes 3 s at most. NotFound: no daemon.
/// What did not answer in time is listed without formats.
[[nodiscard]] Result<std::vector<VideoNode>> list_video_nodes(UniqueFd remote = {});

}  // namespace zc
