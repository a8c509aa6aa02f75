#include "output/packet_queue.h"

#include <algorithm>
#include <utility>

namespace zc {

PacketQueue::PacketQueue(QueuePolicy policy, QueueLimits limits)
    : policy_(policy), limits_(limits), ring_(std::max<std::size_t>(limits.packets, 1)) {}

bool PacketQueue::full(std::size_t more_bytes) const {
  if (counters_.packets == 0) return false;
  return counters_.packets == ring_.size() || counters_.bytes + more_bytes > limits_.bytes;
}

void PacketQueue::clear() {
  while (counters_.packets > 0) {
    drop(std::exchange(ring_[head_], Entry()).packet);
    head_ = (head_ + 1) % ring_.size();
    --counters_.packets;
  }
  counters_.bytes = 0;
}

void PacketQueue::drop(const Packet& packet) {
  ++counters_.dropped;
  if (packet.new_stream) new_stream_ = packet.new_stream;
}

void PacketQueue::enqueue(Packet packet) {
  if (packet.keyframe && new_stream_) {
    if (!packet.new_stream) packet.new_stream = new_stream_;
    new_stream_.reset();
  }
  counters_.bytes += packet.bytes().size();
  ring_[(head_ + counters_.packets) % ring_.size()] = {.packet = std::move(packet), .pushed = monotonic_now()};
  ++counters_.packets;
  not_empty_.notify_one();
}

bool PacketQueue::wait_for_room(std::unique_lock<std::mutex>& lock, std::size_t more_bytes) {
  const auto room = [&] { return closed_ || !full(more_bytes); };
  const auto endless = [&] { return limits_.patience == std::chrono::milliseconds{}; };
  while (true) {
    not_full_.wait(lock, [&] { return room() || !endless(); });
    const std::uint64_t before = popped_;
    if (room() || not_full_.wait_for(lock, limits_.patience, room)) return true;
    if (popped_ == before) return false;
  }
}

void PacketQueue::set_patience(std::chrono::milliseconds patience) {
  const std::scoped_lock lock(mutex_);
  limits_.patience = patience;
  not_full_.notify_all();
}

PacketQueue::Push PacketQueue::push(const Packet& packet) {
  std::unique_lock lock(mutex_);
  ++counters_.pushed;
  const std::size_t bytes = packet.bytes().size();
  if (policy_ == QueuePolicy::Block && !wait_for_room(lock, bytes)) {
    ++counters_.dropped;
    return Push::Stuck;
  }
  if (closed_) {
    ++counters_.dropped;
    return Push::Closed;
  }
  bool overflowed = false;
  if (full(bytes)) {
    clear();
    overflowed = true;
    wait_for_keyframe_ = true;
  }
  if (wait_for_keyframe_ && !packet.keyframe) {
    drop(packet);
    return overflowed ? Push::KeyframeWanted : Push::Dropped;
  }
  wait_for_keyframe_ = false;
  enqueue(packet);
  return Push::Queued;
}

PacketQueue::Pop PacketQueue::pop(Packet& packet, std::chrono::milliseconds timeout) {
  std::unique_lock lock(mutex_);
  in_hand_.reset();
  if (!not_empty_.wait_for(lock, timeout, [&] { return closed_ || counters_.packets > 0; })) return Pop::TimedOut;
  if (counters_.packets == 0) return Pop::Closed;
  Entry entry = std::exchange(ring_[head_], Entry());
  packet = std::move(entry.packet);
  in_hand_ = entry.pushed;
  head_ = (head_ + 1) % ring_.size();
  --counters_.packets;
  ++popped_;
  counters_.bytes -= packet.bytes().size();
  not_full_.notify_all();
  return Pop::Packet;
}

void PacketQueue::restart_at_keyframe() {
  const std::scoped_lock lock(mutex_);
  clear();
  in_hand_.reset();
  wait_for_keyframe_ = true;
  not_full_.notify_all();
}

void PacketQueue::close() {
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  not_full_.notify_all();
  not_empty_.notify_all();
}

std::size_t PacketQueue::abort() {
  const std::scoped_lock lock(mutex_);
  closed_ = true;
  const std::size_t left = counters_.packets;
  clear();
  not_full_.notify_all();
  not_empty_.notify_all();
  return left;
}

PacketQueue::Counters PacketQueue::counters() const {
  const std::scoped_lock lock(mutex_);
  return counters_;
}

std::optional<Nanoseconds> PacketQueue::oldest() const {
  const std::scoped_lock lock(mutex_);
  if (in_hand_ || counters_.packets == 0) return in_hand_;
  return ring_[head_].pushed;
}

}  // namespace zc
