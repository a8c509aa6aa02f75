#pragma once

#include "base/clock.h"
#include "media/pixel_format.h"

#include <cstdint>
#include <string_view>
#include <vector>

namespace zc {

/// What a converter has refused to read: a format with a modifier, for a while, and twice as long each time. One
/// thread.
class Refusals {
 public:
  [[nodiscard]] bool has(std::string_view converter, PixelFormat format, std::uint64_t modifier) const;
  void add(std::string_view converter, PixelFormat format, std::uint64_t modifier, Nanoseconds now);
  /// True: some are over.
  [[nodiscard]] bool expire(Nanoseconds now);

 private:
  struct Refusal {
    std::string_view converter;  ///< a literal
    PixelFormat format = PixelFormat::Unknown;
    std::uint64_t modifier = 0;
    unsigned times = 0;
    Nanoseconds until{};
    bool over = false;
  };
  [[nodiscard]] const Refusal* find(std::string_view converter, PixelFormat format, std::uint64_t modifier) const;

  std::vector<Refusal> refusals_;
};

}  // namespace zc
