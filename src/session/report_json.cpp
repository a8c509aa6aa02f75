#include "session/report_json.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

namespace zc {
namespace {

double milliseconds(Nanoseconds time) { return static_cast<double>(time.count()) / 1e6; }
double seconds(Nanoseconds time) { return static_cast<double>(time.count()) / 1e9; }

/// Rounded to what a reader can use; JSON would print seventeen digits.
double rounded(double value, double digits = 1000.0) { return std::round(value * digits) / digits; }

double per_picture(Nanoseconds cost, const RecordingReport& report) {
  return report.counters.captured == 0 ? 0.0 : milliseconds(cost) / static_cast<double>(report.counters.captured);
}

double new_pictures_per_second(const RecordingReport& report) {
  const std::uint64_t lost = report.counters.dropped + report.counters.thinned;
  const std::uint64_t shown = report.counters.captured - std::min(report.counters.captured, lost);
  return report.duration <= Nanoseconds{} ? 0.0 : static_cast<double>(shown) / seconds(report.duration);
}

}  // namespace

ReportFigures report_figures(const RecordingReport& report) {
  return {.pictures_per_second = new_pictures_per_second(report),
          .cpu_ms_per_picture = per_picture(report.cpu, report),
          .other_cpu_ms_per_picture = per_picture(report.cpu_not_encoder, report)};
}

const OutputReport* failed_output(const RecordingReport& report) {
  const auto failed = std::ranges::find_if(report.outputs, [](const OutputReport& o) { return o.error.has_value(); });
  return failed == report.outputs.end() ? nullptr : &*failed;
}

std::optional<Error> recording_error(const RecordingReport& report) {
  if (report.end == EndReason::Failed && report.failure) return report.failure->error;
  if (const OutputReport* failed = failed_output(report)) return failed->error;
  if (report.end != EndReason::SourceEnded || !report.failure) return std::nullopt;
  const Error& error = report.failure->error;
  const bool own_end = report.counters.first_picture && error.kind == ErrorKind::Cancelled;
  return own_end ? std::nullopt : std::optional(error);
}

std::string report_json(const RecordingReport& report) {
  nlohmann::ordered_json json;
  json["path"] = report.outputs.empty() ? "" : report.outputs.front().name;
  json["codec"] = report.encoder.empty() ? "" : to_string(report.codec);  // cameras need none
  json["encoder"] = report.encoder;
  if (!report.failed_encoders.empty()) json["failed_encoders"] = report.failed_encoders;
  for (const Failover& failover : report.failovers) {
    json["failovers"].push_back({{"failed", failover.failed},
                                 {"reason", failover.reason},
                                 {"encoder", failover.encoder},
                                 {"open_ms", rounded(milliseconds(failover.opened))},
                                 {"resumed_ms", rounded(milliseconds(failover.resumed))},
                                 {"first_packet_ms", rounded(milliseconds(failover.first_packet))}});
  }
  for (const PassedOver& other : report.passed_over) {
    json["passed_over"].push_back({{"encoder", other.encoder}, {"reason", other.reason}});
  }
  json["width"] = report.size.width;
  json["height"] = report.size.height;
  json["frames"] = report.counters.packets;
  json["captured"] = report.counters.captured;
  json["repeated"] = report.counters.repeated;
  json["dropped"] = report.counters.dropped;
  if (report.counters.first_picture) json["ring_frames"] = report.counters.encode_queue_size;
  json["ring_dropped"] = report.counters.ring_dropped;
  json["thinned"] = report.counters.thinned;
  json["keyframes"] = report.counters.keyframes;
  json["reopens"] = report.counters.reopens;
  if (report.counters.bitrate_target > 0) {
    json["bitrate_target"] = report.counters.bitrate_target;
    json["bitrate_reductions"] = report.counters.bitrate_reductions;
  }
  if (report.counters.gpu_encoder_load) json["gpu_encoder_load"] = rounded(*report.counters.gpu_encoder_load);
  json["fps"] = rounded(new_pictures_per_second(report));
  json["duration_s"] = rounded(seconds(report.duration));
  json["latency_ms"] = {{"p50", rounded(milliseconds(report.latency_p50))},
                        {"p95", rounded(milliseconds(report.latency_p95))},
                        {"p99", rounded(milliseconds(report.latency_p99))},
                        {"max", rounded(milliseconds(report.latency_max))}};
  json["encoding_ms"] = {{"p50", rounded(milliseconds(report.encoding_p50))},
                         {"p95", rounded(milliseconds(report.encoding_p95))},
                         {"p99", rounded(milliseconds(report.encoding_p99))}};
  json["cpu_ms_per_frame"] = rounded(per_picture(report.cpu, report));
  json["non_encoder_ms_per_frame"] = rounded(per_picture(report.cpu_not_encoder, report));
  json["source_kind"] = report.source.kind;
  json["source"] = report.source.description;
  json["route"] = report.route;
  json["rss_kib_start"] = report.rss_kib_start;
  json["rss_kib_end"] = report.rss_kib_end;
  json["bytes"] = report.counters.bytes;
  json["end"] = to_string(report.end);
  json["outputs"] = nlohmann::ordered_json::array();
  for (const OutputReport& output : report.outputs) {
    nlohmann::ordered_json entry = {
        {"name", output.name}, {"packets", output.packets}, {"bytes", output.bytes}, {"dropped", output.dropped}};
    if (!output.further_files.empty()) entry["further_files"] = output.further_files;
    if (output.error) entry["error"] = output.error->message();
    json["outputs"].push_back(std::move(entry));
  }
  for (const AudioTrackStatus& track : report.counters.audio) {
    nlohmann::ordered_json entry{{"codec", to_string(track.codec)},
                                 {"sources", nlohmann::ordered_json::array()},
                                 {"gaps", track.gaps},
                                 {"silence_s", rounded(static_cast<double>(track.silence) / kAudioRate)},
                                 {"late_samples", track.late},
                                 {"lost_blocks", track.lost},
                                 {"clock_ppm", rounded(track.slowness_ppm)}};
    for (const AudioSourceStatus& source : track.sources) entry["sources"].push_back(source.name);
    json["audio"].push_back(std::move(entry));
  }
  if (const auto error = recording_error(report)) json["error"] = error->message();
  // A producer's name may hold anything; what is no UTF-8 is replaced.
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace zc
