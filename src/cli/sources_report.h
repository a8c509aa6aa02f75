#pragma once

#include "base/error.h"
#include "capture/audio_list.h"
#include "capture/desktop_list.h"
#include "capture/node_list.h"
#include "capture/portal_choice.h"

#include <string>
#include <vector>

namespace zc {

/// What can be captured now, or why not.
struct SourcesReport {
  Result<PortalAbilities> portal;
  DesktopSources desktop = {};
  Result<std::vector<VideoNode>> nodes;
  Result<std::vector<AudioNode>> sound = {};
};

/// What `--source` takes for this node: by name where that names this one alone and reads back as it, else by serial.
[[nodiscard]] std::string source_text(const VideoNode& node, const std::vector<VideoNode>& all);

/// A table for a person; what is missing is said below it, one line each.
[[nodiscard]] std::string sources_text(const SourcesReport& report);
/// One JSON object on one line: sources [{source, kind, ...}], problems [..], sound [{source, kind, ...}].
[[nodiscard]] std::string sources_json(const SourcesReport& report);

}  // namespace zc
