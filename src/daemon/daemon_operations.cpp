// What the daemon is asked, and what its sessions tell.
#include "base/log.h"
#include "base/quote.h"
#include "config/names.h"
#include "daemon/daemon.h"
#include "daemon/notifier.h"
#include "daemon/session_files.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>

namespace zc::daemon {
namespace {

/// Sessions that are over stay visible, for whoever wants to know how they ended.
constexpr std::size_t kMostEnded = 8;
constexpr std::size_t kMostJobs = 4;

struct QuestionRow {
  Operations::Question question;
  std::vector<std::string> (*arguments)();
  Nanoseconds limit;
};
constexpr std::array kQuestions{
    QuestionRow{Operations::Question::Sources, [] { return std::vector<std::string>{"sources", "--json"}; },
                std::chrono::seconds(20)},
    QuestionRow{Operations::Question::Encoders, [] { return std::vector<std::string>{"encoders", "--json"}; },
                std::chrono::seconds(120)},
    QuestionRow{Operations::Question::Probe, [] { return std::vector<std::string>{"zerocopy-probe", "--json"}; },
                std::chrono::seconds(300)},
};

/// What a session can change as it runs, sinks apart.
struct ChangingRow {
  std::string_view setting;
  RequestKind request;
};
constexpr std::array kChanging{
    ChangingRow{"bitrate", RequestKind::Bitrate},
    ChangingRow{"fps", RequestKind::Framerate},
    ChangingRow{"min-fps", RequestKind::LeastRate},
    ChangingRow{"replay-seconds", RequestKind::ReplayLength},
};
const ChangingRow* changing(std::string_view setting) {
  const auto* found = std::ranges::find(kChanging, setting, &ChangingRow::setting);
  return found == kChanging.end() ? nullptr : found;
}

std::unexpected<Error> invalid(std::string operation, std::string detail) {
  return fail(ErrorKind::Invalid, std::move(operation), std::move(detail));
}

/// Takes the text setting `name` out of the options; nullopt: there is none.
Result<std::optional<std::string>> take_text(std::vector<Setting>& options, std::string_view name) {
  const auto found = std::ranges::find(options, name, &Setting::name);
  if (found == options.end()) return std::optional<std::string>();
  const auto* text = std::get_if<std::string>(&found->value);
  if (text == nullptr) return invalid(std::string(name), "it takes text");
  std::optional<std::string> taken(*text);
  options.erase(found);
  return taken;
}

/// "zerocast: zerocast.toml:3:1: ..." without the first word and the line feed.
std::string first_line(std::string_view text) {
  constexpr std::string_view kPrefix = "zerocast: ";
  text = text.substr(0, text.find('\n'));
  if (text.starts_with(kPrefix)) text.remove_prefix(kPrefix.size());
  return std::string(text);
}

std::vector<std::string> usable_encoders(const std::string& json) {
  std::vector<std::string> names;
  const auto root = nlohmann::json::parse(json, nullptr, false);
  if (!root.is_object() || !root.contains("encoders")) return names;
  for (const auto& encoder : root["encoders"]) {
    if (encoder.value("usable", false)) names.push_back(encoder.value("name", std::string()));
  }
  return names;
}

}  // namespace

// ---- Sessions

std::vector<Session*> Daemon::sessions() const {
  std::vector<Session*> all;
  for (const auto& [name, session] : sessions_) {
    if (session->accepted() || session->over()) all.push_back(session.get());
  }
  return all;
}

Session* Daemon::find(std::string_view name) const {
  const auto found = sessions_.find(name);
  return found == sessions_.end() ? nullptr : found->second.get();
}

std::vector<std::string> Daemon::templates() const {
  std::vector<std::string> names;
  names.reserve(templates_.size());
  for (const Template& one : templates_) names.push_back(one.name);
  return names;
}

bool Daemon::capturing() const {
  // A pause records nothing, but the desktop still hands out its pictures.
  return std::ranges::any_of(sessions_, [](const auto& entry) {
    const SessionState state = entry.second->state();
    return state == SessionState::Recording || state == SessionState::Paused;
  });
}

void Daemon::start_session(std::vector<Setting> options, TextDone done) {
  const auto refuse = [&](Error error) { done(std::unexpected(std::move(error))); };
  if (shutting_down_) return refuse({.kind = ErrorKind::Busy, .operation = "start", .detail = "the daemon is ending"});
  auto named = take_text(options, "name");
  if (!named) return refuse(std::move(named.error()));
  auto from = take_text(options, "template");
  if (!from) return refuse(std::move(from.error()));
  std::vector<Setting> settings;
  if (*from) {
    const auto found = std::ranges::find(templates_, **from, &Template::name);
    if (found == templates_.end()) {
      return refuse({.kind = ErrorKind::NotFound,
                     .operation = "start " + in_quotes(**from),
                     .detail = templates_.empty() ? "the configuration has no [sessions.NAME]"
                                                  : fmt::format("the configuration has the sessions {}",
                                                                fmt::join(templates(), ", "))});
    }
    settings = found->settings;
  }
  const bool from_template = *from && std::ranges::find(options, "sinks", &Setting::name) == options.end();
  SessionSettings started_with{.all = {}, .from = from->value_or("")};
  for (Setting& option : options) {
    started_with.typed.push_back(option.name);
    if (option.name == "autostart") return refuse(invalid("autostart", "only templates have it").error());
    std::erase_if(settings, [&](const Setting& one) { return one.name == option.name; });
    settings.push_back(std::move(option));
  }
  std::string name;
  if (*named) {
    name = **named;
  } else if (*from) {
    name = **from;
  } else {
    do {
      name = fmt::format("session-{}", next_number_++);
    } while (find(name) != nullptr);
  }
  if (auto good = check_session_name(name); !good) return refuse(std::move(good.error()));
  const auto live = std::ranges::count_if(sessions_, [](const auto& entry) { return !entry.second->over(); });
  if (std::cmp_greater_equal(live, settings_.max_sessions)) {
    return refuse({.kind = ErrorKind::Busy,
                   .operation = "start",
                   .detail = fmt::format("{} sessions run already (max-sessions in the configuration)", live)});
  }
  if (Session* old = find(name)) {
    if (!old->over()) {
      return refuse(
          {.kind = ErrorKind::Busy, .operation = "start", .detail = fmt::format("session {} runs already", name)});
    }
    bury(*old);
  }
  if (auto files = name_files(settings, context_.defaults.record, name, from_template); !files) {
    return refuse(std::move(files.error()));
  }
  started_with.all = std::move(settings);
  auto session = std::make_unique<Session>(context_, name, std::move(started_with));
  if (session->sink_count() > settings_.max_sinks) {
    return refuse({.kind = ErrorKind::Busy,
                   .operation = "start",
                   .detail = fmt::format("at most {} sinks (max-sinks in the configuration)", settings_.max_sinks)});
  }
  Session& started = *sessions_.emplace(name, std::move(session)).first->second;
  started.start([this, name, done = std::move(done)](const Result<std::string>& accepted) {
    Session* one = find(name);
    if (!accepted) {
      if (one != nullptr && !one->accepted()) bury(*one);
      return done(std::unexpected(accepted.error()));
    }
    bus_.added(*one);
    tell_systemd();
    show_metrics();
    done(name);
  });
}

void Daemon::stop_session(Session& session, TextDone done) {
  if (session.over()) {
    std::string report = session.report();
    bury(session);
    return done(std::move(report));
  }
  session.stop([this, name = session.name(), done = std::move(done)](Result<std::string> report) {
    if (Session* one = find(name)) bury(*one);
    done(std::move(report));
  });
}

void Daemon::reconfigure(Session& session, std::vector<Setting> options, std::function<void(Result<void>)> done) {
  const auto fixed = std::ranges::find_if(options, [](const Setting& one) { return changing(one.name) == nullptr; });
  if (fixed != options.end()) {
    return done(
        invalid(in_quotes(fixed->name),
                "it cannot change as the session runs; bitrate, fps, min-fps and replay-seconds can, sinks have "
                "AddSink and RemoveSink"));
  }
  // Settled one after the other; the first error ends it, what was changed before stays.
  if (options.empty()) return done({});
  const Setting first = std::move(options.front());
  options.erase(options.begin());
  const auto go_on = [this, name = session.name(), options = std::move(options),
                      done](const Result<std::string>& result) mutable {
    Session* one = find(name);
    if (!result || one == nullptr) {
      return done(result ? Result<void>(fail(ErrorKind::Lost, "reach session " + name, "it is over"))
                         : Result<void>(std::unexpected(result.error())));
    }
    reconfigure(*one, std::move(options), std::move(done));
  };
  session.request(changing(first.name)->request, {first}, go_on);
}

void Daemon::bury(Session& session) {
  const auto found = sessions_.find(session.name());
  if (found == sessions_.end() || found->second.get() != &session) return;
  std::erase(ended_, session.name());
  dead_.push_back(std::move(found->second));
  sessions_.erase(found);
  if (session.accepted()) bus_.removed(session);  // whoever asks then finds it gone
  // Its own code may be on the stack.
  if (auto timer = loop_.after(Nanoseconds{}, [this] { dead_.clear(); })) burial_ = *std::move(timer);
  show_metrics();
}

void Daemon::forget_oldest_ended() {
  while (ended_.size() > kMostEnded) {
    Session* oldest = find(ended_.front());
    if (oldest == nullptr) {
      ended_.erase(ended_.begin());
    } else {
      bury(*oldest);
    }
  }
}

// ---- What other processes of ours are asked

void Daemon::run_command(std::vector<std::string> arguments, Nanoseconds limit, const TextDone& done) {
  if (jobs_.size() >= kMostJobs) {
    return done(fail(ErrorKind::Busy, arguments.front(), "the daemon is busy with other questions"));
  }
  const std::uint64_t id = next_job_++;
  const std::string what = fmt::format("zerocast {}", fmt::join(arguments, " "));
  auto job =
      ChildJob::start(loop_, program_, arguments, limit, [this, id, what, done](const ChildJob::Outcome& outcome) {
        const auto keep = jobs_.extract(id);  // until this returns
        if (!outcome.out.empty() || outcome.exit_code == 0) return done(outcome.out);
        const std::string line = first_line(outcome.errors);
        const ErrorKind kind = outcome.exit_code == 2    ? ErrorKind::Invalid
                               : outcome.exit_code == -1 ? ErrorKind::Timeout
                                                         : ErrorKind::Internal;
        done(fail(kind, line.empty() ? what : std::string(), line.empty() ? "it failed" : line));
      });
  if (!job) return done(std::unexpected(std::move(job.error())));
  jobs_.emplace(id, *std::move(job));
}

void Daemon::ask(Question question, TextDone done) {
  const auto* const row = std::ranges::find(kQuestions, question, &QuestionRow::question);
  run_command(row->arguments(), row->limit, [this, question, done = std::move(done)](Result<std::string> json) {
    if (json && question == Question::Encoders) {
      encoders_ = usable_encoders(*json);
      bus_.encoders_changed();
    }
    done(std::move(json));
  });
}

// ---- What sessions tell

void Daemon::on_state(const Session& session, SessionState before, const std::string& reason) {
  logger("daemon").info("session {}: {}{}{}", session.name(), to_string(session.state()), reason.empty() ? "" : ": ",
                        reason);
  if (session.accepted()) bus_.on_state(session, before, reason);
  if (settings_.notify && before == SessionState::Starting && session.state() == SessionState::Recording) {
    const std::vector<std::string>& sound = session.facts().sound;
    notify_user(bus_.bus(), sound.empty() ? "The screen is being captured" : "Screen and sound are being captured",
                fmt::format("Session {}: {}{}{}", session.name(), fmt::join(session.sinks(), ", "),
                            sound.empty() ? "" : "; sound of ", fmt::join(sound, ", ")));
  }
  if (session.over()) {
    ended_.push_back(session.name());
    forget_oldest_ended();
  }
  tell_systemd();
  show_metrics();
  quit_when_over();
}

void Daemon::on_facts(const Session& session) { bus_.on_facts(session); }

void Daemon::on_change(const Session& session, const ChangeEvent& change) { bus_.on_change(session, change); }

void Daemon::on_sink_error(const Session& session, const SinkEvent& event) {
  logger("daemon").warn("session {}: {}: {}", session.name(), event.sink, event.error);
  bus_.on_sink_error(session, event);
}

void Daemon::on_layer(const Session& session, const LayerEvent& event) {
  if (event.error.empty()) {
    logger("daemon").info("session {}: layer {} is back", session.name(), event.layer);
  } else {
    logger("daemon").warn("session {}: layer {} is gone and waited for: {}", session.name(), event.layer, event.error);
  }
  bus_.on_layer(session, event);
}

void Daemon::on_stall(const Session& session, const StallEvent& event) {
  if (event.stalled) {
    logger("daemon").warn("session {}: no picture for {:.1f} s", session.name(), event.seconds);
  } else {
    logger("daemon").info("session {}: pictures come again", session.name());
  }
  bus_.on_stall(session, event);
}

void Daemon::on_statistics(const Session& /*session*/) { show_metrics(); }

void Daemon::show_metrics() {
  if (!metrics_) return;
  std::vector<SessionSample> samples;
  for (const Session* session : sessions()) {
    samples.push_back({.name = session->name(),
                       .state = session->state(),
                       .encoder = session->facts().encoder,
                       .route = session->facts().route,
                       .statistics = session->statistics()});
  }
  metrics_->show(std::move(samples));
}

}  // namespace zc::daemon
