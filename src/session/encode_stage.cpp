#include "session/encode_stage.h"

#include "base/log.h"
#include "base/process_stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace zc {
namespace {

/// A thread inherits the name of the one that starts it: an encoder's pool carries this one too.
constexpr const char* kThreadName = "zc-encode";

}  // namespace

EncodeStage::EncodeStage(std::unique_ptr<Encoder> encoder, std::size_t ring_frames, RingPolicy policy,
                         PacketHandler on_packet, ErrorHandler on_error, EncoderSuccession* succession)
    : encoder_(std::move(encoder)),
      succession_(succession),
      ring_(ring_frames, policy),
      on_packet_(std::move(on_packet)),
      on_error_(std::move(on_error)),
      thread_([this] { run(); }) {}

EncodeStage::~EncodeStage() { finish(); }

bool EncodeStage::push(EncodeJob job, const std::stop_token& stop) {
  const bool picture = !job.repeat;
  if (picture) pictures_pushed_.fetch_add(1, std::memory_order_relaxed);
  const bool taken = ring_.push(std::move(job), stop);
  if (!taken && picture) pictures_pushed_.fetch_sub(1, std::memory_order_relaxed);
  return taken;
}

void EncodeStage::finish() {
  ring_.close();
  if (thread_.joinable()) thread_.join();
}

bool EncodeStage::holds_pictures() const {
  return pictures_pushed_.load(std::memory_order_relaxed) >
         pictures_done_.load(std::memory_order_relaxed) + ring_.dropped();
}

std::optional<SurfaceFormat> EncodeStage::take_new_input() {
  const std::lock_guard lock(input_mutex_);
  return std::exchange(new_input_, std::nullopt);
}

