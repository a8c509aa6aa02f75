#pragma once

#include "base/toggles.h"
#include "cli/options.h"

#include <optional>
#include <span>

namespace zc {

/// `zerocast zerocopy-probe`: runs every step in a child process and prints the report. Returns the process's exit
/// code: 0 a zero-copy route works, 1 none does, 2 the probe itself failed.
[[nodiscard]] int run_zerocopy_probe(const ZerocopyProbeOptions& options, const Toggles& toggles);

/// The other side of it: when the program was started as one of these children, does the step and returns the exit
/// code; nullopt otherwise. `arguments` are those behind the program's name.
[[nodiscard]] std::optional<int> run_probe_child(std::span<const char* const> arguments);

}  // namespace zc
