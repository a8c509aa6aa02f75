// The steps of the probe that call drivers, each run in a child process: this program again, with kStepOption.
#pragma once

#include "base/clock.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace zc::probe {

/// First argument of a child: what follows is a step's words. Not for users.
inline constexpr std::string_view kStepOption = "--probe-step";

/// For tests only: makes steps misbehave, "vulkan=crash,encoder:libx264=hang". A step is named by its words joined with
/// ':', or by the first of them. What it can do: crash (SIGSEGV), hang, garbage (an answer that is no JSON), exit (with
/// 3), silent (no answer). It says so in no help.
inline constexpr const char* kTestVariable = "ZEROCAST_TEST_PROBE";

/// The child's side: does the step that `words` name and writes its answer, a JSON object per line, to kAnswerFd; a
/// later line replaces an earlier one, so that what was found before a crash is kept. Returns the exit code: 0 with an
/// answer, 2 for words that are no step.
[[nodiscard]] int run_step(std::span<const std::string> words);

}  // namespace zc::probe