EncodeStage::Counters EncodeStage::counters() const {
  return {packets_.load(std::memory_order_relaxed), bytes_.load(std::memory_order_relaxed),
          keyframes_.load(std::memory_order_relaxed), lost_.load(std::memory_order_relaxed)};
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

void EncodeStage::run() {
  name_this_thread(kThreadName);
  Result<void> result;
  while (true) {
    starved_.store(ring_.depth() == 0 && holds_pictures(), std::memory_order_relaxed);
    std::optional<EncodeJob> job = ring_.pop();
    starved_.store(false, std::memory_order_relaxed);
    if (!job) break;
    if (!result) continue;  // the encoder is dead: let the ring run empty so that the worker never blocks on it
    result = encode(*job);
    if (!result && replaceable()) result = replace_encoder(std::move(result.error()));
    if (!result) on_error_(result.error());
  }
  if (!result) return;
  result = drain();
  while (!result && replaceable()) {
    result = replace_encoder(std::move(result.error()));
    if (result) result = drain();
  }
  if (!result) logger("session").warn("the encoder's last pictures: {}", result.error().message());
}

Result<void> EncodeStage::drain() {
  if (auto drained = encoder_->drain(); !drained) return drained;
  return receive_all();
}

Result<void> EncodeStage::encode(const EncodeJob& job) {
  if (keyframe_wanted_.exchange(false, std::memory_order_relaxed)) encoder_->request_keyframe();
  submitted_[next_submitted_] = {to_packet_clock(job.surface.stream_time), job.captured, job.repeat};
  next_submitted_ = (next_submitted_ + 1) % submitted_.size();
  if (replaceable()) in_flight_.push_back({job.surface.share(), job.captured, job.repeat});
  if (in_flight_.size() > kMostInFlight) {
    return fail(ErrorKind::Timeout, fmt::format("encode with {}", encoder_->name()),
                fmt::format("it took {} pictures and gave none", kMostInFlight));
  }
  return submit(job);
}

Result<void> EncodeStage::submit(const EncodeJob& job) {
  Surface adapted;
  if (job.surface.format() != encoder_->input()) {
    if (!adapter_ || adapter_->from() != job.surface.format()) {
      auto adapter = SurfaceAdapter::create(job.surface.format(), encoder_->input());
      if (!adapter) return std::unexpected(std::move(adapter.error()));
      adapter_.emplace(std::move(*adapter));
    }
    auto made = adapter_->adapt(job.surface);
    if (!made && made.error().kind == ErrorKind::Lost) {
      if (!std::exchange(loss_told_, true)) {
        logger("session").warn("pictures on a lost device are left out: {}", made.error().message());
      }
      give_up(job);
      return {};
    }
    if (!made) return std::unexpected(std::move(made.error()));
    adapted = std::move(*made);
  }
  const Surface& surface = adapted ? adapted : job.surface;
  Result<void> taken = encoder_->submit(surface);
  if (!taken && taken.error().kind == ErrorKind::Busy) {
    if (const auto received = receive_all(); !received) return received;
    taken = encoder_->submit(surface);
    if (!taken && taken.error().kind == ErrorKind::Busy) {
      return fail(ErrorKind::Timeout, fmt::format("encode with {}", encoder_->name()),
                  "it takes no more pictures and gives none");
    }
  }
  if (!taken) return taken;
  return receive_all();
}

Result<void> EncodeStage::receive_all() {
  while (true) {
    Result<std::optional<Packet>> packet = encoder_->receive();
    if (!packet) return std::unexpected(std::move(packet.error()));
    std::optional<Packet>& coded = *packet;
    if (!coded) return {};
    // A successor that reorders pictures begins with a dts before its first pts, where the failed one has been already.
    if (last_dts_) coded->dts = std::max(coded->dts, *last_dts_ + 1);
    last_dts_ = coded->dts;
    coded->new_stream = std::exchange(new_stream_, nullptr);
    newest_pts_ = std::max(newest_pts_.value_or(coded->pts), coded->pts);
    std::erase_if(in_flight_,
                  [&](const EncodeJob& job) { return to_packet_clock(job.surface.stream_time) <= coded->pts; });
    account(*coded);
    on_packet_(*coded);
  }
}

Result<void> EncodeStage::replace_encoder(Error why) {
  while (true) {
    auto next = succession_->next(encoder_->name(), why);
    if (!next) {
      in_flight_.clear();
      return std::unexpected(std::move(next.error()));
    }
    encoder_ = std::move(*next);
    adapter_.reset();
    new_stream_ = std::make_shared<const StreamParameters>(encoder_->stream());
    {
      const std::lock_guard lock(input_mutex_);
      new_input_ = encoder_->input();
    }
    Result<void> result = encode_again();
    if (result || !replaceable()) return result;
    why = std::move(result.error());
  }
}

Result<void> EncodeStage::encode_again() {
  const std::vector<EncodeJob> jobs = std::exchange(in_flight_, {});
  Result<void> result;
  for (const EncodeJob& job : jobs) {
    // What an encoder with B-frames had not given yet of the time before its newest packet cannot follow that any more.
    if (newest_pts_ && to_packet_clock(job.surface.stream_time) <= *newest_pts_) {
      give_up(job);
      continue;
    }
    if (replaceable()) in_flight_.push_back({job.surface.share(), job.captured, job.repeat});
    if (result) result = submit(job);  // once this one has failed too, the rest is for the one after it
  }
  return result;
}

void EncodeStage::give_up(const EncodeJob& job) {
  std::erase_if(in_flight_, [&](const EncodeJob& held) { return held.surface.stream_time == job.surface.stream_time; });
  if (job.repeat) return;
  lost_.fetch_add(1, std::memory_order_relaxed);
  pictures_done_.fetch_add(1, std::memory_order_relaxed);
}

void EncodeStage::account(const Packet& packet) {
  packets_.fetch_add(1, std::memory_order_relaxed);
  bytes_.fetch_add(packet.bytes().size(), std::memory_order_relaxed);
  if (packet.keyframe) keyframes_.fetch_add(1, std::memory_order_relaxed);
  for (const Submitted& s : submitted_) {
    if (s.pts != packet.pts) continue;
    if (s.repeat) return;
    pictures_done_.fetch_add(1, std::memory_order_relaxed);
    latency_.record(monotonic_now() - s.captured);
    return;
  }
}

}  // namespace zc
