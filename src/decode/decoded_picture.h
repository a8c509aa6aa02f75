#pragma once

#include "base/error.h"
#include "decode/picture_pool.h"
#include "media/frame.h"

#include <cstddef>
#include <memory>
#include <stop_token>

namespace zc {

/// Makes frames of a decoder's pictures: as they lie where our formats have that layout, on the GPU too, else converted
/// to the nearest one that loses nothing of depth and chroma. One thread.
class DecodedPictures {
 public:
  DecodedPictures();
  ~DecodedPictures();
  DecodedPictures(const DecodedPictures&) = delete;
  DecodedPictures& operator=(const DecodedPictures&) = delete;

  /// Fills image, lease, crop and colour of `frame`. A stream that does not say what its colours are is taken as
  /// players take it: BT.601 up to 576 lines, BT.709 above, limited range. Busy: too many pictures are still read.
  /// Unsupported: nothing makes one of our formats of it.
  [[nodiscard]] Result<void> put(AvFramePtr picture, Frame& frame);
  /// As PicturePool::wait_until_below().
  void wait_until_below(std::size_t count, const std::stop_token& stop) { pool_->wait_until_below(count, stop); }
  /// Pictures that are still read.
  [[nodiscard]] std::size_t lent() const { return pool_->lent(); }

 private:
  struct Converter;
  [[nodiscard]] Result<AvFramePtr> on_host(AvFramePtr picture);

  std::shared_ptr<PicturePool> pool_ = std::make_shared<PicturePool>();
  std::unique_ptr<Converter> converter_;  ///< of layouts that are none of ours; made for the first such picture
};

}  // namespace zc
