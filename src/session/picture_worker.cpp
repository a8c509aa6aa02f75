#include "session/picture_worker.h"

#include "base/log.h"
#include "encode/encoder_table.h"
#include "session/follow_formats.h"
#include "session/transfer_check.h"
#include "zerocopy/picture_plan.h"
#include "zerocopy/producer_wait.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace zc {
namespace {

/// A picture whose producer takes longer to finish it is left out.
constexpr Nanoseconds kProducerPatience = std::chrono::milliseconds(500);
// Why a route changes that has not failed.
constexpr std::string_view kOtherEncoder = "the encoder that took over is given its pictures elsewhere";
constexpr std::string_view kSlept = "the machine has slept";
constexpr std::string_view kOtherPictures =
    "no route failed: the source's pictures are others, or another route has turned out to be better";

/// One that comes in a row with those before it comes within this: it is the first in a new size then.
constexpr Nanoseconds kInARow = std::chrono::milliseconds(100);
/// No picture comes earlier than so long before its time.
constexpr Nanoseconds kMostEarly = std::chrono::milliseconds(100);

/// From a picture's time until the session had it. Where the pointer's news took over an older picture its buffer came
/// before.
Nanoseconds lag(const Frame& frame) {
  const Nanoseconds arrived = frame.arrived == Nanoseconds{} ? monotonic_now() : frame.arrived;
  return std::max(arrived - frame.pts, -kMostEarly);
}

/// What is known of an encoder before it is asked: what it refuses costs pictures.
Result<void> check_smallest(const EncoderRow* row, Size size) {
  if (row == nullptr || (size.width >= row->min_size.width && size.height >= row->min_size.height)) return {};
  return fail(ErrorKind::Unsupported, "follow the source's size",
              fmt::format("{} encodes pictures from {}x{} on, not {}x{}", row->name, row->min_size.width,
                          row->min_size.height, size.width, size.height));
}

}  // namespace

bool PictureWorker::apply_crop(Frame& frame, const std::optional<Rect>& crop) {
  if (!frame.has_image()) return true;
  const Size buffer = frame.buffer_size();
  const Rect whole{0, 0, buffer.width, buffer.height};
  Rect visible = frame.crop.empty() ? whole : intersect(frame.crop, whole);
  if (crop) {
    const Size shown = frame.visible_size();
    const Rect wanted = intersect(*crop, {0, 0, shown.width, shown.height});
    if (wanted.empty()) return false;
    const Rect inside = source_rect(frame.transform, visible.size(), wanted);
    visible = {visible.x + inside.x, visible.y + inside.y, inside.width, inside.height};
  }
  if (visible.width > 1) visible.width &= ~1U;
  if (visible.height > 1) visible.height &= ~1U;
  frame.crop = visible == whole ? Rect{} : visible;
  return true;
}

void PictureWorker::leave_out(Frame& frame) {
  if (!std::exchange(outside_crop_, true)) {
    const Size shown = frame.visible_size();
    logger("session").warn("--crop lies outside the {}x{} that the source has now: showing the last picture",
                           shown.width, shown.height);
  }
  dropped_.fetch_add(1, std::memory_order_relaxed);
  damage_lost_ = true;
  frame.image = {};
  frame.acquire = {};
  frame.lease.reset();
}

Result<void> PictureWorker::begin(Frame first) {
  if (const auto slept_at = std::exchange(slept_at_, std::nullopt)) {
    change_ = kSlept;
    damage_lost_ = true;  // this importer has seen nothing yet
    return go_on(std::move(first), *slept_at);
  }
  route_ = importer_->route();
  run_clock({});
  const Nanoseconds late = lag(first);
  first.pts = config_.epoch;
  return take_frame(std::move(first), late);
}

