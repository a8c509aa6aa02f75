#include "cli/encoders_command.h"

#include "cli/encoders_report.h"
#include "cli/report.h"
#include "media/av_log.h"

#include <algorithm>
#include <vector>

namespace zc {

int run_encoders(const EncodersOptions& options, const Toggles& toggles) {
  set_ffmpeg_logging(toggles.ffmpeg_debug);
  const std::vector<EncoderReport> reports =
      probe_encoders(options.size, options.bit_depth, options.chroma, EncoderProofs::remembered(options.reprobe));
  const ExitCode printed = print_out(options.json ? encoders_json(options, reports) : encoders_text(reports));
  if (printed != ExitCode::Ok) return to_int(printed);
  return to_int(std::ranges::any_of(reports, &EncoderReport::usable) ? ExitCode::Ok : ExitCode::NoEncoder);
}

}  // namespace zc
