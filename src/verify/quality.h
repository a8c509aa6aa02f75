// How far a decoded picture is from what it ought to be.
#pragma once

#include "media/picture_view.h"
#include "verify/reference_picture.h"

#include <array>

namespace zc::verify {

/// Of one picture.
struct Quality {
  std::array<double, 3> psnr{};  ///< dB per component; infinite where no sample differs
  double ssim = 0;               ///< of the first component, 1 where no sample differs
};

/// The picture is of the reference's kind. SSIM is the mean over windows of 8x8 samples, 4 apart (Wang et al. 2004,
/// with flat instead of Gaussian windows, as FFmpeg and x264 compute it); of a picture smaller than a window it is 1 or
/// 0.
[[nodiscard]] Quality compare(const PictureView& picture, const ReferencePicture& reference);

}  // namespace zc::verify
