#pragma once

#include "cli/command_table.h"

#include <memory>

namespace zc {

/// `zerocast camera`: a recording whose only output is a virtual camera.
[[nodiscard]] std::unique_ptr<Command> make_camera_command();

}  // namespace zc
