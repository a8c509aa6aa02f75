#pragma once

#include "base/error.h"
#include "media/geometry.h"
#include "media/pixel_format.h"

#include <cstdint>
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
  };

  std::uint32_t id = 0;
  std::uint64_t serial = 0;
  std::string name;         ///< node.name
  std::string description;  ///< for a person; the name when the node has none
  std::string media_class;  ///< "Video/Source", "Stream/Output/Video"
  Kind kind = Kind::Other;
  std::vector<Format> formats;  ///< uncompressed ones we know; the same format with and without dmabuf counts as two
};

[[nodiscard]] std::string_view to_string(VideoNode::Kind kind);

/// Asks the daemon; takes 3 s at most. NotFound: no daemon. What did not answer in time is listed without formats.
[[nodiscard]] Result<std::vector<VideoNode>> list_video_nodes();

}  // namespace zc
