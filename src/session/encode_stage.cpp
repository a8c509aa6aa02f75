#include "session/encode_stage.h"

#include "base/log.h"
#include "base/process_stats.h"
#include "encode/encoder_chain.h"

#include <exception>
#include <utility>

namespace zc {
namespace {

/// A thread inherits the name of the one that starts it: an encoder's pool carries this one too.
constexpr const char* kThreadName = "zc-encode";

}  // namespace

EncodeStage::EncodeStage(std::unique_ptr<Encoder> encoder, std::size_t ring_frames, RingPolicy policy,
                         PacketHandler on_packet, ErrorHandler on_error)
    : encoder_(std::move(encoder)),
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

EncodeStage::Counters EncodeStage::counters() const {
  return {packets_.load(std::memory_order_relaxed), bytes_.load(std::memory_order_relaxed),
          keyframes_.load(std::memory_order_relaxed)};
}

Result<std::unique_ptr<Encoder>> EncodeStage::open_encoder(const EncoderSettings& settings,
                                                           const VideoParameters& video) {
  Result<std::unique_ptr<Encoder>> encoder = fail(ErrorKind::Internal, "open encoder", "it was not tried");
  std::jthread([&] {
    name_this_thread(kThreadName);
    encoder = open_first(settings, video);
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
    if (!result) on_error_(result.error());
  }
  if (!result) return;
  result = encoder_->drain();
  if (result) result = receive_all();
  if (!result) logger("session").warn("the encoder's last pictures: {}", result.error().message());
}

Result<void> EncodeStage::encode(const EncodeJob& job) {
  if (keyframe_wanted_.exchange(false, std::memory_order_relaxed)) encoder_->request_keyframe();
  submitted_[next_submitted_] = {to_packet_clock(job.surface.stream_time), job.captured, job.repeat};
  next_submitted_ = (next_submitted_ + 1) % submitted_.size();
  Result<void> taken = encoder_->submit(job.surface);
  if (!taken && taken.error().kind == ErrorKind::Busy) {
    if (const auto received = receive_all(); !received) return received;
    taken = encoder_->submit(job.surface);
  }
  if (!taken) return taken;
  return receive_all();
}

Result<void> EncodeStage::receive_all() {
  while (true) {
    Result<std::optional<Packet>> packet = encoder_->receive();
    if (!packet) return std::unexpected(std::move(packet.error()));
    const std::optional<Packet>& coded = *packet;
    if (!coded) return {};
    account(*coded);
    on_packet_(*coded);
  }
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
