#include "cli/record_command.h"

#include "base/clock.h"
#include "base/file_names.h"
#include "base/log.h"
#include "cli/record_report.h"
#include "cli/report.h"
#include "cli/signals.h"
#include "media/av_log.h"
#include "session/recording.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stop_token>
#include <utility>

namespace zc {
namespace {

constexpr Nanoseconds kTick = std::chrono::milliseconds(250);

void follow(Recording& recording, StatusLine& line, const std::stop_token& stop) {
  const std::stop_callback on_signal(stop, [&recording] { recording.request_stop(); });
  RecordingStatus before;
  while (!recording.wait(kTick)) {
    const Nanoseconds now = monotonic_now();
    if (!line.due(now)) continue;
    const RecordingStatus status = recording.status();
    line.show(make_snapshot(status, before), now);
    before = status;
  }
  line.erase();
}

Result<void> name_files(std::vector<OutputSpec>& outputs) {
  for (OutputSpec& output : outputs) {
    auto* file = std::get_if<FileOutput>(&output.target);
    if (file == nullptr) continue;
    auto path =
        file->path.empty() ? default_file(info(output.container).name) : expand_file_name(file->path, "zerocast");
    if (!path) return std::unexpected(std::move(path.error()));
    file->path = *std::move(path);
  }
  return {};
}

}  // namespace

int run_record(RecordOptions options, const Toggles& toggles) {
  if (options.quiet) set_quiet_logging();
  set_ffmpeg_logging(toggles.ffmpeg_debug);
  if (auto named = name_files(options.outputs); !named) return to_int(report_error(named.error(), Stage::Arguments));
  const std::stop_source stop;
  const auto signals = Signals::create(stop);
  if (!signals) return to_int(report_error(signals.error(), Stage::Arguments));
  auto recording = Recording::start(recording_options(options, toggles), stop.get_token());
  if (!recording) {
    if (stop.stop_requested()) return to_int(ExitCode::Ok);
    static_cast<void>(report_error(recording.error().error, Stage::Source));
    return to_int(failure_exit(recording.error()));
  }
  if (!options.quiet) {
    for (const OutputStatus& output : (*recording)->status().outputs) {
      if (!output.watch.empty()) say(fmt::format("watch: {}\n", output.watch));
    }
  }
  {
    StatusLine line(STDERR_FILENO, StatusLine::mode_for(STDERR_FILENO, options.quiet));
    (*signals)->set_recording(recording->get());
    follow(**recording, line, stop.get_token());
    (*signals)->set_recording(nullptr);
  }
  const RecordingReport report = (*recording)->finish();
  auto [code, error] = recording_exit(report);
  if (error) static_cast<void>(report_error(*error, Stage::Recording));
  if (!options.quiet) say(report_text(report));
  if (options.json) {
    if (const ExitCode printed = print_out(report_json(report) + "\n"); printed != ExitCode::Ok) code = printed;
  }
  if (report.stuck_threads > 0) {
    // A driver keeps a thread in a call for good; ending in an orderly way could wait for it.
    logger("cli").warn("a driver's call never returned");
    std::fflush(nullptr);
    std::_Exit(to_int(code));
  }
  return to_int(code);
}

}  // namespace zc
