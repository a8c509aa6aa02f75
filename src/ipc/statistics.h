// What a session counts, in one table: D-Bus, metrics and reports are made from it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

/// Of one file or network peer.
struct SinkStatistics {
  std::uint32_t id = 0;  ///< from 1 on; no other sink of the session ever has it
  std::string name;      ///< path, or URL without its options
  std::string state;     ///< one of sink_states()
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::uint64_t dropped = 0;
  std::uint64_t queued = 0;  ///< packets
  std::uint64_t reconnects = 0;
  std::string error;          ///< why it failed, or why its peer is looked for; empty: none
  std::uint64_t viewers = 0;  ///< peers that it serves now, of a sink that waits for them
  std::string watch;          ///< of such a sink: what a viewer types; empty: it is none
};

/// What a sink's state may be.
[[nodiscard]] std::span<const std::string_view> sink_states();

/// Whose sound is in which track.
struct AudioSourceStatistics {
  std::uint32_t track = 0;  ///< from 1 on
  std::string name;         ///< as it was asked for
  double volume = 0;        ///< dB; 0: as it came
  bool muted = false;
  bool heard = false;  ///< it is there; else it is waited for
};

struct AudioTrackStatistics {
  std::uint32_t track = 0;  ///< from 1 on
  std::string codec;
  double peak = 0;                 ///< dB, 0 being full scale, as the next; -120 at the least; falls 20 dB a second
  double rms = 0;                  ///< over all channels, of 0.3 s
  double clock_ppm = 0;            ///< by how much the newest source's clock is slow
  std::uint64_t gaps = 0;          ///< times that a source's sound was interrupted
  double silence_seconds = 0;      ///< in their place
  std::uint64_t late_samples = 0;  ///< that came when silence had been written
  std::uint64_t lost_blocks = 0;   ///< that nobody took in time
};

/// How long one stage takes, cumulative as Prometheus counts.
struct StageTimes {
  std::string stage;  ///< capture, import, buffer_hold, encode, capture_to_packet, sink
  std::uint64_t count = 0;
  double sum_seconds = 0;
  std::vector<std::uint64_t> within;  ///< for each of stage_bounds(): how many took at most so long
};
/// Upper bounds in seconds, rising.
[[nodiscard]] std::span<const double> stage_bounds();

struct Statistics {
  double seconds = 0;  ///< of stream time
  std::uint64_t captured = 0;
  std::uint64_t encoded = 0;
  std::uint64_t duplicated = 0;
  std::uint64_t dropped_slow = 0;     ///< replaced by a newer picture before anybody took them, or lost in a stage
  std::uint64_t dropped_ring = 0;     ///< by a full ring that does not block
  std::uint64_t dropped_network = 0;  ///< packets that live sinks left out
  std::uint64_t thinned = 0;          ///< left out to hold a constant rate
  std::uint64_t bytes = 0;
  std::uint64_t keyframes = 0;
  std::uint64_t encoder_reopens = 0;
  std::uint64_t encoder_failovers = 0;
  std::uint64_t bitrate_target = 0;  ///< bit/s; 0: constant quality
  std::uint64_t bitrate_reductions = 0;
  std::uint64_t route_changes = 0;
  std::uint64_t source_reconnects = 0;
  std::uint64_t worker_restarts = 0;  ///< counted by the daemon
  std::uint64_t encode_queue = 0;
  std::uint64_t encode_queue_size = 0;
  std::uint64_t sink_queue = 0;  ///< packets in the fullest
  double fps = 0;                ///< encoded since the report before
  double bytes_per_second = 0;   ///< coded, of late
  double latency_median = 0;     ///< producer's timestamp to packet
  double replay_seconds = 0;     ///< kept in memory
  std::uint64_t resident_bytes = 0;
  std::uint64_t open_files = 0;
  std::uint64_t threads = 0;
  double cpu_seconds = 0;
  std::optional<double> gpu_encoder_load;  ///< 0..1; unset where nobody tells

  std::vector<SinkStatistics> sinks;
  std::vector<AudioSourceStatistics> audio_sources;
  std::vector<AudioTrackStatistics> audio_tracks;
  std::vector<StageTimes> stages;
};

enum class StatisticKind : std::uint8_t { Counter, Gauge };
/// One number of Statistics; exactly one of the members is set.
struct StatisticRow {
  std::string_view name;  ///< "frames_captured"
  StatisticKind kind;
  std::string_view help;
  std::uint64_t Statistics::* count = nullptr;
  double Statistics::* real = nullptr;
  std::string_view metric{};  ///< name of the metric that joins several rows under a label; empty: `name` itself
  std::string_view reason{};  ///< and its label "reason"
};
/// All but the optional ones, sinks, sound and stages.
[[nodiscard]] std::span<const StatisticRow> statistic_rows();

}  // namespace zc
