#include "session/encode_stage.h"

#include "base/bounded_call.h"
#include "base/log.h"
#include "base/parked_thread.h"
#include "base/process_stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace zc {
namespace {

/// A thread inherits the name of the one that starts it: an encoder's pool carries this one too.
constexpr const char* kThreadName = "zc-encode";
/// How often an encoder that gives nothing is asked again.
constexpr Nanoseconds kPoll = std::chrono::milliseconds(2);
/// A keyframe that was asked for is there so soon, though the screen stands still.
constexpr Nanoseconds kMostHeldAsked = std::chrono::milliseconds(200);
/// What has been in the encoder for less is of pictures that come in a row.
constexpr Nanoseconds kJustNow = std::chrono::milliseconds(500);
constexpr Nanoseconds kOutPatience = std::chrono::seconds(2);
/// What a thread that was given up may still take to leave when the stage ends.
constexpr Nanoseconds kLeavePatience = std::chrono::seconds(2);

double seconds(Nanoseconds time) { return std::chrono::duration<double>(time).count(); }

/// The encoder goes on as it was.
bool is_refusal(const Error& error) { return error.kind == ErrorKind::Unsupported || error.kind == ErrorKind::Invalid; }

}  // namespace

EncodeStage::EncodeStage(EncodedStream& stream, std::unique_ptr<Encoder> encoder, std::size_t ring_frames,
                         RingPolicy policy, PacketHandler on_packet, ErrorHandler on_error,
                         EncoderSuccession* succession, EncoderPatience patience)
    : patience_(patience),
      succession_(succession),
      ring_(ring_frames, policy),
      on_packet_(std::move(on_packet)),
      on_error_(std::move(on_error)),
      stream_(stream),
      metrics_(stream.metrics),
      work_(std::make_shared<WatchedEncoder>(std::move(encoder))) {
  begin_with(work_->encoder());
  if (std::exchange(stream_.begun, true))
    new_stream_ = std::make_shared<const StreamParameters>(work_->encoder().stream());
  start_thread(std::nullopt);
  watchdog_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
}

EncodeStage::~EncodeStage() { finish(); }

bool EncodeStage::push(EncodeJob job) {
  const bool picture = !job.repeat;
  if (picture) pictures_pushed_.fetch_add(1, std::memory_order_relaxed);
  const std::uint64_t before = ring_.dropped();
  const bool taken = ring_.push(std::move(job));
  metrics_.ring_dropped.fetch_add(ring_.dropped() - before, std::memory_order_relaxed);
  if (!taken && picture) pictures_pushed_.fetch_sub(1, std::memory_order_relaxed);
  return taken;
}

void EncodeStage::finish() {
  ring_.close();
  {
    std::unique_lock lock(watch_mutex_);
    watch_changed_.wait(lock, [this] { return finished_; });
  }
  watchdog_.request_stop();
  if (watchdog_.joinable()) watchdog_.join();
  if (thread_.joinable()) thread_.join();
  const bool sleeps = going_to_sleep_.load(std::memory_order_relaxed);
  const Nanoseconds deadline = monotonic_now() + (sleeps ? Nanoseconds{} : kLeavePatience);
  for (Abandoned& hung : abandoned_) {
    while (!hung.left->load() && monotonic_now() < deadline) std::this_thread::sleep_for(kPoll);
    if (!hung.left->load()) park(std::move(hung.thread), hung.left);
  }
  abandoned_.clear();
  close(work_->replace(nullptr), sleeps ? patience_.sleep / 5 : patience_.hang);
  in_flight_.clear();
  adapter_.reset();
  if (sleeps) count_lost();
}

