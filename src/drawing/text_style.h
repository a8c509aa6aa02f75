#pragma once

#include <cstdint>
#include <string>

namespace zc {

/// How a line of text looks.
struct TextStyle {
  static constexpr std::uint32_t kMinPx = 6, kMaxPx = 1000;

  std::uint32_t px = 32;                  ///< of the font
  std::uint32_t colour = 0xffffffff;      ///< RRGGBBAA
  std::uint32_t background = 0x00000080;  ///< likewise
  std::string font = "sans-serif";        ///< as fontconfig has it: "DejaVu Sans:bold"
  bool operator==(const TextStyle&) const = default;
};

}  // namespace zc
