#include "session/recording_figures.h"

namespace zc {
namespace {

constexpr Nanoseconds kAskEvery = std::chrono::seconds(1);

}  // namespace

std::optional<double> EngineLoadMeter::load() {
  const std::lock_guard lock(mutex_);
  if (resting_) return std::nullopt;
  const Nanoseconds now = monotonic_now();
  if (!load_) load_.emplace();
  if (!asked_at_ || now - *asked_at_ >= kAskEvery) {
    asked_at_ = now;
    last_ = load_->sample(now);
  }
  return last_;
}

void EngineLoadMeter::set_resting(bool on) {
  const std::lock_guard lock(mutex_);
  resting_ = on;
  if (on) load_.reset();
}

void add_figures(RecordingStatus& status, const PictureWorker& pictures, const EncodeStage& stage,
                 std::uint64_t passed_over) {
  const PictureWorker::Counters made = pictures.counters();
  const EncodeStage::Counters encoded = stage.counters();
  status.elapsed = made.elapsed;
  status.repeated = made.repeated;
  status.thinned = made.thinned;
  status.captured = made.captured + passed_over;
  status.ring_dropped = stage.ring().dropped();
  status.dropped = made.dropped + passed_over + status.ring_dropped + encoded.lost;
  status.taken = stage.metrics().taken.load(std::memory_order_relaxed);
  status.packets = encoded.packets;
  status.bytes = encoded.bytes;
  const EncodeMetrics& metrics = stage.metrics();
  status.encoder = metrics.encoder();
  status.keyframes = encoded.keyframes;
  status.reopens = metrics.reopens.load(std::memory_order_relaxed);
  status.takeovers = metrics.takeovers.load(std::memory_order_relaxed);
  status.encode_queue = stage.ring().depth();
  status.encode_queue_size = stage.ring().capacity();
  status.latency_p50 = stage.latency().quantile(0.5);
}

void add_encoding(RecordingReport& report, const EncodeStage& stage, const EncoderChoice& encoders) {
  report.encoder = encoders.encoder();
  report.failed_encoders = encoders.failed();
  report.passed_over = encoders.passed_over();
  report.takeovers = stage.takeovers();
  const DurationHistogram& encoding = stage.metrics().encoding;
  report.encoding_p50 = encoding.quantile(0.50);
  report.encoding_p95 = encoding.quantile(0.95);
  report.encoding_p99 = encoding.quantile(0.99);
  report.codec = encoders.stream().codec;
  report.size = encoders.stream().size;
  const DurationHistogram& latency = stage.latency();
  report.latency_p50 = latency.quantile(0.50);
  report.latency_p95 = latency.quantile(0.95);
  report.latency_p99 = latency.quantile(0.99);
  report.latency_max = latency.max();
}

}  // namespace zc