Result<PictureWorker::End> PictureWorker::run(Frame first, Importer& importer, EncodeStage* stage,
                                              const std::stop_token& stop) {
  importer_ = &importer;
  stage_ = stage;
  told_surface_.reset();
  if (const auto begun = begin(std::move(first)); !begun) return std::unexpected(begun.error());
  auto end = End::Stopped;
  while (!stop.stop_requested()) {
    follow_rate();
    if (asleep()) {
      end = End::Asleep;
      break;
    }
    if (paused() || idle()) {
      if (const auto sat = wait_while_paused(stop); !sat) return std::unexpected(sat.error());
      if (!idle() || !config_.duration || stream_now() < *config_.duration) continue;
      end = End::Duration;
      break;
    }
    show_again_if_wanted();
    std::optional<Nanoseconds> deadline;
    const auto wake_at = [&](Nanoseconds time) { deadline = std::min(deadline.value_or(time), time); };
    // Pictures of before the stream's last moment may still arrive.
    const Nanoseconds last_moment =
        config_.duration ? *config_.duration + pacer_.patience() : Nanoseconds::max() - config_.epoch;
    if (!config_.unpaced) {
      deadline = pacer_.deadline();
      if (config_.duration) wake_at(last_moment);
      if (const auto again = again_at()) wake_at(*again);
      if (const auto layers = layers_due()) wake_at(*layers - config_.epoch);
    }
    std::optional<Frame> frame =
        mailbox_.take(stop, deadline ? std::optional(*deadline + config_.epoch) : std::nullopt);
    const Nanoseconds now = stream_now();
    elapsed_ns_.store(std::max<std::int64_t>(now.count(), 0), std::memory_order_relaxed);
    // What was captured before the end belongs to it, however late it is taken.
    const bool timed = !config_.unpaced.has_value();
    if (frame ? config_.duration && frame->pts - config_.epoch >= *config_.duration : timed && now >= last_moment) {
      end = End::Duration;
      break;
    }
    if (frame) {
      if (const auto taken = take_frame(std::move(*frame)); !taken) return std::unexpected(taken.error());
      continue;
    }
    if (!timed) continue;
    if (const auto again = again_at(); again && now >= *again) {
      if (const auto made = make_again(); !made) return std::unexpected(made.error());
      continue;
    }
    if (const auto layers = layers_due(); layers && now + config_.epoch >= *layers) {
      if (const auto drawn = draw_layers(); !drawn) return std::unexpected(drawn.error());
      continue;
    }
    pacer_.on_timer(now);
    if (const auto done = carry_out(); !done) return std::unexpected(done.error());
  }
  const bool whole = end == End::Duration && config_.duration;
  if (!paused() && !idle()) {
    mailbox_.unlatch();
    const auto taken = whole ? take_waiting(*config_.duration) : take_waiting();
    if (!taken) return std::unexpected(taken.error());
  }
  const Nanoseconds last = whole ? *config_.duration : stream_now();
  halt_clock(last);
  pacer_.on_end(last);
  if (const auto done = carry_out(); !done) return std::unexpected(done.error());
  if (end == End::Asleep) {
    elapsed_ns_.store(last.count(), std::memory_order_relaxed);
    slept_at_ = last;
    pacer_.flush();
    if (const auto done = carry_out(); !done) return std::unexpected(done.error());
  }
  newest_ = {};  // of a slot beyond the end: its buffer goes back
  kept_.reset();
  show({});
  return end;
}

Result<void> PictureWorker::take_frame(Frame frame) {
  const Nanoseconds late = lag(frame);
  return take_frame(std::move(frame), late);
}

Result<void> PictureWorker::take_frame(Frame frame, Nanoseconds late) {
  if (frame.has_image()) {
    captured_count_.fetch_add(1, std::memory_order_relaxed);
    const Nanoseconds now = monotonic_now();
    main_beat_ = {.newest = now, .interval = now - main_beat_.newest};
  } else if (!last_ && !newest_.has_image()) {
    return {};  // cursor news before the first picture
  }
  const Nanoseconds time = frame.pts - config_.epoch;
  if (config_.unpaced) {
    late = {};
    newest_end_ = time + *config_.unpaced;
    elapsed_ns_.store(newest_end_.count(), std::memory_order_relaxed);
  }
  pacer_.make_way(time);
  if (const auto done = carry_out(); !done) return done;
  if (!apply_crop(frame, config_.crop)) {
    leave_out(frame);
    if (!frame.cursor || !last_) return {};
  } else if (frame.has_image()) {
    outside_crop_ = false;
  }
  const bool image = frame.has_image();
  if (!(image ? pacer_.on_frame(time, late) : pacer_.on_pointer(time))) {
    if (frame.supersede(std::move(newest_)) && image) thinned_.fetch_add(1, std::memory_order_relaxed);
  }
  newest_ = std::move(frame);
  return carry_out();
}

