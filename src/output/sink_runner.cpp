#include "output/sink_runner.h"

#include "base/clock.h"

#include "base/log.h"
#include "output/muxer.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace zc {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

/// A peer that took longer than this to come must not get what was queued meanwhile.
constexpr milliseconds kStaleAfter{500};
/// What a sink that is still opening gets at stop() before it is interrupted: time for a file's header.
constexpr milliseconds kOpeningGrace{250};
constexpr milliseconds kReaderPatience{5000};

}  // namespace

std::string_view to_string(SinkState state) {
  switch (state) {
    case SinkState::Idle: return "idle";
    case SinkState::Opening: return "opening";
    case SinkState::Running: return "running";
    case SinkState::BackingOff: return "backing off";
    case SinkState::Failed: return "failed";
    case SinkState::Closed: return "closed";
  }
  return "idle";
}

SinkRunner::SinkRunner(std::unique_ptr<Sink> sink, SinkRunnerOptions options, SinkEvents& events)
    : sink_(std::move(sink)),
      pictures_(dynamic_cast<PictureSink*>(sink_.get())),
      has_reader_(sink_->has_reader()),
      options_(options),
      events_(events),
      queue_(options.policy, options.limits) {}

SinkRunner::~SinkRunner() {
  // Whoever wants to know calls stop().
  [[maybe_unused]] const auto stopped = stop();
}

Result<void> SinkRunner::start(const StreamParameters& stream) {
  if (thread_.joinable() || stats().state != SinkState::Idle) {
    return fail(ErrorKind::Internal, "start " + name(), "already started");
  }
  stream_ = stream;
  set_state(SinkState::Opening);
  thread_ = std::jthread([this] { run(); });
  return {};
}

void SinkRunner::push(const Packet& packet) {
  switch (queue_.push(packet)) {
    case PacketQueue::Push::KeyframeWanted:
      if (stats().state == SinkState::Running) events_.on_keyframe_wanted(name());
      return;
    case PacketQueue::Push::Stuck: cut_short("its reader takes nothing"); return;
    default: return;
  }
}

void SinkRunner::show(const Surface& picture, Nanoseconds captured) {
  if (pictures_ != nullptr) pictures_->show(picture, captured);
}

void SinkRunner::limit_patience() {
  if (has_reader_) queue_.set_patience(kReaderPatience);
}

void SinkRunner::cut_short(std::string why) {
  {
    const std::scoped_lock lock(mutex_);
    if (!cut_) cut_ = Error{ErrorKind::Timeout, ErrorDomain::None, 0, "write " + name(), std::move(why)};
  }
  sink_->interrupt();
  queue_.abort();
}

bool SinkRunner::was_cut_short() const {
  const std::scoped_lock lock(mutex_);
  return cut_.has_value();
}

void SinkRunner::wait_for_drain(std::unique_lock<std::mutex>& lock, milliseconds deadline) {
  const auto finished = [this] { return finished_; };
  // A quarter of the time is kept for closing after an interrupt.
  const milliseconds patience = deadline - deadline / 4;
  const auto settled_until = Clock::now() + std::min(patience, kOpeningGrace);
  changed_.wait_until(lock, settled_until, [this] { return finished_ || state_ == SinkState::Running; });
  if (state_ != SinkState::Running) return;
  while (true) {
    const std::uint64_t before = packets_;
    if (changed_.wait_for(lock, patience, finished)) return;
    if (options_.policy != QueuePolicy::Block || packets_ == before) return;
  }
}

