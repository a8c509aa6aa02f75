#include "daemon/metrics_server.h"

#include "base/process_stats.h"
#include "base/version.h"

#include <fmt/format.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>

#include <array>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

namespace zc::daemon {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

/// Options of civetweb, the library's server. Threads and a short patience for what a peer has to say keep those that
/// say nothing from shutting out the others.
std::vector<std::string> server_options(const std::string& address) {
  return {"listening_ports",    address, "num_threads",           "8",
          "request_timeout_ms", "2000",  "keep_alive_timeout_ms", "2000"};
}
constexpr double kKib = 1024.0;
constexpr std::array kStates{SessionState::Starting,     SessionState::Recording, SessionState::Paused,
                             SessionState::Reconnecting, SessionState::Stopping,  SessionState::Ended,
                             SessionState::Failed};

/// Families by name, in the order of their first metric's name.
class Families {
 public:
  void add(const std::string& name, std::string_view help, MetricType type, ClientMetric metric) {
    const auto [place, fresh] = families_.try_emplace(name);
    if (fresh) place->second = MetricFamily{name, std::string(help), type, {}};
    place->second.metric.push_back(std::move(metric));
  }
  void number(const std::string& name, std::string_view help, MetricType type, Labels labels, double value) {
    ClientMetric metric;
    metric.label = std::move(labels);
    if (type == MetricType::Counter) {
      metric.counter.value = value;
    } else {
      metric.gauge.value = value;
    }
    add(name, help, type, std::move(metric));
  }
  [[nodiscard]] std::vector<MetricFamily> take() && {
    std::vector<MetricFamily> list;
    list.reserve(families_.size());
    for (auto& [name, family] : families_) list.push_back(std::move(family));
    return list;
  }

 private:
  std::map<std::string, MetricFamily> families_;
};

Labels with(Labels labels, std::string name, std::string value) {
  labels.push_back({std::move(name), std::move(value)});
  return labels;
}

void add_row(Families& families, const StatisticRow& row, const Statistics& statistics, const Labels& labels) {
  const bool counter = row.kind == StatisticKind::Counter;
  const std::string name =
      fmt::format("zerocast_{}{}", row.metric.empty() ? row.name : row.metric, counter ? "_total" : "");
  const double value = row.count != nullptr ? static_cast<double>(statistics.*(row.count)) : statistics.*(row.real);
  families.number(name, row.help, counter ? MetricType::Counter : MetricType::Gauge,
                  row.reason.empty() ? labels : with(labels, "reason", std::string(row.reason)), value);
}

void add_stage(Families& families, const StageTimes& stage, const Labels& labels) {
  ClientMetric metric;
  metric.label = with(labels, "stage", stage.stage);
  metric.histogram.sample_count = stage.count;
  metric.histogram.sample_sum = stage.sum_seconds;
  for (std::size_t i = 0; i < stage.within.size() && i < stage_bounds().size(); ++i) {
    metric.histogram.bucket.push_back({stage.within[i], stage_bounds()[i]});
  }
  families.add("zerocast_stage_seconds", "Time that each stage takes", MetricType::Histogram, std::move(metric));
}

/// A path would be a label without end, and says what people call their files.
std::string kind_of(const std::string& sink) {
  const std::size_t scheme = sink.find("://");
  if (scheme != std::string::npos) return sink.substr(0, scheme);
  if (sink.starts_with("camera:")) return "camera";
  return sink == "stdout" ? "stdout" : "file";
}

void add_sink(Families& families, const SinkStatistics& sink, const Labels& session) {
  const Labels labels = with(session, "sink", std::to_string(sink.id));
  const auto count = [&](const char* name, const char* help, std::uint64_t value) {
    families.number(name, help, MetricType::Counter, labels, static_cast<double>(value));
  };
  families.number("zerocast_sink_info", "1; what kind of sink it is", MetricType::Gauge,
                  with(labels, "kind", kind_of(sink.name)), 1);
  for (const std::string_view state : sink_states()) {
    families.number("zerocast_sink_state", "1 for the state that the sink is in, 0 for the others", MetricType::Gauge,
                    with(labels, "state", std::string(state)), sink.state == state ? 1 : 0);
  }
  families.number("zerocast_sink_viewers", "Peers that a listener serves", MetricType::Gauge, labels,
                  static_cast<double>(sink.viewers));
  count("zerocast_sink_packets_total", "Packets written", sink.packets);
  count("zerocast_sink_bytes_total", "Coded bytes written", sink.bytes);
  count("zerocast_sink_dropped_total", "Packets left out", sink.dropped);
  count("zerocast_sink_reconnects_total", "Peers lost and found again", sink.reconnects);
}

void add_track(Families& families, const AudioTrackStatistics& track, const Labels& session) {
  const Labels labels = with(session, "track", std::to_string(track.track));
  const auto number = [&](const char* name, const char* help, MetricType type, double value) {
    families.number(name, help, type, labels, value);
  };
  number("zerocast_audio_peak_dbfs", "Peak of late, 0 being full scale", MetricType::Gauge, track.peak);
  number("zerocast_audio_rms_dbfs", "Loudness of late, 0 being full scale", MetricType::Gauge, track.rms);
  number("zerocast_audio_clock_ppm", "By how much the sound's clock is slow", MetricType::Gauge, track.clock_ppm);
  number("zerocast_audio_gaps_total", "Times that a source's sound was interrupted", MetricType::Counter,
         static_cast<double>(track.gaps));
  number("zerocast_audio_silence_seconds_total", "Silence in the place of missing sound", MetricType::Counter,
         track.silence_seconds);
  number("zerocast_audio_late_samples_total", "Samples that came when silence had been written", MetricType::Counter,
         static_cast<double>(track.late_samples));
  number("zerocast_audio_lost_blocks_total", "Blocks of sound that nobody took in time", MetricType::Counter,
         static_cast<double>(track.lost_blocks));
}

class Sampler final : public prometheus::Collectable {
 public:
  void show(std::vector<SessionSample> sessions) {
    const std::lock_guard lock(mutex_);
    sessions_ = std::move(sessions);
  }

