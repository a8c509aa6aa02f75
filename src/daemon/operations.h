// What can be asked of the daemon, whoever asks.
#pragma once

#include "base/error.h"
#include "config/setting_value.h"
#include "daemon/session.h"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace zc::daemon {

/// Of the loop's thread. Every `done` is called once, at once or later.
class Operations {
 public:
  virtual ~Operations() = default;
  Operations() = default;
  Operations(const Operations&) = delete;
  Operations& operator=(const Operations&) = delete;

  using TextDone = std::function<void(Result<std::string>)>;
  /// What `zerocast` prints as JSON about the machine.
  enum class Question : std::uint8_t { Sources, Encoders, Probe };

  /// `options`: settings of a session, "name" (else "session-N"), and "template" (whose settings they win over).
  /// `done` gets the name. Invalid: an option; Busy: the name is taken, or there are too many sessions.
  virtual void start_session(std::vector<Setting> options, TextDone done) = 0;
  /// Ends it; its report. The object of a session that is over goes away.
  virtual void stop_session(Session& session, TextDone done) = 0;
  /// Invalid: a setting that cannot change as the session runs; those that can.
  virtual void reconfigure(Session& session, std::vector<Setting> options, std::function<void(Result<void>)> done) = 0;
  virtual void ask(Question question, TextDone done) = 0;
  /// Reads the configuration anew; an error leaves all as it was.
  virtual void reload(std::function<void(Result<void>)> done) = 0;

  [[nodiscard]] virtual std::vector<Session*> sessions() const = 0;
  [[nodiscard]] virtual Session* find(std::string_view name) const = 0;
  [[nodiscard]] virtual std::vector<std::string> templates() const = 0;
  /// Names of those that worked when they were last asked for; empty before.
  [[nodiscard]] virtual const std::vector<std::string>& encoders() const = 0;
  /// Whether any session sees the screen now.
  [[nodiscard]] virtual bool capturing() const = 0;
  [[nodiscard]] virtual std::size_t max_sinks() const = 0;
};

}  // namespace zc::daemon
