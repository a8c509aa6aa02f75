#include "ipc/statistics.h"

#include <array>

namespace zc {
namespace {

using enum StatisticKind;
using S = Statistics;

constexpr std::array kBounds{0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.033, 0.066, 0.125, 0.25, 0.5, 1.0, 2.5};

constexpr StatisticRow counter(std::string_view name, std::uint64_t S::* count, std::string_view help) {
  return {.name = name, .kind = Counter, .help = help, .count = count};
}
constexpr StatisticRow dropped(std::string_view name, std::uint64_t S::* count, std::string_view reason) {
  return {.name = name,
          .kind = Counter,
          .help = "Pictures or packets lost, by reason",
          .count = count,
          .metric = "frames_dropped",
          .reason = reason};
}
constexpr StatisticRow level(std::string_view name, std::uint64_t S::* count, std::string_view help) {
  return {.name = name, .kind = Gauge, .help = help, .count = count};
}
constexpr StatisticRow real_counter(std::string_view name, double S::* value, std::string_view help) {
  return {.name = name, .kind = Counter, .help = help, .real = value};
}
constexpr StatisticRow real(std::string_view name, double S::* value, std::string_view help) {
  return {.name = name, .kind = Gauge, .help = help, .real = value};
}

constexpr std::array kRows{
    real("stream_seconds", &S::seconds, "Stream time so far"),
    counter("frames_captured", &S::captured, "Pictures the source delivered"),
    counter("encoder_frames", &S::encoded, "Coded pictures, repeats included"),
    counter("frames_duplicated", &S::duplicated, "Pictures encoded again: a static screen, or a constant rate"),
    dropped("frames_dropped_slow", &S::dropped_slow, "slow"),
    dropped("frames_dropped_ring", &S::dropped_ring, "ring"),
    dropped("packets_dropped_network", &S::dropped_network, "network"),
    dropped("frames_thinned", &S::thinned, "rate"),
    counter("encoder_bytes", &S::bytes, "Coded bytes"),
    counter("encoder_keyframes", &S::keyframes, "Coded keyframes"),
    counter("encoder_reopens", &S::encoder_reopens, "An encoder was opened anew for another setting"),
    counter("encoder_failovers", &S::encoder_failovers, "Another encoder took a failed one's place"),
    counter("bitrate_reductions", &S::bitrate_reductions, "The network took less, and the bit rate went down"),
    counter("route_changes", &S::route_changes, "The route from capture to encoder changed"),
    counter("source_reconnects", &S::source_reconnects, "The source went away and came back"),
    counter("worker_restarts", &S::worker_restarts, "The session's process was started anew after a crash"),
    level("encoder_queue_depth", &S::encode_queue, "Surfaces that wait for the encoder"),
    level("encoder_queue_size", &S::encode_queue_size, "Surfaces that may wait for the encoder"),
    level("bitrate_target", &S::bitrate_target, "Bit/s that the encoder is asked for; 0 at constant quality"),
    level("sink_queue_depth", &S::sink_queue, "Packets in the fullest sink's queue"),
    real("encoder_frames_per_second", &S::fps, "Coded pictures per second of late"),
    real("encoder_bytes_per_second", &S::bytes_per_second, "Coded bytes per second of late"),
    real("latency_median_seconds", &S::latency_median, "Producer's timestamp to packet, median"),
    real("replay_seconds", &S::replay_seconds, "Kept in memory for a replay"),
    level("process_resident_bytes", &S::resident_bytes, "Resident memory of the session's process"),
    level("process_open_files", &S::open_files, "File descriptors of the session's process"),
    level("process_threads", &S::threads, "Threads of the session's process"),
    real_counter("process_cpu_seconds", &S::cpu_seconds, "CPU time of the session's process"),
};

}  // namespace

std::span<const std::string_view> sink_states() {
  // As to_string(SinkState) in output/sink_runner.h.
  static constexpr std::array<std::string_view, 6> kStates{"idle",        "opening", "running",
                                                           "backing off", "failed",  "closed"};
  return kStates;
}

std::span<const double> stage_bounds() { return kBounds; }

std::span<const StatisticRow> statistic_rows() { return kRows; }

}  // namespace zc