bool EncodeStage::finish_within(Nanoseconds patience) {
  const Nanoseconds deadline = monotonic_now() + patience;
  const std::chrono::steady_clock::time_point soon(deadline - patience / 4);
  going_to_sleep_.store(true);
  ring_.close();
  {
    std::unique_lock lock(watch_mutex_);
    bool finished = watch_changed_.wait_until(lock, soon, [this] { return finished_; });
    while (!finished && monotonic_now() < deadline) {
      // Software is waited for: it holds nothing of a device, and comes to its end.
      if (hardware_.load(std::memory_order_relaxed) && work_->take_away()) {
        logger("session").error("{} hangs: going on without it", encoder_name_);
        hand_to_new_thread(std::nullopt);
      }
      finished = watch_changed_.wait_for(lock, kPoll, [this] { return finished_; });
    }
    if (!finished) return false;
  }
  finish();
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

void EncodeStage::fail_stream(const Error& error) {
  in_flight_.clear();
  if (!going_to_sleep_.load()) return on_error_(error);
  logger("session").warn("{} failed before the machine sleeps: {}", encoder_name_, error.message());
}

Result<void> EncodeStage::set_bitrate(std::int64_t bits_per_second, bool new_headers) {
  return ask({.bit_rate = bits_per_second, .rate = {}, .new_headers = new_headers});
}

Result<void> EncodeStage::set_rate(Rational rate, bool new_headers) {
  return ask({.bit_rate = {}, .rate = rate, .new_headers = new_headers});
}

Result<void> EncodeStage::ask(const Control& wanted) {
  std::unique_lock lock(watch_mutex_);
  const std::uint64_t number = ++asked_;
  if (wanted.bit_rate) control_.bit_rate = wanted.bit_rate;
  if (wanted.rate) control_.rate = wanted.rate;
  control_.new_headers = wanted.new_headers;
  control_.number = number;
  control_wanted_.store(true, std::memory_order_release);
  ring_.wake();
  const auto over = [&] { return answered_ >= number || finished_; };
  if (watch_changed_.wait_for(lock, kOutPatience, over)) return answered_ == number ? answer_ : Result<void>{};
  constexpr const char* kOperation = "change the encoder's settings";
  if (control_.number != number) return fail(ErrorKind::Timeout, kOperation, "the encoder does not come back from it");
  control_ = {};
  control_wanted_.store(false, std::memory_order_relaxed);
  return fail(ErrorKind::Busy, kOperation, "the encoder is busy with a picture");
}

void EncodeStage::refuse_changes() {
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(watch_mutex_);
    number = std::exchange(control_, {}).number;
    control_wanted_.store(false, std::memory_order_relaxed);
  }
  answer(number, fail(ErrorKind::Lost, "change the encoder's settings", "it has failed"));
}

void EncodeStage::answer(std::uint64_t number, Result<void> answer) {
  const std::lock_guard lock(watch_mutex_);
  answered_ = number;
  answer_ = std::move(answer);
  watch_changed_.notify_all();
}

void EncodeStage::bring_out() {
  std::unique_lock lock(watch_mutex_);
  const std::uint64_t turn = outs_wanted_.fetch_add(1) + 1;
  ring_.wake();
  watch_changed_.wait_for(lock, kOutPatience, [&] { return outs_done_.load() >= turn || finished_; });
}

std::optional<SurfaceFormat> EncodeStage::take_new_input() {
  const std::lock_guard lock(mutex_);
  return std::exchange(new_input_, std::nullopt);
}

std::optional<Size> EncodeStage::take_refused_size() {
  const std::lock_guard lock(mutex_);
  return std::exchange(new_refusal_, std::nullopt);
}

Result<std::unique_ptr<Encoder>> EncodeStage::open_encoder(EncoderChain& chain, const VideoParameters& video) {
  Result<std::unique_ptr<Encoder>> encoder = fail(ErrorKind::Internal, "open encoder", "it was not tried");
  std::jthread([&] {
    name_this_thread(kThreadName);
    encoder = chain.open_first(video);
  }).join();
  return encoder;
}

Nanoseconds EncodeStage::encoder_cpu_time() { return thread_cpu_time(kThreadName); }

// --- the encoder thread ---------------------------------------------------------------------------------------------

void EncodeStage::start_thread(std::optional<Error> failure) {
  thread_left_ = make_left_flag();
  thread_ = std::jthread([this, work = work_, left = thread_left_, failure = std::move(failure)]() mutable {
    run(work, std::move(failure));
    work.reset();  // a thread that was given up closes its encoder itself
    left->store(true, std::memory_order_release);
  });
}

void EncodeStage::run(const Work& work, std::optional<Error> failure) {
  name_this_thread(kThreadName);
  Result<void> result;
  if (failure) {
    result = replaceable() ? replace_encoder(*work, *std::move(failure)) : std::unexpected(*std::move(failure));
    if (work->lost()) return;
    if (!result) fail_stream(result.error());
  }
  if (!encode_all(*work, result)) return;
  if (result && !finish_stream(*work)) return;
  {
    const std::lock_guard lock(watch_mutex_);
    finished_ = true;
  }
  watch_changed_.notify_all();
}

