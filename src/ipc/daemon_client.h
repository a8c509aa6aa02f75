#pragma once

#include "base/error.h"
#include "config/setting_value.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace zc {

/// One session as the daemon shows it.
struct SessionView {
  std::string name;
  std::string state;
  std::string error;  ///< empty: none
  std::string source;
  std::string route;
  std::string encoder;
  std::string codec;
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::vector<std::string> sinks;
  std::vector<Setting> statistics;
  std::vector<std::vector<Setting>> layers;  ///< lowest first
  std::vector<std::vector<Setting>> sink_statistics;
  std::vector<std::vector<Setting>> audio_sources;
  std::vector<std::vector<Setting>> audio_tracks;
};

/// The daemon, as its client sees it. Errors are the daemon's own (their kind is that of the D-Bus error's name), or
/// NotFound: none runs and none can be started.
class DaemonClient {
 public:
  [[nodiscard]] static Result<std::unique_ptr<DaemonClient>> connect();
  virtual ~DaemonClient() = default;
  DaemonClient(const DaemonClient&) = delete;
  DaemonClient& operator=(const DaemonClient&) = delete;

  /// The new session's name.
  [[nodiscard]] virtual Result<std::string> start(const std::vector<Setting>& options) = 0;
  [[nodiscard]] virtual Result<std::vector<SessionView>> sessions() = 0;
  /// NotFound: there is none of that name, naming those there are.
  [[nodiscard]] virtual Result<SessionView> session(const std::string& name) = 0;
  /// Its report, as JSON; empty when it never began.
  [[nodiscard]] virtual Result<std::string> stop(const std::string& name) = 0;
  /// A method of the session without arguments: Pause, Resume, RequestKeyframe.
  [[nodiscard]] virtual Result<void> call(const std::string& name, const char* method) = 0;
  /// One with a text: AddSink, RemoveSink, AddLayer, RemoveLayer, SaveReplay, Snapshot; what it answers, if that is
  /// text.
  [[nodiscard]] virtual Result<std::string> call(const std::string& name, const char* method,
                                                 const std::string& text) = 0;
  /// "at=br,size=25%": what is not named stays.
  [[nodiscard]] virtual Result<void> set_layer(const std::string& name, const std::string& layer,
                                               const std::string& changes) = 0;
  /// Of one of its sources of sound; `volume` in dB.
  [[nodiscard]] virtual Result<void> set_volume(const std::string& name, const std::string& source, double volume) = 0;
  [[nodiscard]] virtual Result<void> set_muted(const std::string& name, const std::string& source, bool muted) = 0;
  [[nodiscard]] virtual Result<void> reconfigure(const std::string& name, const std::vector<Setting>& options) = 0;
  [[nodiscard]] virtual Result<void> reload() = 0;

 protected:
  DaemonClient() = default;
};

}  // namespace zc