  [[nodiscard]] std::vector<MetricFamily> Collect() const override {
    Families families;
    families.number("zerocast_build_info", "The daemon's version", MetricType::Gauge,
                    {{"version", std::string(version())}}, 1);
    families.number("zerocast_daemon_resident_bytes", "Resident memory of the daemon itself", MetricType::Gauge, {},
                    static_cast<double>(resident_kib()) * kKib);
    const std::lock_guard lock(mutex_);
    families.number("zerocast_sessions", "Sessions the daemon holds", MetricType::Gauge, {},
                    static_cast<double>(sessions_.size()));
    for (const SessionSample& session : sessions_) add_session(families, session);
    return std::move(families).take();
  }

 private:
  static void add_session(Families& families, const SessionSample& session) {
    const Labels name{{"session", session.name}};
    for (const SessionState state : kStates) {
      families.number("zerocast_session_state", "1 for the state that the session is in, 0 for the others",
                      MetricType::Gauge, with(name, "state", std::string(to_string(state))),
                      session.state == state ? 1 : 0);
    }
    families.number("zerocast_session_info", "1; the encoder and the route at work", MetricType::Gauge,
                    with(with(name, "encoder", session.encoder), "route", session.route), 1);
    for (const StatisticRow& row : statistic_rows()) add_row(families, row, session.statistics, name);
    if (session.statistics.gpu_encoder_load) {
      families.number("zerocast_encoder_gpu_utilization_ratio", "Load of the GPU's encoding engines, 0 to 1",
                      MetricType::Gauge, name, *session.statistics.gpu_encoder_load);
    }
    for (const StageTimes& stage : session.statistics.stages) add_stage(families, stage, name);
    for (const SinkStatistics& sink : session.statistics.sinks) add_sink(families, sink, name);
    for (const AudioTrackStatistics& track : session.statistics.audio_tracks) add_track(families, track, name);
  }

  mutable std::mutex mutex_;
  std::vector<SessionSample> sessions_;
};

class PrometheusServer final : public MetricsServer {
 public:
  explicit PrometheusServer(const std::string& address)
      : sampler_(std::make_shared<Sampler>()), exposer_(std::in_place, server_options(address)) {
    exposer_->RegisterCollectable(sampler_);
  }
  void show(std::vector<SessionSample> sessions) override { sampler_->show(std::move(sessions)); }

 private:
  std::shared_ptr<Sampler> sampler_;
  std::optional<prometheus::Exposer> exposer_;  // its threads end first
};

}  // namespace

Result<std::unique_ptr<MetricsServer>> MetricsServer::start(const ListenAddress& address) {
  const bool six = address.host.find(':') != std::string::npos;
  const std::string text = fmt::format("{}{}{}:{}", six ? "[" : "", address.host, six ? "]" : "", address.port);
  try {
    return std::make_unique<PrometheusServer>(text);
  } catch (const std::exception& error) {
    return fail(ErrorKind::Busy, "serve metrics at " + text, error.what());
  }
}

}  // namespace zc::daemon
