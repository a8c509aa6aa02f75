// The pictures of a stream against the test source's, as far as they are that.
#pragma once

#include "media/colour.h"
#include "verify/quality.h"
#include "verify/verify.h"

#include <optional>

namespace zc::verify {

class QualityCheck {
 public:
  explicit QualityCheck(double min_psnr) : min_psnr_(min_psnr) {}

  /// A picture with a legible number.
  void add(const PictureView& picture, const ColourDescription& colour, const TestMark& mark);
  /// nullopt: nothing was compared, or the pictures are not the test source's.
  [[nodiscard]] std::optional<QualityReport> report() const;

 private:
  struct Sum {
    double min = 0, max = 0, sum = 0;
    std::uint64_t count = 0;
    void add(double value);
    [[nodiscard]] Spread spread() const;
  };

  double min_psnr_;
  std::optional<ReferencePicture> reference_;
  std::array<Sum, 3> psnr_;
  Sum ssim_;
  QualityReport report_;
  bool alike_ = false;  ///< one picture looked like the test source's
};

}  // namespace zc::verify
