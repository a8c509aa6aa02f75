#include "worker/session_statistics.h"

#include "base/process_stats.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

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

/// Of full scale.
double decibels(float amplitude) {
  constexpr double kLeast = -120;
  return amplitude > 0 ? std::max(20 * std::log10(static_cast<double>(amplitude)), kLeast) : kLeast;
}

void add_audio(Statistics& statistics, const std::vector<AudioTrackStatus>& tracks) {
  std::uint32_t number = 0;
  for (const AudioTrackStatus& track : tracks) {
    ++number;
    for (const AudioSourceStatus& source : track.sources) {
      statistics.audio_sources.push_back({.track = number,
                                          .name = source.name,
                                          .volume = decibels(source.gain),
                                          .muted = source.muted,
                                          .heard = source.heard});
    }
    statistics.audio_tracks.push_back({.track = number,
                                       .codec = std::string(to_string(track.codec)),
                                       .peak = decibels(track.level.peak),
                                       .rms = decibels(track.level.rms),
                                       .clock_ppm = track.slowness_ppm,
                                       .gaps = track.gaps,
                                       .silence_seconds = static_cast<double>(track.silence) / kAudioRate,
                                       .late_samples = track.late,
                                       .lost_blocks = track.lost});
  }
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
  statistics.bitrate_target = static_cast<std::uint64_t>(now.bitrate_target);
  statistics.bitrate_reductions = now.bitrate_reductions;
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
  add_audio(statistics, now.audio);
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