Result<std::optional<Frame>> PictureWorker::take_waiting(Nanoseconds end) {
  const Nanoseconds now = monotonic_now();
  while (std::optional<Frame> frame = mailbox_.take(std::stop_token{}, now)) {
    if (frame->arrived > now || frame->pts - config_.epoch >= end) return frame;
    if (const auto taken = take_frame(std::move(*frame)); !taken) {
      return std::unexpected(taken.error());
    }
  }
  return std::nullopt;
}

Result<void> PictureWorker::carry_out() {
  while (const std::optional<Pacer::Action> action = pacer_.next()) {
    if (action->picture == Pacer::Picture::Repeat) {
      repeat_last(action->time);
    } else if (const auto done = import_newest(action->time); !done) {
      return done;
    }
  }
  return {};
}

void PictureWorker::set_rate(Rational rate) {
  wanted_rate_.store(std::uint64_t{rate.num} << 32U | rate.den, std::memory_order_relaxed);
  mailbox_.wake();
}

void PictureWorker::set_max_gap(Nanoseconds gap) {
  wanted_gap_ns_.store(gap.count(), std::memory_order_relaxed);
  mailbox_.wake();
}

void PictureWorker::show_again() {
  wanted_again_.store(true, std::memory_order_relaxed);
  mailbox_.wake();
}

void PictureWorker::show_again_if_wanted() {
  if (wanted_again_.exchange(false, std::memory_order_relaxed) && last_) hand_out(monotonic_now());
}

void PictureWorker::hand_out(Nanoseconds captured) {
  if (config_.on_picture) config_.on_picture(last_, captured);
}

bool PictureWorker::push(Surface picture, Nanoseconds captured, bool repeat) {
  hand_out(repeat ? monotonic_now() : captured);
  return stage_ == nullptr || stage_->push({std::move(picture), captured, repeat});
}

void PictureWorker::set_paused(bool on) {
  paused_.store(on, std::memory_order_relaxed);
  mailbox_.wake();
}

Result<void> PictureWorker::hold_while_paused(const std::stop_token& stop) {
  std::vector<Frame> held;  // few: the source waits for them
  while ((paused() || idle()) && !asleep() && !stop.stop_requested()) {
    if (auto frame = mailbox_.take(stop, std::nullopt)) held.push_back(std::move(*frame));
  }
  if (stage_ != nullptr) stage_->request_keyframe();
  for (Frame& frame : held) {
    if (auto taken = take_frame(std::move(frame)); !taken) return taken;
  }
  return {};
}

Result<void> PictureWorker::wait_while_paused(const std::stop_token& stop) {
  if (config_.unpaced) return hold_while_paused(stop);
  const Nanoseconds begun = stream_now();
  halt_clock(begun);
  // What nobody watches is cut out of the stream like a pause, but the end comes when it would have come.
  const bool unwatched = !paused();
  const auto end = unwatched && config_.duration ? std::optional(config_.epoch + *config_.duration) : std::nullopt;
  auto waiting = take_waiting();
  if (!waiting) return std::unexpected(waiting.error());
  kept_.reset();
  // What is on the screen when it goes on, with the damage of all before.
  std::optional<Frame> newest = std::move(*waiting);
  const auto over = [&] { return end && monotonic_now() >= *end; };
  while ((paused() || idle()) && !asleep() && !over() && !stop.stop_requested()) {
    std::optional<Frame> frame = mailbox_.take_newest(stop, end);
    if (paused()) show_again_if_wanted();
    if (!frame) continue;
    if (newest) frame->supersede(std::move(*newest));
    newest = std::move(frame);
  }
  if (stage_ != nullptr) stage_->request_keyframe();
  if (end) config_.duration = std::max(begun, *config_.duration - (stream_now() - begun));
  if (newest && !asleep() && !stop.stop_requested()) return go_on(std::move(*newest), begun);
  config_.epoch += stream_now() - begun;
  run_clock(begun);
  return {};
}

Result<void> PictureWorker::go_on(Frame first, Nanoseconds begun) {
  // As late as it would be here if it were of now: those after it are.
  const Nanoseconds late = pacer_.late();
  if (!config_.unpaced) first.pts = monotonic_now() - late;
  config_.epoch = first.pts - begun;
  run_clock(begun);
  return take_frame(std::move(first), late);
}