bool EncodeStage::encode_all(WatchedEncoder& work, Result<void>& result) {
  while (true) {
    const bool alive = result && work.has_encoder();
    std::optional<EncodeJob> job = ring_.pop(alive ? due_out() : std::nullopt);
    if (!job && ring_.closed() && ring_.depth() == 0) return true;
    // The encoder is dead or left behind: let the ring run empty so that the worker never blocks on it.
    if (!alive) {
      if (control_wanted_.load(std::memory_order_acquire)) refuse_changes();
      continue;
    }
    const std::uint64_t wanted = outs_wanted_.load();
    if (job) {
      result = encode(work, *job);
    } else {
      if (control_wanted_.load(std::memory_order_acquire)) result = change_settings(work);
      if (result) result = empty_if_due(work, wanted != outs_done_.load());
    }
    if (work.lost()) return false;
    if (wanted != outs_done_.load()) {
      const std::lock_guard lock(watch_mutex_);
      outs_done_.store(wanted);
      watch_changed_.notify_all();
    }
    if (!result && replaceable()) result = replace_encoder(work, std::move(result.error()));
    if (work.lost()) return false;
    if (!result) fail_stream(result.error());
  }
}

bool EncodeStage::finish_stream(WatchedEncoder& work) {
  if (!work.has_encoder()) return true;
  Result<void> result = drain(work);
  while (!work.lost() && !result && replaceable()) {
    result = replace_encoder(work, std::move(result.error()));
    if (!work.lost() && result) result = drain(work);
  }
  if (work.lost()) return false;
  if (!result) logger("session").warn("the encoder's last pictures: {}", result.error().message());
  return true;
}

Result<void> EncodeStage::drain(WatchedEncoder& work) {
  if (auto drained = work.call([](Encoder& encoder) { return encoder.drain(); }); !drained) return drained;
  if (auto received = receive_all(work); !received) return std::unexpected(std::move(received.error()));
  if (in_flight_.empty()) return {};
  return fail(ErrorKind::Timeout, fmt::format("encode with {}", encoder_name_),
              fmt::format("it kept {} pictures for itself", in_flight_.size()));
}

std::optional<Nanoseconds> EncodeStage::due_out() const {
  Nanoseconds due = Nanoseconds::max();
  for (const Submitted& s : submitted_) {
    if (s.pts >= 0) due = std::min(due, s.due);
  }
  return due == Nanoseconds::max() ? std::nullopt : std::optional(due);
}

Result<void> EncodeStage::empty_if_due(WatchedEncoder& work, bool asked) {
  const Nanoseconds now = monotonic_now();
  const bool due = std::ranges::any_of(submitted_, [&](const Submitted& s) {
    return s.pts >= 0 && (now >= s.due || (asked && now - s.handed_over >= kJustNow));
  });
  if (!due) return {};
  if (auto emptied = work.call([](Encoder& encoder) { return encoder.flush(); }); !emptied) return emptied;
  for (Submitted& s : submitted_) s.due = Nanoseconds::max();  // not again for these
  if (auto received = receive_all(work); !received) return std::unexpected(std::move(received.error()));
  return {};
}

Result<void> EncodeStage::encode(WatchedEncoder& work, const EncodeJob& job) {
  const Nanoseconds now = monotonic_now();
  Submitted& submitted = submitted_.at(next_submitted_);
  // The first is waited for by whoever began the recording.
  const Nanoseconds most = !stream_.newest_pts ? kJustNow : job.repeat ? kMostHeldRepeat : kMostHeld;
  submitted = {to_packet_clock(job.surface.stream_time), job.captured, now, now + most, job.repeat};
  next_submitted_ = (next_submitted_ + 1) % submitted_.size();
  const bool kept = watched(work);
  if (kept) in_flight_.push_back({{job.surface.share(), job.captured, job.repeat}, now});
  if (in_flight_.size() > kMostInFlight) {
    return fail(ErrorKind::Timeout, fmt::format("encode with {}", encoder_name_),
                fmt::format("it took {} pictures and gave none", kMostInFlight));
  }
  if (control_wanted_.load(std::memory_order_acquire)) {
    if (auto changed = change_settings(work); !changed) return changed;
  }
  if (keyframe_wanted_.exchange(false, std::memory_order_relaxed)) {
    work.encoder().request_keyframe();
    submitted.due = std::min(submitted.due, now + kMostHeldAsked);
  }
  if (auto done = submit(work, job); !done) return done;
  metrics_.taken.fetch_add(1, std::memory_order_relaxed);
  return wait_for_packets(work);
}

