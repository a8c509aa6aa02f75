#include "capture/end_once.h"

#include "capture/region.h"

#include <utility>

namespace zc {

void EndOnce::on_frame(Frame frame) {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  if (frame.has_image() && std::exchange(awaited_, false)) nudge_.done();
  // It lies in the place: that has been looked at.
  if (frame.has_image() && region_) static_cast<void>(crop_to_region(frame, region_->region, region_->place));
  listener_.on_frame(std::move(frame));
}

void EndOnce::on_state(SourceState state, const Error* error) {
  const std::lock_guard lock(mutex_);
  if (ended_) return;
  ended_ = state == SourceState::Ended;
  awaited_ = state == SourceState::Streaming;
  awaited_ ? nudge_.begun() : nudge_.done();
  listener_.on_state(state, error);
}

}  // namespace zc