void PictureWorker::note_route() {
  const std::string_view now = importer_->route();
  if (now == route_) return;
  route_ = now;
  const std::string failure = importer_->take_failure();
  const std::string_view change = std::exchange(change_, {});
  if (!config_.on_route) return;
  config_.on_route(now, !failure.empty() ? std::string_view(failure) : !change.empty() ? change : kOtherPictures);
}

void PictureWorker::follow_rate() {
  const std::int64_t gap = wanted_gap_ns_.exchange(-1, std::memory_order_relaxed);
  if (gap >= 0) pacer_.set_max_gap(Nanoseconds(gap));
  const std::uint64_t wanted = wanted_rate_.exchange(0, std::memory_order_relaxed);
  if (wanted == 0) return;
  const Rational rate{static_cast<std::uint32_t>(wanted >> 32U), static_cast<std::uint32_t>(wanted)};
  pacer_.set_rate(rate);
  if (config_.formats != nullptr) config_.formats->limit_rate(rate);
  config_.pacer.frame_interval = Nanoseconds(static_cast<std::int64_t>(1e9 / rate.value()));
}

void PictureWorker::follow_encoder() {
  if (stage_ == nullptr) return;
  const std::optional<Size> refused = stage_->take_refused_size();
  if (refused) canvas_.refuse(*refused);
  std::optional<SurfaceFormat> input = stage_->take_new_input();
  if (!input) return;
  // One that took over may not have seen the newest size yet; it comes with the surfaces.
  if (last_ && !refused) input->size = last_.format().size;
  surface_ = input->size;
  // Where it cannot make these, the encode stage goes on turning its surfaces into them.
  if (auto configured = importer_->configure(*input); !configured) {
    logger("session").warn("pictures are still converted for the encoder that failed: {}",
                           configured.error().message());
  } else if (!refused) {
    change_ = kOtherEncoder;
  }
}

void PictureWorker::watch_transfer(const Frame& frame) {
  if (!frame.has_image() || transfer_ == frame.colour.transfer) return;
  transfer_ = frame.colour.transfer;
  if (!last_) return;
  if (const auto fits = check_transfer(*transfer_, last_.format().colour.transfer); !fits) {
    logger("session").warn("the colours of the recording are wrong from here on: {}", fits.error().message());
  }
}

void PictureWorker::follow_size(const Frame& frame) {
  if (!config_.follow_size || !frame.has_image() || !last_) return;
  const SurfaceFormat made = last_.format();
  SurfaceFormat wanted = made;
  wanted.size = canvas_.on_picture(frame.visible_size(), frame.pts, made.size);
  if (wanted.size == made.size) return;
  const EncoderRow* row = stage_ == nullptr ? nullptr : stage_->metrics().row.load(std::memory_order_relaxed);
  const auto large_enough = check_smallest(row, wanted.size);
  surface_ = wanted.size;
  if (const auto followed = large_enough ? importer_->configure(wanted) : large_enough; !followed) {
    surface_ = made.size;
    logger("session").warn("pictures stay {}x{}: {}", made.size.width, made.size.height, followed.error().message());
    canvas_.refuse(wanted.size);
    SurfaceFormat back = made;
    if (importer_->configure(back)) return;
    back.memory = MemoryKind::Host;  // the GPU has gone meanwhile
    static_cast<void>(importer_->configure(back));
  }
}

std::optional<Frame> PictureWorker::keep(Frame& frame) const {
  // Not a producer's last buffer.
  if (!config_.follow_size || !last_ || !frame.has_image() || frame.spare == 0) return std::nullopt;
  Frame kept;
  kept.image = frame.image;
  kept.lease = std::move(frame.lease);
  kept.crop = frame.crop;
  kept.transform = frame.transform;
  kept.colour = frame.colour;
  return kept;
}

std::optional<Nanoseconds> PictureWorker::again_at() const {
  const auto due = kept_ ? canvas_.due(last_.format().size) : std::nullopt;
  return due ? std::optional(*due + kInARow - config_.epoch) : std::nullopt;
}

Result<void> PictureWorker::make_again() {
  Frame frame = std::move(*kept_);
  kept_.reset();
  if (newest_.has_image()) return {};  // waits for its slot
  frame.pts = monotonic_now();
  static_cast<void>(frame.supersede(std::exchange(newest_, Frame{})));
  static_cast<void>(pacer_.on_pointer(frame.pts - config_.epoch));
  newest_ = std::move(frame);
  return carry_out();
}