Result<void> SinkRunner::stop(milliseconds deadline) {
  queue_.close();
  if (thread_.joinable()) {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
    if (pictures_ == nullptr) wait_for_drain(lock, deadline);
    const bool interrupt = !finished_;
    lock.unlock();
    if (interrupt) {
      const std::size_t left = queue_.counters().packets;
      if (options_.policy == QueuePolicy::Block && left > 0) {
        cut_short(fmt::format("its last {} packets could not be written in time", left));
      } else {
        sink_->interrupt();
        queue_.abort();
      }
    }
    thread_.join();
  } else if (stats().state == SinkState::Idle) {
    // Never started: a claimed path is given up.
    auto closed = sink_->close();
    const std::scoped_lock lock(mutex_);
    state_ = SinkState::Closed;
    outcome_ = std::move(closed);
  }
  const std::scoped_lock lock(mutex_);
  return outcome_;
}

SinkStats SinkRunner::stats() const {
  const PacketQueue::Counters queue = queue_.counters();
  SinkStats stats;
  stats.packets = packets_;
  stats.bytes = bytes_;
  stats.dropped = queue.dropped + lost_;
  stats.queued = queue.packets;
  stats.queued_bytes = queue.bytes;
  stats.reconnects = reconnects_;
  stats.viewers = sink_->viewers().value_or(0);
  stats.last_pts = last_pts_;
  if (pictures_ != nullptr) {
    const PictureSink::Counters counters = pictures_->counters();
    stats.packets = counters.shown;
    stats.bytes = counters.bytes;
    stats.dropped = counters.dropped;
  }
  const std::scoped_lock lock(mutex_);
  stats.state = state_;
  stats.outage = outage_;
  return stats;
}

std::optional<SinkCongestion> SinkRunner::congestion() const {
  auto peers = sink_->congestion();
  if (!peers) return std::nullopt;
  if (stats().state != SinkState::Running) return SinkCongestion{.sink = 0, .away = !sink_->viewers()};
  const auto oldest = queue_.oldest();
  const Nanoseconds waited = oldest ? monotonic_now() - *oldest : Nanoseconds{};
  const std::uint64_t dropped = queue_.counters().dropped;
  for (Congestion& peer : *peers) {
    peer.waiting = std::max(peer.waiting, waited);
    if (peer.delivered == 0) peer.delivered = bytes_;
    peer.late += dropped;
  }
  return SinkCongestion{.sink = 0, .peers = *std::move(peers)};
}

std::optional<Nanoseconds> SinkRunner::longest_gap() const {
  return stats().state == SinkState::Running ? sink_->longest_gap() : std::nullopt;
}

void SinkRunner::set_state(SinkState state) {
  const std::scoped_lock lock(mutex_);
  state_ = state;
  changed_.notify_all();
}

bool SinkRunner::set_outage(std::optional<Error> why) {
  const std::scoped_lock lock(mutex_);
  return std::exchange(outage_, std::move(why)).has_value();
}

bool SinkRunner::may_reconnect(const Error& error) const {
  return options_.reconnect && error.kind != ErrorKind::Invalid && error.kind != ErrorKind::Unsupported;
}

void SinkRunner::run() noexcept {
  try {
    run_sink();
  } catch (const std::exception& error) {
    fail_for_good({ErrorKind::Internal, ErrorDomain::None, 0, "write " + name(), error.what()});
  }
  queue_.abort();  // a pusher that waits goes on, and what is left counts as dropped
  const std::scoped_lock lock(mutex_);
  if (state_ != SinkState::Failed) state_ = SinkState::Closed;
  finished_ = true;
  changed_.notify_all();
}

