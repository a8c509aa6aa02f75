#include "session/recording_figures.h"

namespace zc {
namespace {

constexpr Nanoseconds kAskEvery = std::chrono::seconds(1);

}  // namespace

std::optional<double> EngineLoadMeter::load() {
  const std::lock_guard lock(mutex_);
  if (off_) return std::nullopt;
  const Nanoseconds now = monotonic_now();
  if (!load_) load_.emplace();
  if (!asked_at_ || now - *asked_at_ >= kAskEvery) {
    asked_at_ = now;
    last_ = load_->sample(now);
  }
  return last_;
}

void EngineLoadMeter::set_off(bool on) {
  const std::lock_guard lock(mutex_);
  off_ = on;
  if (on) load_.reset();
}

void add_figures(RecordingStatus& status, const PictureWorker& pictures, const EncodeMetrics& metrics,
                 const EncodeStage* stage, std::uint64_t passed_over) {
  const auto figure = [](const std::atomic<std::uint64_t>& one) { return one.load(std::memory_order_relaxed); };
  const PictureWorker::Counters made = pictures.counters();
  status.elapsed = made.elapsed;
  status.repeated = made.repeated;
  status.thinned = made.thinned;
  status.captured = made.captured + passed_over;
  status.ring_dropped = figure(metrics.ring_dropped);
  status.dropped = made.dropped + passed_over + status.ring_dropped + figure(metrics.lost);
  status.taken = figure(metrics.taken);
  status.packets = figure(metrics.frames);
  status.bytes = figure(metrics.bytes);
  status.encoder = metrics.encoder();
  status.keyframes = figure(metrics.keyframes);
  status.reopens = figure(metrics.reopens);
  status.failovers = figure(metrics.failovers);
  status.latency_p50 = metrics.latency.quantile(0.5);
  if (stage == nullptr) return;
  status.encode_queue = stage->ring().depth();
  status.encode_queue_size = stage->ring().capacity();
}

void add_encoding(RecordingReport& report, const EncodedStream& stream, const EncoderChoice& encoders) {
  report.encoder = encoders.encoder();
  report.failed_encoders = encoders.failed();
  report.passed_over = encoders.passed_over();
  {
    const std::lock_guard lock(stream.mutex);
    report.failovers = stream.failovers;
  }
  const DurationHistogram& encoding = stream.metrics.encoding;
  report.encoding_p50 = encoding.quantile(0.50);
  report.encoding_p95 = encoding.quantile(0.95);
  report.encoding_p99 = encoding.quantile(0.99);
  if (!report.encoder.empty()) {
    report.codec = encoders.stream().codec;
    report.size = encoders.stream().size;
  }
  const DurationHistogram& latency = stream.metrics.latency;
  report.latency_p50 = latency.quantile(0.50);
  report.latency_p95 = latency.quantile(0.95);
  report.latency_p99 = latency.quantile(0.99);
  report.latency_max = latency.max();
}

}  // namespace zc
