#include "cli/verify_command.h"

#include "cli/report.h"
#include "cli/stop_signals.h"
#include "cli/verify_report.h"
#include "media/av_log.h"

extern "C" {
#include <libavutil/log.h>
}

namespace zc {
namespace {

/// A file that cannot be had is wrong input; a peer that cannot be had is a source that is not there.
Stage stage_of(const Error& error, const std::string& input) {
  const bool peer = input.find("://") != std::string::npos;
  const bool ours = error.kind == ErrorKind::Invalid || error.kind == ErrorKind::Unsupported;
  return peer && !ours ? Stage::Source : Stage::Arguments;
}

}  // namespace

int run_verify(const VerifyCommandOptions& options, const Toggles& toggles) {
  set_ffmpeg_logging(toggles.ffmpeg_debug);
  // What is wrong with the stream is for the report to say.
  if (!toggles.ffmpeg_debug) av_log_set_level(AV_LOG_QUIET);
  verify::VerifyOptions verify = options.verify;
  verify.stopped = stop_pending;
  const auto report = verify::verify_stream(verify);
  if (!report && report.error().kind == ErrorKind::Cancelled) return to_int(ExitCode::NoSource);
  if (!report) return to_int(report_error(report.error(), stage_of(report.error(), verify.input)));
  const ExitCode printed = print_out(options.json ? verify_json(*report) : verify_text(*report));
  if (printed != ExitCode::Ok) return to_int(printed);
  return to_int(report->faults.empty() ? ExitCode::Ok : ExitCode::Faults);
}

}  // namespace zc
