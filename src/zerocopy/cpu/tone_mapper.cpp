#include "zerocopy/cpu/tone_mapper.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace zc {
namespace {

// SMPTE ST 2084.
constexpr double kM1 = 0.1593017578125, kM2 = 78.84375, kC1 = 0.8359375, kC2 = 18.8515625, kC3 = 18.6875;
double nits(double code) {
  const double p = std::pow(code, 1 / kM2);
  return 10000 * std::pow(std::max(p - kC1, 0.0) / (kC2 - kC3 * p), 1 / kM1);
}
double code(double nits) {
  const double p = std::pow(nits / 10000, kM1);
  return std::pow((kC1 + kC2 * p) / (1 + kC3 * p), kM2);
}

/// BT.2390's curve, code value to code value.
double shown(double value) {
  const double peak = code(kTonePeak);
  const double white = code(kToneWhite) / peak;
  const double knee = 1.5 * white - 0.5;
  const double x = std::min(value / peak, 1.0);
  if (x <= knee) return value;
  const double t = (x - knee) / (1 - knee);
  const double t2 = t * t;
  const double t3 = t2 * t;
  return peak * ((2 * t3 - 3 * t2 + 1) * knee + (t3 - 2 * t2 + t) * (1 - knee) + (3 * t2 - 2 * t3) * white);
}

/// ITU-R BT.2087: light of BT.2020's primaries as that of BT.709's.
std::array<float, 3> to_bt709(const std::array<float, 3>& rgb) {
  const auto [r, g, b] = rgb;
  return {1.660491F * r - 0.587641F * g - 0.072850F * b, -0.124550F * r + 1.132900F * g - 0.008349F * b,
          -0.018151F * r - 0.100579F * g + 1.118730F * b};
}

}  // namespace

ToneMapper::ToneMapper(PixelFormat format, ToneMap map) : fields_(rgb_fields(format)), map_(map) {
  const bool bytes = fields_.layout == RgbLayout::Bytes;
  const unsigned bits = bytes ? 8 : 10;
  const unsigned first = fields_.layout == RgbLayout::TenBitHigh ? 2 : 0;
  shift_ = {first + fields_.red * bits, first + fields_.green * bits, first + fields_.blue * bits};
  most_ = (1U << bits) - 1;
  for (std::uint32_t value = 0; value <= most_; ++value) {
    const double e = static_cast<double>(value) / most_;
    light_.push_back(static_cast<float>(nits(e) / kToneWhite));
    scale_.push_back(value == 0 ? 1.0F : static_cast<float>(nits(shown(e)) / nits(e)));
  }
  for (std::size_t i = 0; i < kGammaSteps; ++i) {
    const double root = static_cast<double>(i) / (kGammaSteps - 1);
    gamma_.push_back(static_cast<std::uint16_t>(std::lround(std::pow(root, 2 / 2.2) * most_)));
  }
}

std::uint32_t ToneMapper::map(std::uint32_t word) const {
  std::array<float, 3> rgb{};
  std::uint32_t largest = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const std::uint32_t value = (word >> shift_.at(i)) & most_;
    rgb.at(i) = light_[value];
    largest = std::max(largest, value);
  }
  for (float& c : rgb) c *= scale_[largest];
  if (map_ == ToneMap::ToBt709) rgb = to_bt709(rgb);
  std::uint32_t mapped = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    const float root = std::sqrt(std::clamp(rgb.at(i), 0.0F, 1.0F));
    const auto step = static_cast<std::size_t>(root * (kGammaSteps - 1) + 0.5F);
    mapped |= std::uint32_t{gamma_[step]} << shift_.at(i);
  }
  return mapped;
}

RgbView ToneMapper::apply(const RgbView& picture) {
  const auto [width, height] = picture.size;
  if (memory_.size() < picture.size.area()) memory_.resize(picture.size.area());
  for (std::uint32_t y = 0; y < height; ++y) {
    const std::byte* from = picture.data + y * picture.stride_bytes;
    std::uint32_t* to = memory_.data() + std::size_t{y} * width;
    std::memcpy(to, from, std::size_t{width} * 4);
    // What a screen shows comes in runs of one colour.
    std::uint32_t last = to[0];
    std::uint32_t last_mapped = map(last);
    for (std::uint32_t x = 0; x < width; ++x) {
      if (to[x] != last) {
        last = to[x];
        last_mapped = map(last);
      }
      to[x] = last_mapped;
    }
  }
  return {reinterpret_cast<const std::byte*>(memory_.data()), std::size_t{width} * 4, picture.size};
}

}  // namespace zc
