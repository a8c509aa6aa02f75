#include "session/pacer.h"

#include <algorithm>
#include <utility>

namespace zc {
namespace {

__extension__ using Wide = __int128;  // slot * den * 1e9 overflows 64 bits within hours

/// Matroska counts milliseconds: two pictures must not share one.
constexpr Nanoseconds kMinStep = std::chrono::milliseconds(1);
/// A picture may be so much later than those before it.
constexpr Nanoseconds kDeliverySlack = std::chrono::milliseconds(25);
/// Pictures over which a late one is forgotten.
constexpr int kMemory = 16;
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

Nanoseconds Pacer::patience() const { return std::max(late_, Nanoseconds{}) + kDeliverySlack; }

std::int64_t Pacer::next_free_slot() const {
  return waiting_ ? std::max(last_slot_ + 1, slot_of(newest_)) : last_slot_ + 1;
}

bool Pacer::ends_before(std::int64_t slot) const { return config_.end && slot >= slot_of(*config_.end); }

bool Pacer::too_soon(Nanoseconds time) const {
  // Pictures of just this rate come a little early at times.
  return started_ && config_.min_interval > Nanoseconds{} && time + config_.min_interval / 4 < allowed_;
}

bool Pacer::on_frame(Nanoseconds time, Nanoseconds late) {
  late_ = started_ ? std::max(late, late_ - (late_ - late) / kMemory) : late;
  const bool alone = on_pointer(time);
  if (!config_.constant_rate) return alone;
  std::int64_t slot = started_ ? slot_of(newest_) : 0;
  if (config_.end) slot = std::min(slot, slot_of(*config_.end) - 1);
  if (slot > last_slot_) {
    due_ = true;
    due_slot_ = slot;
  }  // else: held for the next slot
  return alone;
}

bool Pacer::on_pointer(Nanoseconds time) {
  const bool replaced = std::exchange(waiting_, true);
  newest_ = std::max(time, Nanoseconds{});
  due_ = !config_.constant_rate && !too_soon(newest_);
  return !replaced;
}

void Pacer::make_way(Nanoseconds time) {
  if (config_.constant_rate && waiting_ && slot_of(time) > next_free_slot()) flush();
}

void Pacer::on_timer(Nanoseconds now) {
  const auto due = deadline();
  if (!due || now < *due) return;
  if (!config_.constant_rate) {
    due_ = waiting_;
    if (!waiting_) repeat_at_ = *due - patience();
  } else if (waiting_) {
    flush();
  } else {
    fill_to_ = slot_of(now - slot_length() - patience()) + 1;
  }
}

void Pacer::flush() {
  if (!config_.constant_rate || !waiting_ || due_ || ends_before(next_free_slot())) return;
  due_ = true;
  due_slot_ = next_free_slot();
}

void Pacer::on_end(Nanoseconds end) {
  if (!started_) return;
  if (!config_.constant_rate) {
    due_ = waiting_;
    const Nanoseconds final_picture = end - config_.frame_interval;
    if (final_picture > (waiting_ ? newest_ : last_) + config_.frame_interval / 2) repeat_at_ = final_picture;
    return;
  }
  fill_to_ = slot_of(end);  // every slot that begins before the end
  due_slot_ = std::min(next_free_slot(), fill_to_ - 1);
  due_ = waiting_ && due_slot_ > last_slot_;
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
    if (repeat_at_ && *repeat_at_ <= newest_) repeat_at_.reset();
    last_ = started_ ? std::max(newest_, last_ + kMinStep) : newest_;
    allowed_ = std::max(allowed_, last_) + config_.min_interval;
    started_ = true;
    return Action{Picture::Newest, last_};
  }
  if (!repeat_at_) return std::nullopt;
  last_ = std::max(*repeat_at_, last_ + kMinStep);
  repeat_at_.reset();
  return Action{Picture::Repeat, last_};
}

std::optional<Nanoseconds> Pacer::deadline() const {
  if (!started_) return std::nullopt;
  if (!config_.constant_rate) {
    if (waiting_) return allowed_ + patience();
    return config_.max_gap > Nanoseconds{} ? std::optional(last_ + config_.max_gap + patience()) : std::nullopt;
  }
  const std::int64_t slot = next_free_slot();
  if (ends_before(slot)) return std::nullopt;
  // What is held goes out as soon as no newer picture can fall into its slot.
  const Nanoseconds wait = waiting_ ? slot_length() / 2 + std::max(late_, Nanoseconds{}) : slot_length() + patience();
  return slot_time(slot) + wait;
}

}  // namespace zc
