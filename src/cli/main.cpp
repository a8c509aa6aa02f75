#include "base/log.h"
#include "base/toggles.h"
#include "cli/command_line.h"
#include "cli/completion.h"
#include "cli/config_command.h"
#include "cli/daemon_command.h"
#include "cli/encoders_command.h"
#include "cli/exit_codes.h"
#include "cli/record_command.h"
#include "cli/remux_command.h"
#include "cli/report.h"
#include "cli/session_commands.h"
#include "cli/signals.h"
#include "cli/snapshot_command.h"
#include "cli/sources_command.h"
#include "cli/verify_command.h"
#include "cli/view_command.h"
#include "cli/zerocopy_probe_command.h"
#include "settings/record_arguments.h"
#include "worker/session_process.h"

#include <csignal>
#include <cstdio>
#include <exception>
#include <optional>
#include <span>
#include <variant>

namespace {

using namespace zc;

/// A dead peer or a full disk is an error of write(2) here, never the end of the process.
void ignore_write_signals() {
  static_cast<void>(std::signal(SIGPIPE, SIG_IGN));
  static_cast<void>(std::signal(SIGXFSZ, SIG_IGN));
}

/// One overload per command.
struct Dispatch {
  const Toggles& toggles;

  int operator()(const ShowText& show) const { return to_int(print_out(show.text)); }
  int operator()(const CompletionOptions& options) const { return to_int(print_out(completion_file(options.shell))); }
  int operator()(const ConfigOptions& options) const { return run_config(options, toggles); }
  int operator()(const DaemonOptions& /*options*/) const { return run_daemon(); }
  int operator()(const StartOptions& options) const { return run_start(options); }
  int operator()(const StatusOptions& options) const { return run_status(options); }
  int operator()(const ActionOptions& options) const { return run_action(options); }
  int operator()(const SourcesOptions& options) const { return run_sources(options); }
  int operator()(const EncodersOptions& options) const { return run_encoders(options, toggles); }
  int operator()(const ZerocopyProbeOptions& options) const { return run_zerocopy_probe(options, toggles); }
  int operator()(const ViewOptions& options) const { return run_view(options); }
  int operator()(const VerifyCommandOptions& options) const {
    block_signals();
    return run_verify(options, toggles);
  }
  int operator()(const RemuxOptions& options) const {
    block_signals();
    return run_remux(options, toggles);
  }
  int operator()(const SnapshotOptions& options) const { return run_snapshot(options, toggles); }
  int operator()(const RecordOptions& options) const {
    if (const auto good = check_encoder(options); !good) return to_int(report_error(good.error(), Stage::Encoder));
    block_signals();
    return run_record(options, toggles);
  }
};

/// Where the daemon has started this process for a session.
std::optional<int> session_process(std::span<const char* const> arguments) {
  if (!is_session_process(arguments)) return std::nullopt;
  init_logging();
  const auto toggles = read_toggles();
  if (!toggles) return to_int(report_error(toggles.error(), Stage::Arguments));
  return run_session_process(*toggles);
}

int run(std::span<const char* const> arguments) {
  ignore_write_signals();
  if (!arguments.empty() && arguments.front() == kCompleteArgument) {
    return to_int(print_out(complete(arguments.subspan(1))));
  }
  if (const auto code = run_probe_child(arguments)) return *code;
  if (const auto code = session_process(arguments)) return *code;
  const auto invocation = parse_command_line(arguments, read_config);
  if (!invocation) return to_int(report_error(invocation.error(), Stage::Arguments));
  if (const auto* show = std::get_if<ShowText>(&*invocation)) return to_int(print_out(show->text));
  init_logging();
  const auto toggles = read_toggles();
  if (!toggles) return to_int(report_error(toggles.error(), Stage::Arguments));
  return std::visit(Dispatch{*toggles}, *invocation);
}

}  // namespace

int main(int count, char** words) {
  try {
    return run(std::span<const char* const>(words, static_cast<std::size_t>(count)).subspan(count > 0 ? 1 : 0));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "zerocast: internal error: %s\n", error.what());
  } catch (...) {
    std::fputs("zerocast: internal error\n", stderr);
  }
  return to_int(ExitCode::Internal);
}
