#include "session/pacer.h"

#include <algorithm>

namespace zc {
namespace {

__extension__ using Wide = __int128;  // slot * den * 1e9 overflows 64 bits within hours

/// Matroska counts milliseconds: two pictures must not share one.
constexpr Nanoseconds kMinStep = std::chrono::milliseconds(1);
/// How long after its due time a repeat is made: a picture captured just before is still on its way to us.
constexpr Nanoseconds kDeliverySlack = std::chrono::milliseconds(25);
/// A source that paused says nothing about its pace: a flush waits no longer than this for the next picture.
constexpr Nanoseconds kMaxPace = std::chrono::milliseconds(100);
/// A hole this long under constant rate (the machine slept) is skipped, not filled.
constexpr Nanoseconds kMaxFill = std::chrono::seconds(10);

}  // namespace

Nanoseconds Pacer::slot_time(std::int64_t slot) const {
  const Rational rate = config_.constant_rate.value_or(Rational{});
  const Wide since = static_cast<Wide>(slot - origin_slot_) * rate.den * 1'000'000'000 / rate.num;
  return origin_ + Nanoseconds(static_cast<std::int64_t>(since));
}

std::int64_t Pacer::slot_of(Nanoseconds time) const {
  const Rational rate = config_.constant_rate.value_or(Rational{});
  const Wide twice = static_cast<Wide>((time - origin_).count()) * rate.num * 2 + Wide{1'000'000'000} * rate.den;
  // What lies before the present rate's first slot belongs to the slot before it, which is taken.
  if (twice < 0) return origin_slot_ - 1;
  return origin_slot_ + static_cast<std::int64_t>(twice / (Wide{2'000'000'000} * rate.den));
}

void Pacer::set_rate(Rational rate) {
  if (!config_.constant_rate || rate.zero()) return;
  const Nanoseconds newest = slot_time(last_slot_);
  const Nanoseconds before = slot_length();
  config_.constant_rate = rate;
  config_.frame_interval = slot_length();
  // The next slot comes as soon as either rate would have it.
  if (last_slot_ >= 0) origin_ = newest + std::min(before, config_.frame_interval);
  origin_slot_ = last_slot_ + 1;
  fill_to_ = std::min(fill_to_, origin_slot_);
}

void Pacer::set_max_gap(Nanoseconds gap) {
  if (!config_.constant_rate) config_.max_gap = gap;
}

bool Pacer::on_frame(Nanoseconds time) {
  const bool replaced = waiting_;
  waiting_ = true;
  newest_ = std::max(time, Nanoseconds{});
  if (!config_.constant_rate) {
    due_ = true;
    return !replaced;
  }
  std::int64_t slot = started_ ? slot_of(newest_) : 0;
  if (config_.end) slot = std::min(slot, slot_of(*config_.end) - 1);
  if (slot > last_slot_) {
    due_ = true;
    due_slot_ = slot;
  }  // else: held for the next slot
  return !replaced;
}

void Pacer::on_timer(Nanoseconds now, bool flush) {
  const auto due = deadline(flush);
  if (!due || now < *due) return;
  if (!config_.constant_rate) {
    repeat_at_ = *due - kDeliverySlack;
  } else if (waiting_) {
    due_ = true;
    due_slot_ = last_slot_ + 1;
  } else {
    fill_to_ = slot_of(now - slot_length() - kDeliverySlack) + 1;
  }
}

void Pacer::flush() {
  if (!config_.constant_rate || !waiting_ || due_) return;
  if (config_.end && last_slot_ + 1 >= slot_of(*config_.end)) return;
  due_ = true;
  due_slot_ = last_slot_ + 1;
}

void Pacer::on_end(Nanoseconds end) {
  if (!started_) return;
  if (!config_.constant_rate) {
    const Nanoseconds final_picture = end - config_.frame_interval;
    if (final_picture > last_ + config_.frame_interval / 2) repeat_at_ = final_picture;
    return;
  }
  fill_to_ = slot_of(end);  // every slot that begins before the end
  due_ = waiting_ && last_slot_ + 1 < fill_to_;
  due_slot_ = last_slot_ + 1;
}

std::optional<Pacer::Action> Pacer::next_slot() {
  const std::int64_t wanted = due_ ? due_slot_ : fill_to_ - 1;
  if (wanted <= last_slot_) return std::nullopt;
  if (slot_time(wanted) - slot_time(last_slot_) > kMaxFill) last_slot_ = wanted - 1;
  ++last_slot_;
  last_ = slot_time(last_slot_);
  if (!due_ || last_slot_ < wanted) return Action{Picture::Repeat, last_};
  due_ = false;
  waiting_ = false;
  started_ = true;
  return Action{Picture::Newest, last_};
}

std::optional<Pacer::Action> Pacer::next() {
  if (config_.constant_rate) return next_slot();
  if (due_) {
    due_ = false;
    waiting_ = false;
    repeat_at_.reset();
    if (started_) pace_ = std::max(std::min(newest_ - last_, kMaxPace), pace_ - pace_ / 8);
    last_ = started_ ? std::max(newest_, last_ + kMinStep) : newest_;
    started_ = true;
    return Action{Picture::Newest, last_};
  }
  if (!repeat_at_) return std::nullopt;
  last_ = std::max(*repeat_at_, last_ + kMinStep);
  repeat_at_.reset();
  return Action{Picture::Repeat, last_};
}

std::optional<Nanoseconds> Pacer::deadline(bool flush) const {
  if (!started_) return std::nullopt;
  if (config_.constant_rate) {
    const Nanoseconds interval = slot_length();
    const Nanoseconds due = slot_time(last_slot_ + 1);
    // A held picture goes out as soon as no newer one can fall into its slot; a repeat waits for late deliveries too.
    return waiting_ ? due + interval / 2 : due + interval + kDeliverySlack;
  }
  std::optional<Nanoseconds> gap;
  if (flush) gap = std::max(config_.frame_interval, pace_);
  if (config_.max_gap > Nanoseconds{}) gap = gap ? std::min(*gap, config_.max_gap) : config_.max_gap;
  return gap ? std::optional(last_ + *gap + kDeliverySlack) : std::nullopt;
}

}  // namespace zc
