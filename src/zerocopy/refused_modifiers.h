#pragma once

#include "base/error.h"
#include "media/dmabuf.h"

#include <cstdint>
#include <utility>
#include <vector>

namespace zc {

/// Modifiers that a driver listed and then refused. For every format: else the source tries them one after the other.
/// One thread.
class RefusedModifiers {
 public:
  [[nodiscard]] bool has(std::uint64_t modifier) const;
  /// What `import` gives, whose error Unsupported is a refusal. It is not asked for what no shader reads (Invalid: see
  /// Dmabuf::validate(); Unsupported: not RGB) and what was refused.
  template <class Import>
  [[nodiscard]] auto attempt(const Dmabuf& dmabuf, Import&& import) -> decltype(import()) {
    if (auto good = check(dmabuf); !good) return std::unexpected(std::move(good.error()));
    auto imported = std::forward<Import>(import)();
    if (!imported && imported.error().kind == ErrorKind::Unsupported) modifiers_.push_back(dmabuf.modifier);
    return imported;
  }

 private:
  [[nodiscard]] Result<void> check(const Dmabuf& dmabuf) const;

  std::vector<std::uint64_t> modifiers_;
};

}  // namespace zc
