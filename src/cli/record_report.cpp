#include "cli/record_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <vector>

namespace zc {
namespace {

double milliseconds(Nanoseconds time) { return static_cast<double>(time.count()) / 1e6; }
double seconds(Nanoseconds time) { return static_cast<double>(time.count()) / 1e9; }

std::string source_names(const AudioTrackStatus& track) {
  std::vector<std::string_view> names;
  for (const AudioSourceStatus& source : track.sources) names.push_back(source.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

/// Who sees what is captured, where nothing is encoded.
std::string readers_text(const std::vector<OutputStatus>& cameras) {
  std::size_t readers = 0;
  for (const OutputStatus& camera : cameras) {
    if (camera.name.starts_with("camera:/")) return {};  // a device does not tell
    readers += camera.stats.viewers;
  }
  return readers == 0 ? "nobody reads the camera" : fmt::format("{} read the camera", readers);
}

/// What is heard now, for the status line: privacy.
std::string sound_text(const std::vector<AudioTrackStatus>& tracks) {
  std::vector<std::string> texts;
  for (const AudioTrackStatus& track : tracks) {
    for (const AudioSourceStatus& source : track.sources) {
      texts.push_back(source.muted ? source.name + " muted" : source.heard ? source.name : source.name + " waited for");
    }
    if (track.level.peak > 0) texts.back() += fmt::format(" {:.0f} dB", 20 * std::log10(track.level.peak));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

}  // namespace

std::string report_text(const RecordingReport& report) {
  std::string text;
  for (const OutputReport& output : report.outputs) {
    const std::string_view what = output.camera ? "pictures" : "packets";
    text +=
        fmt::format("{}: {} {}, {}", output.name, output.packets, what, bytes_text(static_cast<double>(output.bytes)));
    if (output.dropped > 0) text += fmt::format(", {} {} dropped", output.dropped, what);
    if (output.error) text += fmt::format(" ({})", output.error->message());
    text += '\n';
    for (const std::string& file : output.further_files) text += fmt::format("{}: goes on there\n", file);
  }
  if (!report.counters.first_picture) return text;
  const ReportFigures figures = report_figures(report);
  if (report.encoder.empty()) {
    return text + fmt::format("{}x{}, {}: {:.2f} new pictures/s, {} dropped; nothing was encoded\n", report.size.width,
                              report.size.height, clock_text(report.duration), figures.pictures_per_second,
                              report.counters.dropped);
  }
  text += fmt::format("{} ({}) {}x{}, {}: {} frames, {:.2f} new pictures/s, {} dropped, {} repeated\n",
                      to_string(report.codec), report.encoder, report.size.width, report.size.height,
                      clock_text(report.duration), report.counters.packets, figures.pictures_per_second,
                      report.counters.dropped, report.counters.repeated);
  for (std::size_t i = 0; i < report.counters.audio.size(); ++i) {
    const AudioTrackStatus& track = report.counters.audio[i];
    text += fmt::format("sound {} ({}): {}", i + 1, to_string(track.codec), source_names(track));
    if (track.gaps > 0) {
      text += fmt::format(", {} gaps, {:.2f} s of silence in their place", track.gaps,
                          static_cast<double>(track.silence) / kAudioRate);
    }
    if (track.late + track.lost > 0) text += fmt::format(", {} samples and {} blocks lost", track.late, track.lost);
    text += '\n';
  }
  for (const std::string& failed : report.failed_encoders) text += fmt::format("{} failed on the way\n", failed);
  text +=
      fmt::format("latency p50 {:.1f} ms, p99 {:.1f} ms; CPU {:.2f} ms per frame, {:.2f} ms of it not the encoder\n",
                  milliseconds(report.latency_p50), milliseconds(report.latency_p99), figures.cpu_ms_per_picture,
                  figures.other_cpu_ms_per_picture);
  return text;
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
  std::optional<Error> error = recording_error(report);
  if (!error) return {ExitCode::Ok, std::nullopt};
  if (report.end == EndReason::Failed && report.failure) return {failure_exit(*report.failure), std::move(error)};
  if (failed_output(report) != nullptr) return {exit_code(*error, Stage::Output), std::move(error)};
  // Before the first picture there is nothing to keep: it is a source that could not be had.
  const ExitCode code = exit_code(*error, report.counters.first_picture ? Stage::Recording : Stage::Source);
  return {code, std::move(error)};
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
  snapshot.sound = sound_text(now.audio);
  const double interval = seconds(now.elapsed - before.elapsed);
  if (interval > 0) {
    const std::uint64_t pictures = now.captured - now.dropped - now.thinned;
    const std::uint64_t pictures_before = before.captured - before.dropped - before.thinned;
    snapshot.fps = std::max(0.0, static_cast<double>(pictures) - static_cast<double>(pictures_before)) / interval;
    snapshot.bit_rate = static_cast<double>(now.bytes - before.bytes) * 8 / interval;
  }
  if (!now.first_picture) {
    snapshot.state = "waiting for the first picture";
  } else if (now.encoder.empty()) {
    snapshot.state = readers_text(now.outputs);
  }
  return snapshot;
}

}  // namespace zc
