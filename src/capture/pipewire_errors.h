#pragma once

#include "base/error.h"

#include <string>
#include <string_view>

namespace zc {

/// PipeWire tells why a stream failed in words only. Unsupported for "no more input formats" and its like, NotFound for
/// a missing target, Denied, else Lost. `what` is the source in the user's words.
[[nodiscard]] Error stream_error(std::string_view message, std::string what);
/// The words may mean that no buffers could be made; a producer's own words may mean anything.
[[nodiscard]] bool perhaps_buffers(std::string_view message);

}  // namespace zc
