#include "worker/reporter.h"

#include "base/log.h"
#include "base/process_stats.h"
#include "session/report_json.h"
#include "settings/layer_arguments.h"
#include "worker/session_statistics.h"

#include <algorithm>
#include <utility>

namespace zc {
namespace {

constexpr Nanoseconds kFiguresEvery = std::chrono::seconds(1);
/// Nothing at all for so long is a fault, and so are two pictures that should have come.
constexpr Nanoseconds kStall = std::chrono::seconds(5);
/// Every encoder there is may be tried, each for as long as it is given; a driver that nothing bounds has hung.
constexpr Nanoseconds kOpening = std::chrono::seconds(120);
constexpr double kMissedPictures = 2;
constexpr double kLongestStall = 3600;  // s

double seconds(Nanoseconds time) { return static_cast<double>(time.count()) / 1e9; }

bool differ(const FactsEvent& a, const FactsEvent& b) {
  return a.source != b.source || a.route != b.route || a.encoder != b.encoder || a.codec != b.codec ||
         a.width != b.width || a.height != b.height || a.sound != b.sound || a.layers != b.layers;
}

}  // namespace

void Reporter::tell(const Event& event) const {
  // Lost: the request server notices too, and ends the recording.
  if (const auto sent = channel_.send(to_text(event)); !sent && sent.error().kind != ErrorKind::Lost) {
    logger("session").warn("the daemon was not told: {}", sent.error().message());
  }
}

void Reporter::reply(std::uint64_t id, const Result<std::string>& result) {
  tell(Reply{.id = id,
             .error = result ? std::nullopt : std::optional(result.error()),
             .text = result ? *result : std::string()});
}

void Reporter::state(SessionState state, const std::string& reason, bool asks_user) {
  tell(StateEvent{.state = state, .reason = reason, .asks_user = asks_user});
}

void Reporter::on_asking() { state(SessionState::Starting, "", true); }

void Reporter::end(const Error& error) { tell(EndEvent{.end = "failed", .error = error, .report = {}}); }

void Reporter::end(std::string_view reason) {
  tell(EndEvent{.end = std::string(reason), .error = std::nullopt, .report = {}});
}

void Reporter::end(const RecordingReport& report) {
  EndEvent event{
      .end = std::string(to_string(report.end)), .error = recording_error(report), .report = report_json(report)};
  // Without a last word the daemon takes the end for a crash and begins anew: better no report than no end.
  if (to_text(event).size() > Channel::kLongest) event.report.clear();
  tell(event);
}

void Reporter::on_source(const Error* lost) {
  const std::lock_guard lock(mutex_);
  source_lost_ = lost != nullptr;
  loss_ = lost != nullptr ? lost->message() : std::string();
}

void Reporter::on_route(std::string_view before, std::string_view now, std::string_view reason) {
  tell(ChangeEvent{.what = ChangeEvent::What::Route,
                   .before = std::string(before),
                   .now = std::string(now),
                   .reason = std::string(reason)});
}

void Reporter::on_encoder(std::string_view before, std::string_view now) {
  tell(ChangeEvent{.what = ChangeEvent::What::Encoder,
                   .before = std::string(before),
                   .now = std::string(now),
                   .reason = "the machine has slept; the log says what it finds now"});
}

void Reporter::on_output(const std::string& name, const Error& error, bool fatal) {
  tell(SinkEvent{.sink = name, .error = error.message(), .fatal = fatal});
}

void Reporter::on_layer(const std::string& name, const Error* gone) {
  tell(LayerEvent{.layer = name, .error = gone != nullptr ? gone->message() : std::string()});
}

void Reporter::look_at(const Recording& recording) {
  const RecordingStatus status = recording.status();
  const Nanoseconds now = monotonic_now();
  SessionState state = SessionState::Recording;
  std::string reason;
  if (!status.first_picture) state = SessionState::Starting;
  if (status.paused) state = SessionState::Paused;
  {
    const std::lock_guard lock(mutex_);
    if (source_lost_) {
      state = SessionState::Reconnecting;
      reason = loss_;
    }
  }
  if (status.first_picture) {
    tell_facts(recording, status);
    tell_failovers(recording);
  }
  if (state != told_) {
    told_ = state;
    this->state(state, reason);
  }
  if (state == SessionState::Recording) {
    watch_for_stall(status);
  } else if (!status.opening || newest_at_ == Nanoseconds{}) {
    newest_at_ = now;
  } else if (!stalled_ && now - newest_at_ >= kOpening) {
    stalled_ = true;
    tell(StallEvent{.stalled = true, .seconds = seconds(now - newest_at_)});
  }
  tell_figures(recording, status);
}

void Reporter::look_at_end(const Recording& recording) { tell_figures(recording, recording.status()); }

void Reporter::tell_figures(const Recording& recording, const RecordingStatus& status) {
  const Nanoseconds now = monotonic_now();
  if (now - figures_at_ < kFiguresEvery) return;
  const Nanoseconds since = std::exchange(figures_at_, now);
  tell(make_statistics(recording, status, before_ ? &*before_ : nullptr, seconds(now - since)));
  before_ = status;
}

void Reporter::tell_facts(const Recording& recording, const RecordingStatus& status) {
  FactsEvent facts;
  facts.source = recording.source().description;
  facts.route = status.route;
  facts.encoder = status.encoder;
  if (const auto codec = recording.codec()) facts.codec = to_string(*codec);
  if (const auto size = recording.size()) {
    facts.width = size->width;
    facts.height = size->height;
  }
  for (const AudioTrackStatus& track : status.audio) {
    for (const AudioSourceStatus& source : track.sources) facts.sound.push_back(source.name);
  }
  for (const LayerStatus& layer : status.layers) {
    facts.layers.push_back({.name = layer.options.name,
                            .layer = layer_text(layer.options),
                            .x = layer.box.x,
                            .y = layer.box.y,
                            .width = layer.box.width,
                            .height = layer.box.height,
                            .shown = layer.shown,
                            .error = layer.gone ? layer.gone->message() : std::string()});
  }
  if (!differ(facts, facts_)) return;
  facts_ = facts;
  tell(std::move(facts));
}

void Reporter::tell_failovers(const Recording& recording) {
  const std::vector<Failover> all = recording.failovers();
  for (; failovers_ < all.size(); ++failovers_) {
    const Failover& one = all[failovers_];
    tell(ChangeEvent{
        .what = ChangeEvent::What::Encoder, .before = one.failed, .now = one.encoder, .reason = one.reason});
  }
}

std::optional<Nanoseconds> Reporter::stall(double least_rate) {
  if (least_rate <= 0) return std::nullopt;
  const double missed = std::min(kMissedPictures / least_rate, kLongestStall);
  return std::max(kStall, Nanoseconds(static_cast<std::int64_t>(missed * 1e9)));
}

void Reporter::watch_for_stall(const RecordingStatus& status) {
  const std::optional<Nanoseconds> limit = stall(status.least_rate);
  const Nanoseconds now = monotonic_now();
  // An encoder that looks ahead may take some pictures before it gives one.
  const std::uint64_t done = status.taken + status.packets;
  if (done != newest_done_ || newest_at_ == Nanoseconds{}) {
    newest_done_ = done;
    newest_at_ = now;
    if (std::exchange(stalled_, false)) tell(StallEvent{.stalled = false, .seconds = 0});
  } else if (limit && !stalled_ && now - newest_at_ >= *limit) {
    stalled_ = true;
    tell(StallEvent{.stalled = true, .seconds = seconds(now - newest_at_)});
  }
}

}  // namespace zc
