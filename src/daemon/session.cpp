#include "daemon/session.h"

#include "base/log.h"
#include "base/version.h"

#include <fmt/format.h>

#include <algorithm>
#include <type_traits>
#include <utility>

namespace zc::daemon {
namespace {

/// A process that ran so long was in order; a later crash is a new one.
constexpr Nanoseconds kSteady = std::chrono::seconds(10);
constexpr Nanoseconds kFirstRestart = std::chrono::milliseconds(200);
/// Files are complete within two seconds, or as their disk goes on; a process that gets nothing done for longer hangs.
/// An MP4 ends with waiting for what the disk has not got yet, which is as much as the kernel keeps back: 30 s.
constexpr Nanoseconds kStopLimit = std::chrono::seconds(45);

/// What a process has got done: it rises as long as it encodes or writes.
std::uint64_t work_done(const Statistics& statistics) {
  std::uint64_t all = statistics.encoded;
  for (const SinkStatistics& sink : statistics.sinks) all += sink.packets;
  return all;
}

Error lost(const std::string& what, std::string detail) {
  return {.kind = ErrorKind::Lost, .operation = what, .detail = std::move(detail)};
}

}  // namespace

Session::Session(const SessionContext& context, std::string name, SessionSettings settings)
    : context_(context), name_(std::move(name)), settings_(std::move(settings)) {}

bool Session::follows(std::string_view template_name, std::string_view setting) const {
  return !over() && settings_.from == template_name &&
         std::ranges::find(settings_.typed, setting) == settings_.typed.end();
}

Result<void> Session::start_process() {
  process_start_ = monotonic_now();
  auto worker = WorkerProcess::start(context_.loop, context_.worker_program,
                                     {.on_event = [this](Event event) { on_event(std::move(event)); },
                                      .on_exit = [this](const std::string& how) { on_exit(how); }});
  if (!worker) return std::unexpected(std::move(worker.error()));
  worker_ = *std::move(worker);
  heard_at_ = process_start_;
  works_ = asks_user_ = false;
  listen();
  return {};
}

void Session::start(const Done& done) {
  auto started = start_process();
  if (started) {
    std::vector<Setting> arguments = settings_.all;
    std::erase_if(arguments, [](const Setting& one) { return one.name == "autostart"; });
    started = send(RequestKind::Start, std::move(arguments), [this, done](Result<std::string> answer) {
      accepted_ = accepted_ || answer.has_value();
      if (!answer) error_ = answer.error();
      done(std::move(answer));
    });
  }
  if (!started) {
    error_ = started.error();
    end(SessionState::Failed, error_->message());
    done(std::unexpected(started.error()));
  }
}

void Session::stop(Done done) {
  if (over()) return done(report_);
  if (stopping_) return stopped_.push_back(std::move(done));
  stopping_ = true;
  restart_.reset();
  set_state(SessionState::Stopping, "asked to stop");
  if (!worker_) {  // between two processes
    end(SessionState::Ended, "asked to stop");
    return done(report_);
  }
  stopped_.push_back(std::move(done));
  give_time_to_stop();
  if (auto sent = send(RequestKind::Stop, {}, [](const Result<std::string>&) {}); !sent) worker_->kill();
}

void Session::give_time_to_stop() {
  auto timer = context_.loop.after(kStopLimit, [this] {
    logger("daemon").error("session {} does not stop: its process is killed", name_);
    if (worker_) worker_->kill();
  });
  if (timer) kill_ = *std::move(timer);
}

std::optional<std::string> Session::sink_with_id(std::string_view text) const {
  const auto found =
      std::ranges::find(statistics_.sinks, text, [](const SinkStatistics& sink) { return std::to_string(sink.id); });
  return found == statistics_.sinks.end() ? std::nullopt : std::optional(found->name);
}

void Session::request(RequestKind kind, std::vector<Setting> arguments, const Done& done) {
  if (!worker_ || !accepted_ || stopping_ || over()) {
    return done(
        fail(ErrorKind::Busy, fmt::format("reach session {}", name_), fmt::format("it is {}", to_string(state_))));
  }
  if (kind == RequestKind::RemoveSink) {
    auto& sink = std::get<std::string>(arguments.front().value);
    if (const auto name = sink_with_id(sink)) sink = *name;
  }
  const std::vector<Setting> kept = arguments;
  const std::size_t adds = kind == RequestKind::AddSink ? 1 : 0;
  auto sent = send(kind, std::move(arguments), [this, kind, kept, adds, done](Result<std::string> answer) {
    adding_ -= adds;
    // A sink that could not be completed is gone all the same, and so is one whose process went as it was removed.
    const bool stays = !answer && (kind != RequestKind::RemoveSink || answer.error().kind == ErrorKind::NotFound ||
                                   answer.error().kind == ErrorKind::Busy);
    if (!stays) remember(kind, kept);
    done(std::move(answer));
  });
  if (!sent) return done(std::unexpected(std::move(sent.error())));
  adding_ += adds;
}

Result<void> Session::send(RequestKind kind, std::vector<Setting> arguments, Done done) {
  Request request{.kind = kind, .id = next_id_++, .arguments = std::move(arguments)};
  if (kind == RequestKind::Start) {
    request.start = {.version = std::string(version()), .restarts = restarts_, .defaults = context_.defaults};
  }
  if (auto sent = worker_->send(request); !sent) return sent;
  waiting_.emplace(request.id, std::move(done));
  return {};
}

Setting& Session::setting(std::string_view name, SettingValue otherwise) {
  const auto found = std::ranges::find(settings_.all, name, &Setting::name);
  if (found != settings_.all.end()) return *found;
  return settings_.all.emplace_back(std::string(name), std::move(otherwise), std::string());
}

std::size_t Session::sink_count() const {
  const auto found = std::ranges::find(settings_.all, "sinks", &Setting::name);
  if (found == settings_.all.end()) return adding_;
  const auto* list = std::get_if<std::vector<std::string>>(&found->value);
  return adding_ + (list == nullptr ? 1 : list->size());
}

std::vector<std::string> Session::sinks() const {
  const auto found = std::ranges::find(settings_.all, "sinks", &Setting::name);
  std::vector<std::string> names;
  if (found == settings_.all.end()) return names;
  if (const auto* one = std::get_if<std::string>(&found->value)) names.push_back(sink_name(*one));
  if (const auto* list = std::get_if<std::vector<std::string>>(&found->value)) {
    for (const std::string& sink : *list) names.push_back(sink_name(sink));
  }
  return names;
}

void Session::remember(RequestKind kind, const std::vector<Setting>& arguments) {
  switch (kind) {
    case RequestKind::Bitrate:
    case RequestKind::Framerate:
    case RequestKind::LeastRate:
    case RequestKind::ReplayLength: setting(arguments.front().name, {}).value = arguments.front().value; break;
    case RequestKind::AddSink:
    case RequestKind::RemoveSink: {
      Setting& sinks = setting("sinks", std::vector<std::string>());
      if (const auto* one = std::get_if<std::string>(&sinks.value)) sinks.value = std::vector{*one};
      auto& list = std::get<std::vector<std::string>>(sinks.value);
      const auto& sink = std::get<std::string>(arguments.front().value);
      if (kind == RequestKind::AddSink) list.push_back(sink);
      if (kind == RequestKind::RemoveSink) {
        std::erase_if(list, [&](const std::string& one) { return sink_name(one) == sink_name(sink); });
      }
      context_.observer.on_facts(*this);
      break;
    }
    default: break;
  }
}

void Session::remember_layers() {
  constexpr std::string_view kLayers = "layer";
  const bool any = std::ranges::find(settings_.all, kLayers, &Setting::name) != settings_.all.end();
  if (!any && facts_.layers.empty()) return;
  std::vector<std::string> layers;
  for (const LayerFacts& layer : facts_.layers) layers.push_back(layer.layer);
  setting(kLayers, {}).value = std::move(layers);
}

void Session::on_event(Event event) {
  struct Reader {
    Session& s;
    void operator()(const Reply& answer) const {
      const auto found = s.waiting_.find(answer.id);
      if (found == s.waiting_.end()) return;
      const Done done = std::move(found->second);
      s.waiting_.erase(found);
      done(answer.error ? Result<std::string>(std::unexpected(*answer.error)) : Result<std::string>(answer.text));
    }
    void operator()(const StateEvent& event) const {
      if (s.stopping_) return;
      const bool still_away = event.state == SessionState::Starting && s.state_ == SessionState::Reconnecting;
      if (!still_away) s.set_state(event.state, event.reason);
      s.asks_user_ = event.state == SessionState::Starting && event.asks_user;
    }
    void operator()(FactsEvent& event) const {
      s.facts_ = std::move(event);
      s.remember_layers();
      s.context_.observer.on_facts(s);
    }
    void operator()(const ChangeEvent& event) const { s.context_.observer.on_change(s, event); }
    void operator()(const SinkEvent& event) const { s.context_.observer.on_sink_error(s, event); }
    void operator()(const LayerEvent& event) const { s.context_.observer.on_layer(s, event); }
    void operator()(const StallEvent& event) const {
      s.stalled_ = event.stalled;
      s.context_.observer.on_stall(s, event);
      const bool opening = s.state_ == SessionState::Starting || s.state_ == SessionState::Reconnecting;
      if (event.stalled && opening) s.hangs();
    }
    void operator()(Statistics& statistics) const {
      if (s.stopping_ && work_done(statistics) != work_done(s.statistics_)) s.give_time_to_stop();
      s.works_ = true;
      s.statistics_ = std::move(statistics);
      s.statistics_.worker_restarts = s.restarts_;
      s.context_.observer.on_statistics(s);
    }
    void operator()(EndEvent& event) const { s.last_words_ = std::move(event); }
  };
  heard_at_ = monotonic_now();
  std::visit(Reader{*this}, event);
}

void Session::listen() {
  auto timer = context_.loop.after(kSilence / 2, [this] {
    listen_.reset();
    if (!worker_ || stopping_ || over()) return;
    const Nanoseconds silence = monotonic_now() - heard_at_;
    if (asks_user_ || silence < (works_ ? kSilence : kFirstSilence)) return listen();
    context_.observer.on_stall(*this, {.stalled = true, .seconds = static_cast<double>(silence.count()) / 1e9});
    hangs();
  });
  if (timer) listen_ = *std::move(timer);
}

void Session::hangs() {
  logger("daemon").error("session {}: its process does not respond", name_);
  if (worker_) worker_->kill();
}

void Session::on_exit(const std::string& how) {
  kill_.reset();
  listen_.reset();
  worker_.reset();
  const std::optional<EndEvent> words = std::exchange(last_words_, std::nullopt);
  if (words && !words->report.empty()) report_ = words->report;
  answer_all(lost("reach session " + name_, words ? "it is over" : "its process " + how));
  if (words) {
    if (words->error) error_ = words->error;
    // What was written before an error is complete too; the state tells which of the two it was.
    return end(words->error ? SessionState::Failed : SessionState::Ended,
               words->error ? words->error->message() : words->end);
  }
  if (stopping_) {
    error_ = lost("stop " + name_, "its process " + how);
    return end(SessionState::Failed, error_->message());
  }
  if (!accepted_) {
    if (!error_) error_ = lost("start " + name_, "its process " + how);
    return end(SessionState::Failed, error_->message());
  }
  begin_anew(how);
}

void Session::begin_anew(const std::string& how) {
  if (monotonic_now() - process_start_ >= kSteady) crashes_ = 0;
  ++crashes_;
  if (crashes_ > kMostCrashes) {
    error_ = lost("record", fmt::format("its process {}, {} times in a row", how, crashes_));
    return end(SessionState::Failed, error_->message());
  }
  ++restarts_;
  logger("daemon").error("session {}: its process {}; starting it again", name_, how);
  set_state(SessionState::Reconnecting, "its process " + how);
  auto timer = context_.loop.after(kFirstRestart * (1U << (crashes_ - 1)), [this] {
    restart_.reset();
    start([](const Result<std::string>&) {});
  });
  if (timer) restart_ = *std::move(timer);
}

void Session::set_state(SessionState state, const std::string& reason) {
  if (state == state_) return;
  const SessionState before = std::exchange(state_, state);
  context_.observer.on_state(*this, before, reason);
}

void Session::end(SessionState state, const std::string& reason) {
  set_state(state, reason);
  // A report holds the errors of single sinks too; without one there is only the error to tell.
  const bool told = state == SessionState::Ended || !error_ || !report_.empty();
  for (const Done& done : std::exchange(stopped_, {})) {
    done(told ? Result<std::string>(report_) : Result<std::string>(std::unexpected(*error_)));
  }
}

void Session::answer_all(const Error& error) {
  const auto waiting = std::exchange(waiting_, {});
  for (const auto& [id, done] : waiting) done(std::unexpected(error));
}

}  // namespace zc::daemon
