// The faults that SOFTGPU_FAULTS asks for.
#pragma once

#include "softgpu/control.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace zc::softgpu {

/// One value per fault; 0: not asked for.
class Faults {
 public:
  /// "name[=value],…" with the names of README.md's table; nullopt when a word is unknown or a value not a number.
  [[nodiscard]] static std::optional<Faults> parse(std::string_view text);

  [[nodiscard]] std::uint64_t operator[](Fault fault) const { return values_.at(static_cast<std::size_t>(fault)); }

 private:
  std::array<std::uint64_t, kFaultCount> values_{};
};

}  // namespace zc::softgpu
