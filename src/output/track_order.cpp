#include "output/track_order.h"

#include <algorithm>
#include <utility>

namespace zc {
namespace {

std::int64_t time_of(const Packet& packet) { return packet.keyframe ? packet.pts : packet.dts; }

}  // namespace

void TrackOrder::push(Packet packet) {
  if (packet.track >= waiting_.size()) return;
  begun_ |= packet.track == 0;
  newest_ = std::max(newest_, time_of(packet));
  waiting_[packet.track].push_back(std::move(packet));
}

std::deque<Packet>* TrackOrder::first() {
  std::deque<Packet>* first = nullptr;
  for (std::deque<Packet>& track : waiting_) {
    if (!track.empty() && (first == nullptr || time_of(track.front()) < time_of(first->front()))) first = &track;
  }
  return first;
}

std::optional<Packet> TrackOrder::pop() {
  const bool all = std::ranges::none_of(waiting_, &std::deque<Packet>::empty);
  const std::deque<Packet>* next = first();
  if (next == nullptr || !begun_) return std::nullopt;
  if (!all && newest_ - time_of(next->front()) < to_packet_clock(patience_)) return std::nullopt;
  return pop_rest();
}

std::optional<Packet> TrackOrder::pop_rest() {
  std::deque<Packet>* next = first();
  if (next == nullptr) return std::nullopt;
  Packet packet = std::move(next->front());
  next->pop_front();
  return packet;
}

}  // namespace zc
