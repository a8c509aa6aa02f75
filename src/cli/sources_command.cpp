#include "cli/sources_command.h"

#include "capture/portal_session.h"
#include "cli/report.h"
#include "cli/sources_report.h"

#include <stop_token>

namespace zc {

int run_sources(const SourcesOptions& options) {
  constexpr Nanoseconds kPatience = std::chrono::seconds(5);
  const SourcesReport report{.portal = PortalSession::query(kPatience, std::stop_token()),
                             .desktop = list_desktop_sources(kPatience),
                             .nodes = list_video_nodes(),
                             .sound = list_audio_nodes()};
  return to_int(print_out(options.json ? sources_json(report) : sources_text(report)));
}

}  // namespace zc
