// Encoders that come and go: one that fails, one that does not come back.
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
    Failover failover{.failed = encoder_name_, .reason = why.detail, .encoder = {}};
    auto next = succession_->next(encoder_name_, why);
    if (!next) {
      in_flight_.clear();
      return std::unexpected(std::move(next.error()));
    }
    auto failed = work.replace(std::move(*next));
    begin_with(work.encoder());
    adapter_.reset();
    new_stream_ = std::make_shared<const StreamParameters>(work.encoder().stream());
    metrics_.failovers.fetch_add(1, std::memory_order_relaxed);
    failover.encoder = encoder_name_;
    failover.opened = monotonic_now() - failed_at;
    {
      const std::lock_guard lock(mutex_);
      new_input_ = work.encoder().input();
    }
    {
      const std::lock_guard lock(stream_.mutex);
      stream_.failovers.push_back(std::move(failover));
    }
    failed_at_ = failed_at;
    Result<void> result = encode_again(work);
    if (work.lost()) return result;
    {
      const std::lock_guard lock(stream_.mutex);
      stream_.failovers.back().resumed = monotonic_now() - failed_at;
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
    if (stream_.newest_pts && to_packet_clock(job.surface.stream_time) <= *stream_.newest_pts) {
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
    if (going_to_sleep_.load(std::memory_order_relaxed)) {
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

}  // namespace zc
