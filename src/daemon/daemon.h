// The daemon: its sessions, and what they share.
#pragma once

#include "base/error.h"
#include "config/config_tables.h"
#include "config/daemon_settings.h"
#include "config/web_settings.h"
#include "daemon/bus_service.h"
#include "daemon/child_job.h"
#include "daemon/config_watch.h"
#include "daemon/event_loop.h"
#include "daemon/metrics_server.h"
#include "daemon/operations.h"
#include "daemon/session.h"
#include "daemon/sleep_monitor.h"
#include "daemon/web_process.h"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace zc::daemon {

/// One thread, which waits for events and never for anything else: sessions, probes and whatever touches a driver are
/// processes of their own, so that nothing they do can stop or grow this one.
class Daemon final : private Operations, private SessionObserver {
 public:
  /// `program`: path of `zerocast`. Reads the configuration and takes the name on the bus. Invalid: the configuration.
  [[nodiscard]] static Result<std::unique_ptr<Daemon>> create(std::string program);
  ~Daemon() override;

  /// Starts the sessions with `autostart` and serves until SIGTERM or SIGINT; then every file is completed.
  [[nodiscard]] Result<void> run();

 private:
  struct Template {
    std::string name;
    std::vector<Setting> settings;
    bool autostart = false;
  };
  using Sessions = std::map<std::string, std::unique_ptr<Session>, std::less<>>;

  Daemon(EventLoop loop, std::string program);
  [[nodiscard]] Result<void> watch_signals();

  void start_session(std::vector<Setting> options, TextDone done) override;
  void stop_session(Session& session, TextDone done) override;
  void reconfigure(Session& session, std::vector<Setting> options, std::function<void(Result<void>)> done) override;
  void ask(Question question, TextDone done) override;
  void reload(std::function<void(Result<void>)> done) override;
  [[nodiscard]] std::vector<Session*> sessions() const override;
  [[nodiscard]] Session* find(std::string_view name) const override;
  [[nodiscard]] std::vector<std::string> templates() const override;
  [[nodiscard]] const std::vector<std::string>& encoders() const override { return encoders_; }
  [[nodiscard]] bool capturing() const override;
  [[nodiscard]] std::size_t max_sinks() const override { return settings_.max_sinks; }

  void on_state(const Session& session, SessionState before, const std::string& reason) override;
  void on_facts(const Session& session) override;
  void on_change(const Session& session, const ChangeEvent& change) override;
  void on_sink_error(const Session& session, const SinkEvent& event) override;
  void on_layer(const Session& session, const LayerEvent& event) override;
  void on_stall(const Session& session, const StallEvent& event) override;
  void on_statistics(const Session& session) override;

  /// Takes what the checked file says; changes what runs where that is possible without a break.
  [[nodiscard]] Result<void> apply(const ConfigTables& tables);
  void serve_metrics(const std::optional<ListenAddress>& wanted);
  void try_metrics(const ListenAddress& address, bool again);
  void follow_template(const Template& now, const Template& before);
  void follow_template(Session& session, const Setting& setting);
  void start_autostarts();
  /// Runs `zerocast` and hands over what it printed; its error line otherwise.
  void run_command(std::vector<std::string> arguments, Nanoseconds limit, const TextDone& done);
  /// Removes it from view now and from memory when nobody is in one of its calls.
  void bury(Session& session);
  void forget_oldest_ended();
  void sleep_or_wake(bool sleeping);
  void shut_down();
  /// Now and from time to time until the end.
  void ask_for_time();
  void quit_when_over();
  void tell_systemd();
  void show_metrics();

  EventLoop loop_;
  const std::string program_;
  SessionContext context_;
  DaemonSettings settings_;
  std::vector<Template> templates_;
  std::vector<std::string> encoders_;
  unsigned next_number_ = 1;
  bool shutting_down_ = false;

  std::vector<EventSource> signals_;
  EventSource more_time_;  ///< systemd is asked for it
  EventSource burial_;
  BusService bus_;
  std::unique_ptr<SleepMonitor> sleep_;
  WebSettings web_settings_;
  std::unique_ptr<WebProcess> web_;
  std::unique_ptr<MetricsServer> metrics_;
  EventSource metrics_retry_;  ///< its address is taken
  std::unique_ptr<ConfigWatch> watch_;
  std::map<std::uint64_t, std::unique_ptr<ChildJob>> jobs_;
  std::uint64_t next_job_ = 1;
  std::vector<std::unique_ptr<Session>> dead_;
  std::vector<std::string> ended_;  ///< names, oldest first
  Sessions sessions_;
};

}  // namespace zc::daemon