Result<void> EncodeStage::change_settings(WatchedEncoder& work) {
  Control wanted;
  {
    const std::lock_guard lock(watch_mutex_);
    wanted = std::exchange(control_, {});
    control_wanted_.store(false, std::memory_order_relaxed);
  }
  Result<void> answer;  // of an encoder that dies of it: whoever takes over has it
  Result<void> done;
  if (wanted.rate) {
    done = change_setting(
        work, fmt::format("{:.5g} pictures/s", wanted.rate->value()),
        [&](Encoder& encoder) { return encoder.set_rate(*wanted.rate, wanted.new_headers); }, answer);
  }
  if (done && wanted.bit_rate) {
    done = change_setting(
        work, fmt::format("{} bit/s", *wanted.bit_rate),
        [&](Encoder& encoder) { return encoder.set_bitrate(*wanted.bit_rate, wanted.new_headers); }, answer);
  }
  // Of one that has lost the work nobody knows what it did.
  if (!work.lost()) this->answer(wanted.number, std::move(answer));
  return done;
}

Result<void> EncodeStage::change_setting(WatchedEncoder& work, std::string_view what,
                                         const std::function<Result<Encoder::Change>(Encoder&)>& set,
                                         Result<void>& refusal) {
  const std::vector<std::byte> headers = work.encoder().stream().extradata;
  const auto change = work.call(set);
  if (work.lost()) return std::unexpected(change.error());
  if (!change) {
    if (!is_refusal(change.error())) return std::unexpected(change.error());
    logger("session").debug("{} goes on without {}: {}", encoder_name_, what, change.error().message());
    refusal = std::unexpected(change.error());
    return {};
  }
  note_change(work, what, *change);
  if (*change == Encoder::Change::InPlace) return {};
  // What was inside belongs to the stream as it was.
  if (auto received = receive_all(work); !received) return std::unexpected(std::move(received.error()));
  if (const StreamParameters& now = work.encoder().stream(); now.extradata != headers) {
    new_stream_ = std::make_shared<const StreamParameters>(now);
  }
  return {};
}

void EncodeStage::note_change(WatchedEncoder& work, std::string_view what, Encoder::Change change) {
  if (change == Encoder::Change::InPlace) {
    logger("session").info("{}: {}", encoder_name_, what);
    return;
  }
  logger("session").info("{}: {}, after opening it again", encoder_name_, what);
  metrics_.reopens.fetch_add(1, std::memory_order_relaxed);
  if (succession_ != nullptr) succession_->reopened(work.encoder());
}

Result<bool> EncodeStage::change_size(WatchedEncoder& work, Size size) {
  if (size == refused_size_) return false;
  const auto change = work.call([size](Encoder& encoder) { return encoder.set_size(size); });
  if (work.lost()) return std::unexpected(change.error());
  if (!change && !is_refusal(change.error())) return std::unexpected(change.error());
  const std::string what = fmt::format("{}x{}", size.width, size.height);
  if (!change) {
    logger("session").warn("{} goes on without {}: {}", encoder_name_, what, change.error().message());
    refused_size_ = size;
    const std::lock_guard lock(mutex_);
    new_refusal_ = size;
    new_input_ = work.encoder().input();
    return false;
  }
  note_change(work, what, *change);
  // What was inside belongs to the stream as it was.
  if (auto received = receive_all(work); !received) return std::unexpected(std::move(received.error()));
  new_stream_ = std::make_shared<const StreamParameters>(work.encoder().stream());
  return true;
}

Result<Surface> EncodeStage::adapt(WatchedEncoder& work, const Surface& surface) {
  if (!adapter_ || adapter_->from() != surface.format()) {
    auto adapter = SurfaceAdapter::create(surface.format(), work.encoder().input());
    if (!adapter) return std::unexpected(std::move(adapter.error()));
    adapter_.emplace(std::move(*adapter));
  }
  return adapter_->adapt(surface);
}

