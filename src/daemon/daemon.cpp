// The daemon's life: configuration, signals, sleep, its end. What it is asked: daemon_operations.cpp.
#include "daemon/daemon.h"

#include "base/log.h"
#include "base/version.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <csignal>
#include <utility>

namespace zc::daemon {
namespace {

constexpr std::string_view kSessionPrefix = "sessions.";
/// Files are complete within two seconds, or as soon as a slow disk has them: systemd is asked for so much more time,
/// so often. A session that hangs is ended by what watches its stop.
constexpr std::chrono::seconds kMoreTime(20);
constexpr std::chrono::seconds kAskEvery(5);
constexpr std::chrono::seconds kMetricsRetry(10);
constexpr Nanoseconds kCheckLimit = std::chrono::seconds(20);

bool is_on(const std::vector<Setting>& settings, std::string_view name) {
  const auto found = std::ranges::find(settings, name, &Setting::name);
  const bool* on = found == settings.end() ? nullptr : std::get_if<bool>(&found->value);
  return on != nullptr && *on;
}

}  // namespace

Daemon::Daemon(EventLoop loop, std::string program)
    : loop_(std::move(loop)), program_(std::move(program)), context_{loop_, *this, program_}, bus_(loop_, *this) {}

Daemon::~Daemon() = default;

Result<std::unique_ptr<Daemon>> Daemon::create(std::string program) {
  auto loop = EventLoop::create();
  if (!loop) return std::unexpected(std::move(loop.error()));
  std::unique_ptr<Daemon> daemon(new Daemon(*std::move(loop), std::move(program)));
  if (auto watched = daemon->watch_signals(); !watched) return std::unexpected(std::move(watched.error()));
  auto tables = read_config_tables();
  if (!tables) return std::unexpected(std::move(tables.error()));
  if (auto applied = daemon->apply(*tables); !applied) return std::unexpected(std::move(applied.error()));
  if (auto connected = daemon->bus_.connect(); !connected) return std::unexpected(std::move(connected.error()));
  return daemon;
}

Result<void> Daemon::watch_signals() {
  const auto watch = [this](int signal, std::function<void()> call) -> Result<void> {
    auto source = loop_.on_signal(signal, std::move(call));
    if (!source) return std::unexpected(std::move(source.error()));
    signals_.push_back(*std::move(source));
    return {};
  };
  const auto reload_now = [this] {
    reload([](const Result<void>& result) {
      if (!result) logger("daemon").error("the configuration was not changed: {}", result.error().message());
    });
  };
  for (const int signal : {SIGTERM, SIGINT}) {
    if (auto good = watch(signal, [this] { shut_down(); }); !good) return good;
  }
  if (auto good = watch(SIGHUP, reload_now); !good) return good;
  const auto path = config_path();
  if (!path) return {};
  auto file = ConfigWatch::start(loop_, *path, reload_now);
  if (file) {
    watch_ = *std::move(file);
  } else if (file.error().kind != ErrorKind::NotFound) {
    logger("daemon").warn("{}; SIGHUP and 'zerocast reload' work", file.error().message());
  }
  return {};
}

Result<void> Daemon::run() {
  if (auto fed = loop_.feed_watchdog(); !fed) logger("daemon").warn("{}", fed.error().message());
  auto sleep = SleepMonitor::start(loop_, [this](bool sleeping) { sleep_or_wake(sleeping); });
  if (sleep) {
    sleep_ = *std::move(sleep);
  } else {
    logger("daemon").debug("{}", sleep.error().message());
  }
  logger("daemon").info("zerocast {} is ready", version());
  sd_notify(0, "READY=1");
  tell_systemd();
  start_autostarts();
  return loop_.run();
}

// ---- Configuration

Result<void> Daemon::apply(const ConfigTables& tables) {
  DaemonSettings settings;
  WebSettings web;
  std::vector<Template> templates;
  SessionDefaults defaults;
  for (const ConfigTable& table : tables.tables) {
    if (table.name == "record") defaults.record = table.settings;
    if (table.name == "stream") defaults.stream = table.settings;
    if (table.name == "daemon") {
      auto read = daemon_settings_from(table.settings);
      if (!read) return std::unexpected(std::move(read.error()));
      settings = *std::move(read);
    } else if (table.name == "web") {
      auto read = web_settings_from(table.settings);
      if (!read) return std::unexpected(std::move(read.error()));
      web = *std::move(read);
    } else if (table.name.starts_with(kSessionPrefix)) {
      templates.push_back({.name = table.name.substr(kSessionPrefix.size()),
                           .settings = table.settings,
                           .autostart = is_on(table.settings, "autostart")});
    }
  }
  serve_metrics(settings.metrics);
  if (const auto exposed = exposure_warning(tables)) logger("daemon").warn("{}", *exposed);
  settings_ = std::move(settings);
  context_.defaults = std::move(defaults);
  const std::vector<Template> before = std::exchange(templates_, std::move(templates));
  for (const Template& now : templates_) {
    const auto old = std::ranges::find(before, now.name, &Template::name);
    if (old != before.end()) follow_template(now, *old);
  }
  // Its page offers the templates, too.
  std::vector<std::string> names_before;
  for (const Template& one : before) names_before.push_back(one.name);
  if (web != web_settings_ || this->templates() != names_before) web_.reset();
  web_settings_ = std::move(web);
  if (!web_settings_.listen) web_.reset();
  if (web_settings_.listen && !web_) web_ = std::make_unique<WebProcess>(loop_, program_);
  bus_.templates_changed();
  return {};
}

void Daemon::serve_metrics(const std::optional<ListenAddress>& wanted) {
  if (wanted == settings_.metrics) return;
  metrics_.reset();
  metrics_retry_ = {};
  if (wanted) try_metrics(*wanted, false);
}

void Daemon::try_metrics(const ListenAddress& address, bool again) {
  auto server = MetricsServer::start(address);
  if (server) {
    metrics_ = *std::move(server);
    return show_metrics();
  }
  // No reason not to record.
  logger("daemon").log(again ? spdlog::level::debug : spdlog::level::warn, "{}; tried again every {} s",
                       server.error().message(), kMetricsRetry.count());
  auto timer = loop_.after(kMetricsRetry, [this, address] { try_metrics(address, true); });
  if (timer) metrics_retry_ = *std::move(timer);
}

void Daemon::follow_template(const Template& now, const Template& before) {
  for (const Setting& setting : now.settings) {
    const auto old = std::ranges::find(before.settings, setting.name, &Setting::name);
    if (setting.name == "autostart" || (old != before.settings.end() && old->value == setting.value)) continue;
    for (Session* session : sessions()) {
      if (session->follows(now.name, setting.name)) follow_template(*session, setting);
    }
  }
}

void Daemon::follow_template(Session& session, const Setting& setting) {
  const std::string what = fmt::format("{}: {} of session {}", setting.where, setting.name, session.name());
  reconfigure(session, {setting}, [what](const Result<void>& result) {
    if (result) {
      logger("daemon").info("{}: changed", what);
    } else {
      logger("daemon").warn("{}: takes effect when the session is started again ({})", what, result.error().detail);
    }
  });
}

void Daemon::reload(std::function<void(Result<void>)> done) {
  // The meaning of sessions' settings is known to `zerocast`, which this process is kept apart from.
  run_command({"config", "check"}, kCheckLimit, [this, done = std::move(done)](const Result<std::string>& checked) {
    if (!checked) return done(std::unexpected(checked.error()));
    const auto tables = read_config_tables();
    if (!tables) return done(std::unexpected(tables.error()));
    auto applied = apply(*tables);
    if (applied) logger("daemon").info("the configuration was reloaded");
    done(std::move(applied));
  });
}

void Daemon::start_autostarts() {
  for (const Template& one : templates_) {
    if (!one.autostart) continue;
    start_session({{.name = "template", .value = one.name, .where = {}}},
                  [name = one.name](const Result<std::string>& started) {
                    if (!started) logger("daemon").error("session {}: {}", name, started.error().message());
                  });
  }
}

// ---- Sleep and end

void Daemon::sleep_or_wake(bool sleeping) {
  logger("daemon").info(sleeping ? "the machine is about to sleep" : "the machine has woken up");
  auto pending = std::make_shared<std::size_t>(1);
  const auto answered = [this, pending, sleeping](const Result<std::string>& /*result*/) {
    if (--*pending == 0 && sleeping && sleep_) sleep_->ready();
  };
  for (Session* session : sessions()) {
    if (session->over()) continue;
    ++*pending;
    session->request(sleeping ? RequestKind::Sleep : RequestKind::Wake, {}, answered);
  }
  answered(std::string());
}

void Daemon::shut_down() {
  if (shutting_down_) return;
  shutting_down_ = true;
  web_.reset();
  sd_notify(0, "STOPPING=1\nSTATUS=Completing files");
  ask_for_time();
  for (Session* session : sessions()) {
    if (!session->over()) session->stop([](const Result<std::string>&) {});
  }
  quit_when_over();
}

void Daemon::ask_for_time() {
  using std::chrono::microseconds;
  sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%lld", static_cast<long long>(microseconds(kMoreTime).count()));
  if (auto timer = loop_.after(kAskEvery, [this] { ask_for_time(); })) more_time_ = *std::move(timer);
}

void Daemon::quit_when_over() {
  if (!shutting_down_) return;
  const std::vector<Session*> all = sessions();
  if (std::ranges::all_of(all, [](const Session* one) { return one->over(); })) loop_.quit();
}

void Daemon::tell_systemd() {
  std::string text;
  for (const Session* session : sessions()) {
    if (session->over()) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", session->name(), to_string(session->state()));
  }
  if (!shutting_down_) sd_notifyf(0, "STATUS=%s", text.empty() ? "No session" : text.c_str());
}

}  // namespace zc::daemon
