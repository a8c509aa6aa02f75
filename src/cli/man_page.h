#pragma once

#include <string>

namespace zc {

/// zerocast(1) as man(7) macros, made from the command line's definition. The same input gives the same bytes.
[[nodiscard]] std::string man_page();

}  // namespace zc
