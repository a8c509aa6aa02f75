#include "zerocopy/surface_slots.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <utility>
#include <vector>

extern "C" {
#include <libavutil/buffer.h>
#include <libavutil/frame.h>
}

namespace zc {

struct SurfaceSlots::State {
  struct Place {
    std::atomic<bool> taken = false;
    std::shared_ptr<State> self;  ///< while it is taken
    std::uint8_t nothing = 0;     ///< what the frame's buffer points at
  };
  explicit State(std::size_t limit) : places(limit) {}

  static void give_back(void* opaque, std::uint8_t* /*data*/) noexcept {
    auto& place = *static_cast<Place*>(opaque);
    const std::shared_ptr<State> keep = std::move(place.self);
    place.taken.store(false, std::memory_order_release);
  }
  [[nodiscard]] Place* find() {
    const auto free = [](const Place& place) { return !place.taken.load(std::memory_order_acquire); };
    const auto place = std::ranges::find_if(places, free);
    return place == places.end() ? nullptr : &*place;
  }

  std::vector<Place> places;
};

SurfaceSlots::SurfaceSlots(std::size_t limit) : state_(std::make_shared<State>(limit)) {}
SurfaceSlots::~SurfaceSlots() = default;

std::size_t SurfaceSlots::taken() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      state_->places, [](const State::Place& place) { return place.taken.load(std::memory_order_acquire); }));
}

Result<void> SurfaceSlots::check() const {
  if (state_->find() != nullptr) return {};
  return fail(ErrorKind::Busy, "import frame", fmt::format("all {} surfaces are in use", state_->places.size()));
}

Result<void> SurfaceSlots::assign(AVFrame& frame) {
  if (auto some = check(); !some) return some;
  State::Place& place = *state_->find();
  frame.buf[1] = av_buffer_create(&place.nothing, sizeof place.nothing, &State::give_back, &place, 0);
  if (frame.buf[1] == nullptr) return fail_errno(ENOMEM, "hand out a surface");
  place.taken.store(true, std::memory_order_relaxed);
  place.self = state_;
  return {};
}

}  // namespace zc
