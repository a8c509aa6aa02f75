#include "capture/test_pattern.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace zc {
namespace {

/// Where the components of a format sit in its little-endian word.
struct Shifts {
  PixelFormat format;
  std::uint8_t red, green, blue;
  std::uint8_t alpha;  ///< of the alpha or padding bits, which are all set
};
using enum PixelFormat;
constexpr std::array kShifts = {
    Shifts{BGRx, 16, 8, 0, 24},        Shifts{BGRA, 16, 8, 0, 24},        Shifts{RGBx, 0, 8, 16, 24},
    Shifts{RGBA, 0, 8, 16, 24},        Shifts{xRGB, 8, 16, 24, 0},        Shifts{ARGB, 8, 16, 24, 0},
    Shifts{xBGR, 24, 16, 8, 0},        Shifts{ABGR, 24, 16, 8, 0},        Shifts{xRGB_210LE, 20, 10, 0, 30},
    Shifts{ARGB_210LE, 20, 10, 0, 30}, Shifts{xBGR_210LE, 0, 10, 20, 30}, Shifts{ABGR_210LE, 0, 10, 20, 30},
    Shifts{RGBx_102LE, 22, 12, 2, 0},  Shifts{RGBA_102LE, 22, 12, 2, 0},  Shifts{BGRx_102LE, 2, 12, 22, 0},
    Shifts{BGRA_102LE, 2, 12, 22, 0},
};

struct Colour {
  std::uint8_t red, green, blue;
};
/// 75% bars, in the order of falling luma.
constexpr std::array kBars = {Colour{191, 191, 191}, Colour{191, 191, 0}, Colour{0, 191, 191}, Colour{0, 191, 0},
                              Colour{191, 0, 191},   Colour{191, 0, 0},   Colour{0, 0, 191},   Colour{0, 0, 0}};

/// 0, 1, .. reach, .. 1, 0, 1 ..: where something is after `distance` px between two walls `reach` px apart.
std::uint32_t bounce(std::uint64_t distance, std::uint32_t reach) {
  if (reach == 0) return 0;
  const std::uint64_t phase = distance % (std::uint64_t{reach} * 2);
  return static_cast<std::uint32_t>(phase <= reach ? phase : std::uint64_t{reach} * 2 - phase);
}

}  // namespace

std::uint32_t rgb_word(PixelFormat format, std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  const auto* const shifts = std::ranges::find(kShifts, format, &Shifts::format);
  if (shifts == kShifts.end()) return 0;
  if (info(format).bits == 10) {
    const auto widen = [](std::uint32_t v) { return v << 2U | v >> 6U; };
    return widen(red) << shifts->red | widen(green) << shifts->green | widen(blue) << shifts->blue |
           0x3U << shifts->alpha;
  }
  return std::uint32_t{red} << shifts->red | std::uint32_t{green} << shifts->green |
         std::uint32_t{blue} << shifts->blue | 0xffU << shifts->alpha;
}

TestPattern::TestPattern(PixelFormat format, Size size)
    : format_(format), size_(size), stride_bytes_((size.width * 4 + 63) & ~63U), bars_(size.width), ramp_(size.width) {
  for (std::uint32_t x = 0; x < size.width; ++x) {
    const Colour& bar = kBars.at(std::size_t{x} * kBars.size() / size.width);
    bars_[x] = rgb_word(format, bar.red, bar.green, bar.blue);
    const auto grey = static_cast<std::uint8_t>(std::uint64_t{x} * 255 / std::max(size.width - 1, 1U));
    ramp_[x] = rgb_word(format, grey, grey, grey);
  }
  box_.resize(box(0).width);
  for (std::size_t x = 0; x < box_.size(); ++x) {
    const auto hue = static_cast<std::uint8_t>(x * 255 / box_.size());
    box_[x] = rgb_word(format, 255, hue, static_cast<std::uint8_t>(255 - hue));
  }
}

Rect TestPattern::box(std::uint64_t n) const {
  const std::uint32_t width = std::max(size_.width / 8, 4U);
  const std::uint32_t height = std::max(size_.height / 4, 4U);
  const std::uint32_t x = bounce(n * std::max(size_.width / 160, 1U), size_.width - width);
  const std::uint32_t y = bounce(n * std::max(size_.height / 180, 1U), size_.height - height);
  return {static_cast<std::int32_t>(x), static_cast<std::int32_t>(y), width, height};
}

Rect TestPattern::mark_area() const {
  const std::uint32_t cell = mark_cell_px(size_);
  return {0, 0, std::min(cell * kMarkColumns, size_.width), std::min(cell * kMarkRows, size_.height)};
}

void TestPattern::paint_background(std::span<std::byte> pixels) const {
  paint_background(pixels, {0, 0, size_.width, size_.height});
}

void TestPattern::paint_background(std::span<std::byte> pixels, const Rect& area) const {
  const auto left = static_cast<std::size_t>(area.x);
  const auto top = static_cast<std::size_t>(area.y);
  for (std::size_t y = top; y < top + area.height; ++y) {
    const auto& row = y < std::size_t{size_.height} * 3 / 4 ? bars_ : ramp_;
    std::memcpy(pixels.data() + y * stride_bytes_ + left * 4, row.data() + left, std::size_t{area.width} * 4);
  }
}

void TestPattern::paint_box(std::span<std::byte> pixels, std::uint64_t n) const {
  const Rect area = box(n);
  for (std::size_t y = 0; y < area.height; ++y) {
    std::byte* row = pixels.data() + (static_cast<std::size_t>(area.y) + y) * stride_bytes_;
    std::memcpy(row + static_cast<std::size_t>(area.x) * 4, box_.data(), box_.size() * 4);
  }
}

void TestPattern::paint_mark(std::span<std::byte> pixels, const TestMark& mark) const {
  zc::paint_mark(pixels, stride_bytes_, size_, mark, rgb_word(format_, 255, 255, 255), rgb_word(format_, 0, 0, 0));
}

}  // namespace zc
