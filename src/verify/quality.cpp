#include "verify/quality.h"

#include <cmath>
#include <limits>

namespace zc::verify {
namespace {

constexpr std::uint32_t kWindow = 8;
constexpr std::uint32_t kWindowStep = 4;

double psnr(const Component& component, const ReferencePlane& reference, unsigned bits) {
  double squares = 0;
  const std::uint16_t* wanted = reference.samples.data();
  for (std::uint32_t y = 0; y < component.size.height; ++y) {
    std::uint64_t row = 0;  // 16 bits squared, 16,384 times: below 2^46
    for (std::uint32_t x = 0; x < component.size.width; ++x) {
      const std::int64_t difference = std::int64_t{component.at(x, y)} - *wanted++;
      row += static_cast<std::uint64_t>(difference * difference);
    }
    squares += static_cast<double>(row);
  }
  if (squares == 0) return std::numeric_limits<double>::infinity();
  const double peak = (1U << bits) - 1;
  return 10 * std::log10(peak * peak * static_cast<double>(component.size.area()) / squares);
}

double window_ssim(const Component& component, const ReferencePlane& reference, std::uint32_t left, std::uint32_t top,
                   double peak) {
  double sum_a = 0;
  double sum_b = 0;
  double square_a = 0;
  double square_b = 0;
  double product = 0;
  for (std::uint32_t y = top; y < top + kWindow; ++y) {
    for (std::uint32_t x = left; x < left + kWindow; ++x) {
      const double a = component.at(x, y);
      const double b = reference.samples[std::size_t{y} * reference.size.width + x];
      sum_a += a;
      sum_b += b;
      square_a += a * a;
      square_b += b * b;
      product += a * b;
    }
  }
  constexpr double kCount = kWindow * kWindow;
  const double mean_a = sum_a / kCount;
  const double mean_b = sum_b / kCount;
  const double variance_a = square_a / kCount - mean_a * mean_a;
  const double variance_b = square_b / kCount - mean_b * mean_b;
  const double covariance = product / kCount - mean_a * mean_b;
  const double c1 = 0.01 * peak * 0.01 * peak;
  const double c2 = 0.03 * peak * 0.03 * peak;
  return (2 * mean_a * mean_b + c1) * (2 * covariance + c2) /
         ((mean_a * mean_a + mean_b * mean_b + c1) * (variance_a + variance_b + c2));
}

double ssim(const Component& component, const ReferencePlane& reference, unsigned bits, double psnr) {
  if (component.size.width < kWindow || component.size.height < kWindow) return std::isinf(psnr) ? 1 : 0;
  const double peak = (1U << bits) - 1;
  double sum = 0;
  std::uint64_t windows = 0;
  for (std::uint32_t y = 0; y + kWindow <= component.size.height; y += kWindowStep) {
    for (std::uint32_t x = 0; x + kWindow <= component.size.width; x += kWindowStep) {
      sum += window_ssim(component, reference, x, y, peak);
      ++windows;
    }
  }
  return sum / static_cast<double>(windows);
}

}  // namespace

Quality compare(const PictureView& picture, const ReferencePicture& reference) {
  Quality quality;
  for (std::size_t i = 0; i < picture.components.size(); ++i) {
    quality.psnr.at(i) = psnr(picture.components.at(i), reference.planes().at(i), picture.bits);
  }
  quality.ssim = ssim(picture.components[0], reference.planes()[0], picture.bits, quality.psnr[0]);
  return quality;
}

}  // namespace zc::verify
