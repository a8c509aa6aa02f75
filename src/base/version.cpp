#include "base/version.h"

namespace zc {

std::string_view version() { return ZEROCAST_VERSION; }

}  // namespace zc
