#include "worker/session_statistics.h"

#include "base/process_stats.h"

#include <chrono>
#include <optional>
#include <string>

namespace zc {
namespace {

double in_seconds(Nanoseconds time) { return static_cast<double>(time.count()) / 1e9; }

void add_stage(Statistics& statistics, std::string name, const DurationHistogram* times) {
  if (times == nullptr) return;
  StageTimes stage{
      .stage = std::move(name), .count = times->count(), .sum_seconds = in_seconds(times->sum()), .within = {}};
  for (const double bound : stage_bounds()) {
    stage.within.push_back(times->count_within(Nanoseconds(static_cast<std::int64_t>(bound * 1e9))));
  }
  statistics.stages.push_back(std::move(stage));
}

}  // namespace

Statistics make_statistics(const Recording& recording, const RecordingStatus& now, const RecordingStatus* before,
                           double seconds) {
  Statistics statistics;
  statistics.seconds = in_seconds(now.elapsed);
  statistics.captured = now.captured;
  statistics.encoded = now.packets;
  statistics.duplicated = now.repeated;
  statistics.dropped_slow = now.dropped - now.ring_dropped;
  statistics.dropped_ring = now.ring_dropped;
  statistics.dropped_network = now.output_dropped;
  statistics.thinned = now.thinned;
  statistics.bytes = now.bytes;
  statistics.keyframes = now.keyframes;
  statistics.encoder_reopens = now.reopens;
  statistics.encoder_failovers = now.failovers;
  statistics.route_changes = now.route_changes;
  statistics.source_reconnects = now.source_reconnects;
  statistics.encode_queue = now.encode_queue;
  statistics.encode_queue_size = now.encode_queue_size;
  statistics.sink_queue = now.output_queue;
  if (before != nullptr && seconds > 0) {
    statistics.fps = static_cast<double>(now.packets - before->packets) / seconds;
    statistics.bytes_per_second = static_cast<double>(now.bytes - before->bytes) / seconds;
  }
  statistics.latency_median = in_seconds(now.latency_p50);
  statistics.replay_seconds = in_seconds(now.replay_held);
  statistics.resident_bytes = resident_kib() * 1024;
  statistics.open_files = entries_of("/proc/self/fd");
  statistics.threads = entries_of("/proc/self/task");
  statistics.cpu_seconds = in_seconds(process_cpu_time());
  statistics.gpu_encoder_load = now.gpu_encoder_load;
  for (const OutputStatus& output : now.outputs) {
    const std::optional<Error>& error = output.error ? output.error : output.stats.outage;
    statistics.sinks.push_back({.id = output.id,
                                .name = output.name,
                                .state = std::string(to_string(output.stats.state)),
                                .packets = output.stats.packets,
                                .bytes = output.stats.bytes,
                                .dropped = output.stats.dropped,
                                .queued = output.stats.queued,
                                .reconnects = output.stats.reconnects,
                                .error = error ? error->message() : std::string(),
                                .viewers = output.stats.viewers,
                                .watch = output.watch});
  }
  add_stage(statistics, "capture", &recording.capture_times());
  add_stage(statistics, "import", recording.import_times());
  add_stage(statistics, "buffer_hold", recording.hold_times());
  add_stage(statistics, "sink", &recording.sink_times());
  if (const EncodeMetrics* metrics = recording.metrics()) {
    add_stage(statistics, "encode", &metrics->encoding);
    add_stage(statistics, "capture_to_packet", &metrics->latency);
  }
  return statistics;
}

}  // namespace zc
