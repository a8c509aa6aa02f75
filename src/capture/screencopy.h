#pragma once

#include "capture/dmabuf_feedback.h"
#include "capture/output_capture.h"
#include "capture/wayland_client.h"
#include "capture/wayland_outputs.h"

#include <memory>
#include <optional>

namespace zc {

/// An output by wlroots' own protocol, zwlr_screencopy_manager_v1, from version 3 on: sway, Hyprland, river, niri and
/// others. `outputs` outlives it. `feedback`: what the compositor takes as dmabufs, which this protocol does not tell.
/// Unsupported: the compositor has no such version.
[[nodiscard]] Result<std::unique_ptr<OutputCapture>> capture_by_screencopy(WaylandClient& client,
                                                                           const WaylandOutputs& outputs,
                                                                           std::size_t index, bool with_cursor,
                                                                           std::optional<DmabufFeedback> feedback);

/// The version of the protocol that it takes.
inline constexpr std::uint32_t kScreencopyVersion = 3;

}  // namespace zc