Result<void> EncodeStage::submit(WatchedEncoder& work, const EncodeJob& job) {
  if (const Size size = job.surface.format().size; size != work.encoder().input().size) {
    const auto taken = change_size(work, size);
    if (!taken) return std::unexpected(taken.error());
    if (!*taken) {
      give_up(job);
      return {};
    }
  }
  Surface adapted;
  if (job.surface.format() != work.encoder().input()) {
    auto made = adapt(work, job.surface);
    if (!made && made.error().kind == ErrorKind::Lost) {
      if (!std::exchange(loss_told_, true)) {
        logger("session").warn("dropping pictures that lie on a lost device: {}", made.error().message());
      }
      give_up(job);
      return {};
    }
    if (!made) return std::unexpected(std::move(made.error()));
    adapted = std::move(*made);
  }
  const Surface& surface = adapted ? adapted : job.surface;
  const Nanoseconds deadline = monotonic_now() + patience_.stall;
  while (true) {
    const Result<void> taken = work.call([&](Encoder& encoder) { return encoder.submit(surface); });
    if (taken) break;
    if (taken.error().kind != ErrorKind::Busy) return taken;
    const auto received = receive_all(work);
    if (!received) return std::unexpected(received.error());
    if (*received) continue;
    if (monotonic_now() >= deadline) {
      return fail(ErrorKind::Timeout, fmt::format("encode with {}", encoder_name_),
                  fmt::format("it took no picture and gave none for {:.1f} s", seconds(patience_.stall)));
    }
    std::this_thread::sleep_for(kPoll);
  }
  if (auto received = receive_all(work); !received) return std::unexpected(std::move(received.error()));
  return {};
}

Result<void> EncodeStage::wait_for_packets(WatchedEncoder& work) {
  if (!work.encoder().hardware()) return {};
  const std::size_t most = work.encoder().most_held() + kHeldSlack;
  while (in_flight_.size() > most) {
    const Nanoseconds age = monotonic_now() - in_flight_.front().since;
    if (age >= patience_.stall) {
      return fail(ErrorKind::Timeout, fmt::format("encode with {}", encoder_name_),
                  fmt::format("it took {} pictures and gave none for {:.1f} s", in_flight_.size(), seconds(age)));
    }
    std::this_thread::sleep_for(kPoll);
    if (auto received = receive_all(work); !received) return std::unexpected(std::move(received.error()));
  }
  return {};
}

Result<bool> EncodeStage::receive_all(WatchedEncoder& work) {
  bool any = false;
  while (true) {
    Result<std::optional<Packet>> packet = work.call([](Encoder& encoder) { return encoder.receive(); });
    if (!packet) return std::unexpected(std::move(packet.error()));
    if (!*packet) return any;
    any = true;
    deliver(**packet);
  }
}

void EncodeStage::deliver(Packet& packet) {
  // A successor that reorders pictures begins with a dts before its first pts, where the failed one has been already.
  if (stream_.last_dts) packet.dts = std::max(packet.dts, *stream_.last_dts + 1);
  stream_.last_dts = packet.dts;
  packet.new_stream = std::exchange(new_stream_, nullptr);
  stream_.newest_pts = std::max(stream_.newest_pts.value_or(packet.pts), packet.pts);
  std::erase_if(in_flight_,
                [&](const InFlight& held) { return to_packet_clock(held.job.surface.stream_time) <= packet.pts; });
  account(packet);
  if (failed_at_) {
    const std::lock_guard lock(stream_.mutex);
    stream_.failovers.back().first_packet = monotonic_now() - *std::exchange(failed_at_, std::nullopt);
  }
  on_packet_(packet);
}

void EncodeStage::account(Packet& packet) {
  metrics_.frames.fetch_add(1, std::memory_order_relaxed);
  metrics_.bytes.fetch_add(packet.bytes().size(), std::memory_order_relaxed);
  if (packet.keyframe) metrics_.keyframes.fetch_add(1, std::memory_order_relaxed);
  for (Submitted& s : submitted_) {
    if (s.pts != packet.pts) continue;
    s.pts = -1;
    if (s.repeat) return;
    pictures_done_.fetch_add(1, std::memory_order_relaxed);
    const Nanoseconds now = monotonic_now();
    packet.times = {.captured = s.captured, .submitted = s.handed_over, .encoded = now};
    metrics_.latency.record(now - s.captured);
    metrics_.encoding.record(now - s.handed_over);
    return;
  }
}

}  // namespace zc
