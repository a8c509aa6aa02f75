#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "daemon/event_loop.h"
#include "daemon/worker_process.h"
#include "ipc/message.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace zc::daemon {

class Session;

/// What a session tells whoever shows it; calls come from the loop.
class SessionObserver {
 public:
  virtual ~SessionObserver() = default;
  virtual void on_state(const Session& session, SessionState before, const std::string& reason) = 0;
  virtual void on_facts(const Session& session) = 0;
  virtual void on_change(const Session& session, const ChangeEvent& change) = 0;
  virtual void on_sink_error(const Session& session, const SinkEvent& event) = 0;
  virtual void on_layer(const Session& session, const LayerEvent& event) = 0;
  virtual void on_stall(const Session& session, const StallEvent& event) = 0;
  virtual void on_statistics(const Session& session) = 0;
};

/// What every session needs of its daemon; outlives them.
struct SessionContext {
  EventLoop& loop;
  SessionObserver& observer;
  std::string worker_program;  ///< path
  SessionDefaults defaults = {};
};

/// What a session was started with.
struct SessionSettings {
  std::vector<Setting> all;
  std::string from = {};                ///< the template's name; empty: none
  std::vector<std::string> typed = {};  ///< names of those that are not the template's
};

/// One session: its settings, the process that runs it, and what that says. Of the loop's thread.
///
/// A process that crashes, says nothing for kSilence where it should every second, or hangs in a driver before its
/// first picture is started again with the settings as they are by then, and its files go on in further ones
/// ("clip-2.mkv"); after kMostCrashes in a row the session has failed.
class Session {
 public:
  /// Called once with what the process answered, or why it never will.
  using Done = std::function<void(Result<std::string>)>;
  static constexpr unsigned kMostCrashes = 5;
  static constexpr Nanoseconds kSilence = std::chrono::seconds(10);
  /// Before its first word: drivers are loaded, shaders are compiled.
  static constexpr Nanoseconds kFirstSilence = std::chrono::seconds(60);

  Session(const SessionContext& context, std::string name, SessionSettings settings);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session() = default;

  /// Starts the process. `done` hears that it accepted the settings; the desktop may still be asked for its permission.
  void start(const Done& done);
  /// `done` hears when every file is complete; the report, as `zerocast record --json` prints it. Called again it joins
  /// the stop that runs.
  void stop(Done done);
  /// Any other request than Start and Stop. Lost: the process is gone.
  void request(RequestKind kind, std::vector<Setting> arguments, const Done& done);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::vector<Setting>& settings() const { return settings_.all; }
  /// Whether `setting` of that template is this session's, too.
  [[nodiscard]] bool follows(std::string_view template_name, std::string_view setting) const;
  [[nodiscard]] SessionState state() const { return state_; }
  [[nodiscard]] bool over() const { return state_ == SessionState::Ended || state_ == SessionState::Failed; }
  [[nodiscard]] bool accepted() const { return accepted_; }
  [[nodiscard]] const FactsEvent& facts() const { return facts_; }
  [[nodiscard]] const Statistics& statistics() const { return statistics_; }
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  [[nodiscard]] const std::string& report() const { return report_; }
  [[nodiscard]] bool stalled() const { return stalled_; }
  [[nodiscard]] pid_t pid() const { return worker_ ? worker_->pid() : 0; }
  /// Files and URLs without their options.
  [[nodiscard]] std::vector<std::string> sinks() const;
  /// Those that are on their way included.
  [[nodiscard]] std::size_t sink_count() const;

 private:
  /// From now on again.
  void give_time_to_stop();
  [[nodiscard]] Result<void> start_process();
  [[nodiscard]] Result<void> send(RequestKind kind, std::vector<Setting> arguments, Done done);
  void on_event(Event event);
  void on_exit(const std::string& how);
  void begin_anew(const std::string& how);
  /// Looks now and then whether the process still speaks.
  void listen();
  /// It is killed, and begins anew.
  void hangs();
  void set_state(SessionState state, const std::string& reason);
  void end(SessionState state, const std::string& reason);
  void answer_all(const Error& error);
  /// The name of the sink that has this number.
  [[nodiscard]] std::optional<std::string> sink_with_id(std::string_view text) const;
  /// Follows a successful request with what a new process must know.
  void remember(RequestKind kind, const std::vector<Setting>& arguments);
  /// What a new process must know of the layers there are.
  void remember_layers();
  [[nodiscard]] Setting& setting(std::string_view name, SettingValue otherwise);

  const SessionContext& context_;
  const std::string name_;
  SessionSettings settings_;
  SessionState state_ = SessionState::Starting;
  bool accepted_ = false;
  bool stopping_ = false;
  bool stalled_ = false;
  FactsEvent facts_;
  Statistics statistics_;
  std::optional<Error> error_;
  std::string report_;
  std::optional<EndEvent> last_words_;

  std::unique_ptr<WorkerProcess> worker_;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, Done> waiting_;
  std::vector<Done> stopped_;
  std::size_t adding_ = 0;  ///< AddSink that has not been answered
  unsigned crashes_ = 0;    ///< since it last ran for kSteady
  unsigned restarts_ = 0;
  Nanoseconds process_start_{};
  Nanoseconds heard_at_{};  ///< its newest event, or its start
  bool works_ = false;      ///< it tells its figures every second
  bool asks_user_ = false;  ///< the desktop shows a dialog: that takes as long as it takes
  EventSource listen_;
  EventSource restart_;
  EventSource kill_;
};

}  // namespace zc::daemon
