#pragma once

#include "base/error.h"

#include <cstddef>
#include <memory>

struct AVFrame;

namespace zc {

/// Counts the surfaces that are out, for pools whose memory is libavutil's: one place for each that may be. It rides
/// along with the frame as a buffer of its own (AVFrame::buf[1]) and is free again when the last reference to the frame
/// is gone, on whichever thread, after this object's end as well. One thread makes every call.
class SurfaceSlots {
 public:
  explicit SurfaceSlots(std::size_t limit);
  SurfaceSlots(const SurfaceSlots&) = delete;
  SurfaceSlots& operator=(const SurfaceSlots&) = delete;
  ~SurfaceSlots();

  /// Busy: all places are taken.
  [[nodiscard]] Result<void> check() const;
  /// Gives the frame a place. Busy: all places are taken.
  [[nodiscard]] Result<void> assign(AVFrame& frame);
  [[nodiscard]] std::size_t taken() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace zc
