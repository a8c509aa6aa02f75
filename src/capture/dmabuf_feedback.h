#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "capture/wayland_client.h"
#include "media/pixel_format.h"

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace zc {

/// A format of dmabufs, with the layouts in which it is taken.
struct DmabufFormat {
  PixelFormat format = PixelFormat::Unknown;
  std::vector<std::uint64_t> modifiers;
  bool operator==(const DmabufFormat&) const = default;
};

/// Which dmabufs the compositor takes: the default feedback of zwp_linux_dmabuf_v1, version 4.
struct DmabufFeedback {
  std::optional<dev_t> device;  ///< that it draws with: any of a GPU's nodes
  std::vector<DmabufFormat> formats;
};

/// After find_globals(). Errors as WaylandClient::wait(); Unsupported: it has none, and why.
[[nodiscard]] Result<DmabufFeedback> read_dmabuf_feedback(WaylandClient& client, Nanoseconds deadline);

/// Adds a format's modifier, once; formats that we do not know are left out.
void add_dmabuf_format(std::vector<DmabufFormat>& formats, std::uint32_t fourcc, std::uint64_t modifier);

}  // namespace zc
