#include "verify/quality_check.h"

#include <algorithm>
#include <cmath>

namespace zc::verify {
namespace {

/// A picture above this is the test source's; other pictures with a number in them are around 10 dB.
constexpr double kAlike = 18;
/// So many unlike ones at the beginning, and none is compared any more.
constexpr std::uint64_t kPatience = 20;

}  // namespace

void QualityCheck::Sum::add(double value) {
  min = count == 0 ? value : std::min(min, value);
  max = count == 0 ? value : std::max(max, value);
  sum += value;
  ++count;
}

Spread QualityCheck::Sum::spread() const { return {min, count == 0 ? 0 : sum / static_cast<double>(count), max}; }

void QualityCheck::add(const PictureView& picture, const ColourDescription& colour, const TestMark& mark) {
  if (!alike_ && report_.pictures >= kPatience) return;
  const ReferencePicture::Kind kind{picture.size,           picture.bits,           picture.rgb,
                                    picture.chroma_shift_x, picture.chroma_shift_y, colour};
  if (!reference_ || reference_->kind() != kind) reference_.emplace(kind);
  reference_->paint(mark);
  const Quality quality = compare(picture, *reference_);
  alike_ |= quality.psnr[0] >= kAlike;
  ++report_.pictures;
  bool exact = true;
  for (std::size_t i = 0; i < psnr_.size(); ++i) {
    if (std::isinf(quality.psnr.at(i))) continue;
    exact = false;
    psnr_.at(i).add(quality.psnr.at(i));
  }
  if (exact) ++report_.exact;
  if (*std::ranges::min_element(quality.psnr) < min_psnr_) ++report_.below;
  ssim_.add(quality.ssim);
}

std::optional<QualityReport> QualityCheck::report() const {
  if (!alike_) return std::nullopt;
  QualityReport report = report_;
  for (std::size_t i = 0; i < psnr_.size(); ++i) report.psnr.at(i) = psnr_.at(i).spread();
  report.ssim = ssim_.spread();
  return report;
}

}  // namespace zc::verify
