// What the findings mean for a recording on this machine.
#pragma once

#include "probe/report.h"

namespace zc::probe {

/// From everything else in the report: which route and which encoder `record` takes, why, and what to change. Pure.
[[nodiscard]] Verdict make_verdict(const ProbeReport& report);

}  // namespace zc::probe
