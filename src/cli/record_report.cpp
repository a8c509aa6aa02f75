#include "cli/record_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

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

std::string report_text(const RecordingReport& report) {
  std::string text;
  for (const OutputReport& output : report.outputs) {
    text +=
        fmt::format("{}: {} packets, {}", output.name, output.packets, bytes_text(static_cast<double>(output.bytes)));
    if (output.dropped > 0) text += fmt::format(", {} packets dropped", output.dropped);
    if (output.error) text += fmt::format(" ({})", output.error->message());
    text += '\n';
    for (const std::string& file : output.further_files) text += fmt::format("{}: goes on there\n", file);
  }
  if (!report.counters.first_picture) return text;
  text += fmt::format("{} ({}) {}x{}, {}: {} frames, {:.2f} new pictures/s, {} dropped, {} repeated\n",
                      to_string(report.codec), report.encoder, report.size.width, report.size.height,
                      clock_text(report.duration), report.counters.packets, new_pictures_per_second(report),
                      report.counters.dropped, report.counters.repeated);
  for (const std::string& failed : report.failed_encoders) text += fmt::format("{} failed on the way\n", failed);
  text +=
      fmt::format("latency p50 {:.1f} ms, p99 {:.1f} ms; CPU {:.2f} ms per frame, {:.2f} ms of it not the encoder\n",
                  milliseconds(report.latency_p50), milliseconds(report.latency_p99), per_picture(report.cpu, report),
                  per_picture(report.cpu_not_encoder, report));
  return text;
}

std::string report_json(const RecordingReport& report) {
  nlohmann::ordered_json json;
  json["path"] = report.outputs.empty() ? "" : report.outputs.front().name;
  json["codec"] = to_string(report.codec);
  json["encoder"] = report.encoder;
  if (!report.failed_encoders.empty()) json["failed_encoders"] = report.failed_encoders;
  for (const Takeover& takeover : report.takeovers) {
    json["takeovers"].push_back({{"failed", takeover.failed},
                                 {"reason", takeover.reason},
                                 {"encoder", takeover.encoder},
                                 {"open_ms", rounded(milliseconds(takeover.opened))},
                                 {"resumed_ms", rounded(milliseconds(takeover.resumed))},
                                 {"first_packet_ms", rounded(milliseconds(takeover.first_packet))}});
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
  json["ring_dropped"] = report.counters.ring_dropped;
  json["thinned"] = report.counters.thinned;
  json["keyframes"] = report.counters.keyframes;
  json["reopens"] = report.counters.reopens;
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
  if (const auto error = recording_exit(report).second) json["error"] = error->message();
  // A producer's name may hold anything; what is no UTF-8 is replaced.
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

ExitCode failure_exit(const Failure& failure) {
  switch (failure.part) {
    case Part::Settings: return exit_code(failure.error, Stage::Arguments);
    case Part::Source: return exit_code(failure.error, Stage::Source);
    case Part::Encoder: return exit_code(failure.error, Stage::Encoder);
    case Part::Output: return exit_code(failure.error, Stage::Output);
  }
  return ExitCode::Internal;
}

std::pair<ExitCode, std::optional<Error>> recording_exit(const RecordingReport& report) {
  if (report.end == EndReason::Failed && report.failure) return {failure_exit(*report.failure), report.failure->error};
  const auto failed = std::ranges::find_if(report.outputs, [](const OutputReport& o) { return o.error.has_value(); });
  if (failed != report.outputs.end()) return {exit_code(*failed->error, Stage::Output), failed->error};
  if (report.end != EndReason::SourceEnded || !report.failure) return {ExitCode::Ok, std::nullopt};
  const Error& error = report.failure->error;
  // Before the first picture there is nothing to keep: it is a source that could not be had.
  const ExitCode code = exit_code(error, report.counters.first_picture ? Stage::Recording : Stage::Source);
  return {code, code == ExitCode::Ok ? std::nullopt : std::optional(error)};
}

StatusSnapshot make_snapshot(const RecordingStatus& now, const RecordingStatus& before) {
  StatusSnapshot snapshot;
  snapshot.elapsed = now.elapsed;
  snapshot.frames = now.packets;
  snapshot.dropped = now.dropped + now.output_dropped;
  snapshot.repeated = now.repeated;
  snapshot.queue_packets = now.output_queue;
  snapshot.encode_queue = now.encode_queue;
  snapshot.latency_p50_ms = milliseconds(now.latency_p50);
  snapshot.bytes = now.bytes;
  const double interval = seconds(now.elapsed - before.elapsed);
  if (interval > 0) {
    const std::uint64_t pictures = now.captured - now.dropped - now.thinned;
    const std::uint64_t pictures_before = before.captured - before.dropped - before.thinned;
    snapshot.fps = std::max(0.0, static_cast<double>(pictures) - static_cast<double>(pictures_before)) / interval;
    snapshot.bit_rate = static_cast<double>(now.bytes - before.bytes) * 8 / interval;
  }
  if (!now.first_picture) snapshot.state = "waiting for the first picture";
  return snapshot;
}

}  // namespace zc
