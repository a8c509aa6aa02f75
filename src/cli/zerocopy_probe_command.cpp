#include "cli/zerocopy_probe_command.h"

#include "base/log.h"
#include "cli/probe_report.h"
#include "cli/report.h"
#include "media/av_log.h"
#include "probe/collect.h"
#include "probe/report_json.h"
#include "probe/step.h"
#include "settings/config_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

namespace zc {
namespace {

/// One line that replaces itself, on a terminal.
void show_progress(std::string_view step) {
  static const bool terminal = ::isatty(STDERR_FILENO) != 0;
  if (terminal) say("\r\x1b[K" + (step.empty() ? std::string() : fmt::format("probing {}", step)));
}

/// What [record] of the configuration file says about the GPU. Of a file that is wrong 'zerocast record' tells.
std::string configured_gpu() {
  const auto config = read_config();
  RecordWords words;
  if (!config || !apply_defaults(config->record, {}, SettingScope::Record, words)) return {};
  return words.options.gpu;
}

}  // namespace

int run_zerocopy_probe(const ZerocopyProbeOptions& options, const Toggles& toggles) {
  probe::ProbeOptions probe;
  probe.arguments = probe::loader_words("zerocopy-probe");
  probe.step_limit = options.step_limit;
  probe.mode = toggles.zerocopy;
  probe.progress = show_progress;
  probe.gpu = configured_gpu();
  const auto report = probe::probe_machine(probe);
  show_progress("");
  if (!report) return to_int(report_error(report.error(), Stage::Arguments));
  const std::string text = options.json ? probe::text_of(probe::write_json(*report)) + "\n" : probe_text(*report);
  const ExitCode printed = print_out(text);
  return to_int(printed == ExitCode::Ok ? probe_exit(*report) : printed);
}

std::optional<int> run_probe_child(std::span<const char* const> arguments) {
  if (arguments.empty() || arguments.front() != probe::kStepOption) return std::nullopt;
  try {
    init_logging();
    set_ffmpeg_logging(false);
    return probe::run_step(std::vector<std::string>(arguments.begin() + 1, arguments.end()));
  } catch (const std::exception& error) {
    say(fmt::format("zerocast: {}\n", error.what()));
    return to_int(ExitCode::Internal);
  }
}

}  // namespace zc
