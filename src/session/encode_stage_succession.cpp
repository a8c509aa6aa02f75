// Encoders that come and go: one that fails, one that does not come back, and none at all while the machine sleeps.
#include "session/encode_stage.h"

#include "base/bounded_call.h"
#include "base/log.h"
#include "base/process_stats.h"

#include <fmt/format.h>

#include <utility>

namespace zc {
namespace {

/// A call must be seen under way at this many looks in a row: a process that was stopped for a while has not hung.
constexpr int kLooks = 8;
/// How often an encoder that is to be let go of is looked at.
constexpr Nanoseconds kPoll = std::chrono::milliseconds(10);

}  // namespace

// --- another encoder ------------------------------------------------------------------------------------------------

void EncodeStage::begin_with(Encoder& encoder) {
  encoder_name_ = encoder.name();
  refused_size_.reset();
  metrics_.row.store(find_encoder_row(encoder_name_), std::memory_order_relaxed);
  hardware_.store(encoder.hardware(), std::memory_order_relaxed);
  abandonable_.store(replaceable() || encoder.hardware(), std::memory_order_relaxed);
}

Result<void> EncodeStage::replace_encoder(WatchedEncoder& work, Error why) {
  while (true) {
    const Nanoseconds failed_at = monotonic_now();
    Failover takeover{.failed = encoder_name_, .reason = why.detail, .encoder = {}};
    auto next = succession_->next(encoder_name_, why);
    if (!next) {
      in_flight_.clear();
      return std::unexpected(std::move(next.error()));
    }
    auto failed = work.replace(std::move(*next));
    begin_with(work.encoder());
    adapter_.reset();
    new_stream_ = std::make_shared<const StreamParameters>(work.encoder().stream());
    metrics_.takeovers.fetch_add(1, std::memory_order_relaxed);
    takeover.encoder = encoder_name_;
    takeover.opened = monotonic_now() - failed_at;
    {
      const std::lock_guard lock(mutex_);
      new_input_ = work.encoder().input();
      takeovers_.push_back(std::move(takeover));
    }
    failed_at_ = failed_at;
    Result<void> result = encode_again(work);
    if (work.lost()) return result;
    {
      const std::lock_guard lock(mutex_);
      takeovers_.back().resumed = monotonic_now() - failed_at;
    }
    close(std::move(failed), patience_.hang);  // not before: the pictures come first
    if (result || !replaceable()) return result;
    why = std::move(result.error());
  }
}

void EncodeStage::close(std::unique_ptr<Encoder> encoder, Nanoseconds patience) {
  if (!encoder || !encoder->hardware()) return;
  const std::string name(encoder->name());
  // Closing is the driver's work too.
  const auto closed = call_within(patience, [encoder = std::move(encoder)]() mutable {
    encoder.reset();
    return true;
  });
  if (!closed) logger("session").warn("{} hangs while it is closed", name);
}

Result<void> EncodeStage::encode_again(WatchedEncoder& work) {
  const std::vector<InFlight> jobs = std::exchange(in_flight_, {});
  // All of them are kept before the first is tried: if this encoder fails too, the rest is for the one after it.
  const bool kept = watched(work);
  std::vector<const EncodeJob*> again;
  for (const auto& [job, since] : jobs) {
    // What an encoder with B-frames had not given yet of the time before its newest packet cannot follow that any more.
    if (newest_pts_ && to_packet_clock(job.surface.stream_time) <= *newest_pts_) {
      give_up(job);
      continue;
    }
    again.push_back(&job);
    if (kept) in_flight_.push_back({{job.surface.share(), job.captured, job.repeat}, monotonic_now()});
  }
  for (const EncodeJob* job : again) {
    if (auto done = submit(work, *job); !done) return done;
  }
  return {};
}

void EncodeStage::give_up(const EncodeJob& job) {
  std::erase_if(in_flight_,
                [&](const InFlight& held) { return held.job.surface.stream_time == job.surface.stream_time; });
  if (job.repeat) return;
  metrics_.lost.fetch_add(1, std::memory_order_relaxed);
  pictures_done_.fetch_add(1, std::memory_order_relaxed);
}

// --- the watchdog ---------------------------------------------------------------------------------------------------

void EncodeStage::watch(const std::stop_token& stop) {
  name_this_thread("zc-watchdog");
  std::uint64_t seen = 0;
  int looks = 0;
  std::unique_lock lock(watch_mutex_);
  while (!watch_changed_.wait_for(lock, stop, patience_.hang / kLooks, [this] { return finished_; })) {
    if (stop.stop_requested()) return;
    const bool waiting = work_->inside() && abandonable_.load(std::memory_order_relaxed);
    const std::uint64_t calls = work_->calls();
    looks = waiting && calls == seen ? looks + 1 : 0;
    seen = calls;
    if (looks < kLooks) continue;
    looks = 0;
    if (!work_->take_away()) continue;
    if (ring_.resting()) {
      hand_to_new_thread(std::nullopt);
      continue;
    }
    const double seconds = std::chrono::duration<double>(patience_.hang).count();
    auto why = fail(ErrorKind::Timeout, fmt::format("encode with {}", encoder_name_),
                    fmt::format("it has not come back from a call for {:.1f} s", seconds));
    hand_to_new_thread(std::move(why.error()));
  }
}

void EncodeStage::hand_to_new_thread(std::optional<Error> failure) {
  // From here on the hung thread touches nothing of the stage: all that belongs to the work is this thread's, then the
  // new one's.
  abandoned_.push_back({std::move(thread_), thread_left_});
  work_ = std::make_shared<WatchedEncoder>(nullptr);
  start_thread(std::move(failure));
}

// --- no encoder -----------------------------------------------------------------------------------------------------

bool EncodeStage::rest(Nanoseconds patience) {
  const Nanoseconds deadline = monotonic_now() + patience;
  const std::chrono::steady_clock::time_point soon(deadline - patience / 4);
  ring_.rest();
  std::unique_lock lock(watch_mutex_);
  const auto resting = [this] { return rested_; };
  bool rested = watch_changed_.wait_until(lock, soon, resting);
  while (!rested && monotonic_now() < deadline) {
    // Software is waited for: it holds nothing of a device, and comes to its end.
    if (hardware_.load(std::memory_order_relaxed) && work_->take_away()) {
      logger("session").error("{} does not come back: it is left behind with what it holds", encoder_name_);
      hardware_.store(false, std::memory_order_relaxed);
      hand_to_new_thread(std::nullopt);
    }
    rested = watch_changed_.wait_for(lock, kPoll, resting);
  }
  return rested;
}

void EncodeStage::resume(std::unique_ptr<Encoder> encoder, std::size_t ring_frames) {
  {
    const std::lock_guard lock(mutex_);
    new_input_.reset();  // of one that took over before
    new_refusal_.reset();
  }
  {
    const std::lock_guard lock(watch_mutex_);
    next_encoder_ = std::move(encoder);
    rested_ = false;
    ring_.resume(ring_frames);
  }
  watch_changed_.notify_all();
}

void EncodeStage::let_go(WatchedEncoder& work) {
  in_flight_.clear();
  adapter_.reset();
  failed_at_.reset();
  abandonable_.store(false, std::memory_order_relaxed);
  close(work.replace(nullptr), patience_.rest / 5);
  hardware_.store(false, std::memory_order_relaxed);
}

bool EncodeStage::wait_while_resting(WatchedEncoder& work, bool alive) {
  if (work.has_encoder() && alive) {
    const Result<void> drained = drain(work);
    if (work.lost()) return false;
    if (!drained) logger("session").warn("the encoder's last pictures: {}", drained.error().message());
  }
  let_go(work);
  count_lost();
  std::unique_lock lock(watch_mutex_);
  rested_ = true;
  watch_changed_.notify_all();
  watch_changed_.wait(lock, [this] { return next_encoder_ != nullptr || ring_.closed(); });
  std::unique_ptr<Encoder> next = std::move(next_encoder_);
  lock.unlock();
  if (!next) return true;
  static_cast<void>(work.replace(std::move(next)));
  begin_with(work.encoder());
  new_stream_ = std::make_shared<const StreamParameters>(work.encoder().stream());
  loss_told_ = false;
  return true;
}

void EncodeStage::count_lost() {
  const std::uint64_t done = pictures_done_.load(std::memory_order_relaxed) + ring_.dropped();
  const std::uint64_t pushed = pictures_pushed_.load(std::memory_order_relaxed);
  if (pushed <= done) return;
  logger("session").warn("{} pictures are lost with {}", pushed - done, encoder_name_);
  metrics_.lost.fetch_add(pushed - done, std::memory_order_relaxed);
  pictures_done_.fetch_add(pushed - done, std::memory_order_relaxed);
}

}  // namespace zc
