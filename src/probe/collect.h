// The whole probe: every step in its child process, the answers joined into one report.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/toggles.h"
#include "probe/report.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace zc::probe {

struct ProbeOptions {
  /// What runs a step: this program with these arguments before kStepOption and the step's words.
  std::string program = "/proc/self/exe";
  std::vector<std::string> arguments;
  Nanoseconds step_limit = std::chrono::seconds(30);
  /// No step is started after this; the probe ends at most one step later.
  Nanoseconds total_limit = std::chrono::minutes(5);
  ZerocopyMode mode = ZerocopyMode::Auto;
  std::string gpu;  ///< that the user wants, as parse_gpu() gives it; empty: "auto"
  /// Told each step's name before it runs.
  std::function<void(std::string_view step)> progress = [](std::string_view) {};
};

/// Steps that crash, hang or answer nonsense are problems of the report. An error means that no child process could be
/// run at all, or (Invalid) that the GPU wanted is not there.
[[nodiscard]] Result<ProbeReport> probe_machine(const ProbeOptions& options);

/// What stands between the program and `command` on this process's command line, for ProbeOptions::arguments: the
/// words of a dynamic loader that was started explicitly ("ld.so --library-path DIR zerocast zerocopy-probe"), which is
/// what /proc/self/exe is then; nothing otherwise.
[[nodiscard]] std::vector<std::string> loader_words(std::string_view command);

}  // namespace zc::probe
