#include "zerocopy/refused_modifiers.h"

#include "zerocopy/cpu/yuv_coefficients.h"

#include <fmt/format.h>

#include <algorithm>

namespace zc {

bool RefusedModifiers::has(std::uint64_t modifier) const {
  return std::ranges::find(modifiers_, modifier) != modifiers_.end();
}

Result<void> RefusedModifiers::check(const Dmabuf& dmabuf) const {
  if (auto valid = dmabuf.validate(); !valid) return valid;
  if (!rgb_fields(dmabuf.format).valid) {
    return fail(ErrorKind::Unsupported, "import a dmabuf", fmt::format("{} on the GPU", name(dmabuf.format)));
  }
  if (!has(dmabuf.modifier)) return {};
  return fail(ErrorKind::Unsupported, "import a dmabuf",
              fmt::format("the driver has refused modifier {:#x}", dmabuf.modifier));
}

}  // namespace zc
