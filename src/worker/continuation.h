#pragma once

#include "output/output_spec.h"

#include <vector>

namespace zc {

/// Names further files for a session that goes on after its process has crashed: "clip-2.mkv" after "clip.mkv", which
/// stays as it is.
void continue_files(std::vector<OutputSpec>& outputs);

}  // namespace zc