Result<void> PictureWorker::import_newest(Nanoseconds time) {
  const Nanoseconds captured = newest_.pts;
  follow_encoder();
  follow_size(newest_);
  watch_transfer(newest_);
  tell_layers();
  if (damage_lost_) newest_.damage = Damage::all();
  Frame frame = std::exchange(newest_, Frame{});
  const Nanoseconds begun = monotonic_now();
  const Nanoseconds arrived = frame.arrived;
  const bool picture = frame.has_image();
  const Came came = Came::as(frame);
  const auto ready = wait_for_producer(frame, kProducerPatience);
  std::optional<Frame> again = keep(frame);
  if (picture) kept_.reset();
  Result<Surface> surface = ready ? importer_->import(std::move(frame)) : std::unexpected(ready.error());
  const Nanoseconds done = monotonic_now();
  import_times_.record(done - begun);
  if (arrived != Nanoseconds{}) hold_times_.record(done - arrived);
  note_route();
  if (config_.renegotiate) {
    const Error* refused = surface ? nullptr : &surface.error();
    if (auto kept = follow_formats(*config_.formats, came, refused, config_.renegotiate); !kept) return kept;
  }
  if (!surface) {
    const Error& error = surface.error();
    if (error.kind == ErrorKind::Lost) return std::unexpected(error);
    if (!picture && error.kind == ErrorKind::NotFound) {  // an importer that has seen no picture yet
      repeat_last(time);
      return {};
    }
    if (dropped_.fetch_add(1, std::memory_order_relaxed) == 0) {
      logger("session").warn("dropped a picture: {}", error.message());
    }
    damage_lost_ = true;
    repeat_last(time);  // under constant rate the slot must not stay empty
    return {};
  }
  if (picture) damage_lost_ = false;  // the pointer's news say nothing of the picture
  show(std::move(*surface));
  if (picture && canvas_.due(last_.format().size)) kept_ = std::move(again);
  captured_ = captured;
  Surface job = last_.share();
  job.stream_time = time;
  // What was captured before the end is written, so a full ring is waited for whatever asked for the end.
  const bool made_again = picture && arrived == Nanoseconds{};  // see make_again(): nobody captured it twice
  if (push(std::move(job), captured, made_again) && made_again) repeated_.fetch_add(1, std::memory_order_relaxed);
  return {};
}

void PictureWorker::repeat_last(Nanoseconds time) {
  if (!last_) return;
  Surface job = last_.share();
  job.stream_time = time;
  if (push(std::move(job), captured_, true)) repeated_.fetch_add(1, std::memory_order_relaxed);
}

std::optional<Nanoseconds> PictureWorker::layers_due() const {
  // What waits for its slot will have them.
  if (config_.layers == nullptr || !last_ || newest_.has_image() || layers_wait_) return std::nullopt;
  if (config_.duration && stream_now() >= *config_.duration) return std::nullopt;
  return config_.layers->due(main_beat_, monotonic_now());
}

Result<void> PictureWorker::draw_layers() {
  // As late as the source's pictures, which come after it.
  Frame news;
  news.arrived = monotonic_now();
  news.pts = news.arrived - std::max(pacer_.late(), Nanoseconds{});
  layers_wait_ = true;
  return take_frame(std::move(news));
}

void PictureWorker::tell_layers() {
  layers_wait_ = false;
  if (config_.layers == nullptr || surface_.empty()) return;
  if (told_surface_ == surface_ && !config_.layers->changed()) return;
  told_surface_ = surface_;
  importer_->set_layers(config_.layers->take(surface_, monotonic_now()));
}

void PictureWorker::show(Surface surface) {
  const std::lock_guard lock(last_mutex_);
  std::swap(last_, surface);
}

Surface PictureWorker::newest() const {
  const std::lock_guard lock(last_mutex_);
  return last_.share();
}

PictureWorker::Counters PictureWorker::counters() const {
  return {captured_count_.load(std::memory_order_relaxed), repeated_.load(std::memory_order_relaxed),
          dropped_.load(std::memory_order_relaxed), thinned_.load(std::memory_order_relaxed),
          Nanoseconds(elapsed_ns_.load(std::memory_order_relaxed))};
}

}  // namespace zc