void SinkRunner::run_sink() {
  milliseconds backoff = options_.first_backoff;
  std::optional<Error> unreached;  // why no peer has ever been there
  bool connected_before = false;
  while (true) {
    set_state(SinkState::Opening);
    Result<void> result = open_sink();
    const bool connected = result.has_value();
    if (connected) {
      const auto since = Clock::now();
      if (set_outage(std::nullopt)) logger("output").info("{}: connected", name());
      if (std::exchange(connected_before, true)) ++reconnects_;
      unreached.reset();
      result = pictures_ == nullptr ? pump() : pictures_->attend([this] { events_.on_picture_wanted(name()); });
      // A connection that held makes the next outage a new one; a peer that hangs up at once keeps being left alone
      // for longer and longer.
      if (Clock::now() - since >= options_.longest_backoff) backoff = options_.first_backoff;
    }
    const bool worked = result.has_value();
    auto closed = sink_->close();
    if (was_cut_short()) return fail_for_good(*cut_);
    if (worked) {
      // A peer that went away after its last packet is no failure; a file that cannot be finished is.
      if (!closed && !options_.reconnect) fail_for_good(closed.error());
      return;
    }
    {
      const std::scoped_lock lock(mutex_);
      // Interrupted by stop(): that is no failure of a peer's, unless none was ever reached.
      if (stopping_ && options_.reconnect) {
        if (!connected_before && !unreached && !sink_->viewers()) {
          unreached = Error{ErrorKind::Timeout, ErrorDomain::None, 0, "reach " + name(), "it has not answered"};
        }
        if (unreached) outcome_ = std::unexpected(*std::move(unreached));
        return;
      }
      if (stopping_ && result.error().kind == ErrorKind::Cancelled) {
        outcome_ = std::move(result);
        return;
      }
    }
    if (!may_reconnect(result.error())) {
      fail_for_good(result.error());
      return;
    }
    if (connected && sink_->viewers() && pictures_ == nullptr) {
      // Viewers come and go: that is no outage, and the next one may be there already.
      logger("output").info("{}: the last viewer has gone", name());
      continue;
    }
    if (!set_outage(result.error())) events_.on_error(name(), result.error(), false);
    if (!connected_before) unreached = result.error();
    if (!back_off(backoff)) {
      const std::scoped_lock lock(mutex_);
      if (unreached) outcome_ = std::unexpected(*std::move(unreached));
      return;
    }
    backoff = std::min(backoff * 2, options_.longest_backoff);
  }
}

Result<void> SinkRunner::open_sink() {
  const auto start = Clock::now();
  const bool first = packets_ == 0 && lost_ == 0;
  if (auto opened = sink_->open(stream_); !opened) return opened;
  const bool stale = !first || Clock::now() - start > kStaleAfter || queue_.counters().dropped > 0;
  const bool restart = options_.policy == QueuePolicy::DropToKeyframe && stale;
  if (restart) queue_.restart_at_keyframe();
  set_state(SinkState::Running);
  if (restart) events_.on_keyframe_wanted(name());
  return {};
}

Result<void> SinkRunner::pump() {
  Packet packet;
  while (true) {
    switch (queue_.pop(packet, kFlushInterval)) {
      case PacketQueue::Pop::Closed: return {};
      case PacketQueue::Pop::TimedOut:
        if (auto flushed = sink_->flush(); !flushed) return flushed;
        if (sink_->take_keyframe_wish()) events_.on_keyframe_wanted(name());
        continue;
      case PacketQueue::Pop::Packet: break;
    }
    if (packet.new_stream) stream_ = *packet.new_stream;
    const Nanoseconds begun = monotonic_now();
    if (auto written = sink_->write(packet); !written) {
      ++lost_;
      return written;
    }
    if (options_.write_times != nullptr) options_.write_times->record(monotonic_now() - begun);
    ++packets_;
    bytes_ += packet.bytes().size();
    last_pts_ = packet.pts;
    if (sink_->take_keyframe_wish()) events_.on_keyframe_wanted(name());
    packet = Packet();
  }
}

bool SinkRunner::back_off(milliseconds time) {
  std::unique_lock lock(mutex_);
  state_ = SinkState::BackingOff;
  changed_.notify_all();
  return !changed_.wait_for(lock, time, [this] { return stopping_; });
}

void SinkRunner::fail_for_good(const Error& error) {
  {
    const std::scoped_lock lock(mutex_);
    state_ = SinkState::Failed;
    outcome_ = std::unexpected(error);
    changed_.notify_all();
  }
  events_.on_error(name(), error, true);
}

}  // namespace zc
