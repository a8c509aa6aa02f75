#include "cli/encoders_command.h"

#include "base/parked_thread.h"
#include "cli/encoders_report.h"
#include "cli/report.h"
#include "media/av_log.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace zc {

int run_encoders(const EncodersOptions& options, const Toggles& toggles) {
  set_ffmpeg_logging(toggles.ffmpeg_debug);
  const std::vector<EncoderReport> reports = probe_encoders(options.size, options.bit_depth, options.chroma);
  const ExitCode printed = print_out(options.json ? encoders_json(options, reports) : encoders_text(reports));
  const bool any = std::ranges::any_of(reports, &EncoderReport::usable);
  const int code = to_int(printed != ExitCode::Ok ? printed : any ? ExitCode::Ok : ExitCode::NoEncoder);
  // A driver keeps a thread in a call for good; ending in an orderly way could wait for it.
  if (parked_threads() > 0) std::_Exit(code);
  return code;
}

}  // namespace zc
