// What the daemon and a session's process say to each other: one JSON object per message.
#pragma once

#include "base/error.h"
#include "config/setting_value.h"
#include "ipc/statistics.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace zc {

enum class RequestKind : std::uint8_t {
  Start,  ///< first and once; the session's settings
  Stop,   ///< answered when every file is complete
  Pause,
  Resume,
  Keyframe,
  Bitrate,       ///< "bitrate", as the setting
  Framerate,     ///< "fps", as the setting
  LeastRate,     ///< "min-fps", as the setting
  ReplayLength,  ///< "replay-seconds", as the setting
  AddSink,       ///< "sink"
  RemoveSink,    ///< "sink": its name; answered when it is complete
  AddLayer,      ///< "layer", as the setting; answered with its name
  ChangeLayer,   ///< "layer": its name, and "changes"
  RemoveLayer,   ///< "layer": its name
  Audio,         ///< "source", and "volume" in dB or "muted"
  SaveReplay,    ///< "file"; answered with the path when that is complete
  Snapshot,      ///< likewise
  Sleep,         ///< the machine is about to sleep
  Wake,
};

/// What Start says besides the session's own settings.
struct StartContext {
  std::string version;         ///< the daemon's
  std::uint64_t restarts = 0;  ///< after crashes: files go on in further ones
  SessionDefaults defaults = {};
};

/// Daemon to process. Every request is answered once.
struct Request {
  RequestKind kind = RequestKind::Stop;
  std::uint64_t id = 0;
  std::vector<Setting> arguments;
  std::optional<StartContext> start = std::nullopt;  ///< of Start
};

struct Reply {
  std::uint64_t id = 0;
  std::optional<Error> error;
  std::string text;
};

enum class SessionState : std::uint8_t {
  Starting,  ///< asks the desktop, or waits for a first picture
  Recording,
  Paused,
  Reconnecting,  ///< the source is gone and waited for; or the process crashed and begins anew
  Stopping,
  Ended,   ///< as asked, or its source came to its end
  Failed,  ///< Ended::error says why
};
[[nodiscard]] std::string_view to_string(SessionState state);

struct StateEvent {
  SessionState state = SessionState::Starting;
  std::string reason;
  bool asks_user = false;  ///< Starting: the desktop's dialog may be open for long
};

/// One layer.
struct LayerFacts {
  std::string name;
  std::string layer;          ///< as the setting
  std::int32_t x = 0, y = 0;  ///< px of the picture, as the next
  std::uint32_t width = 0, height = 0;
  bool shown = false;
  std::string error;  ///< why its source is waited for; empty: it is there
  bool operator==(const LayerFacts&) const = default;
};

/// What is at work; told when it is known and whenever it changes.
struct FactsEvent {
  std::string source;  ///< for a person
  std::string route;
  std::string encoder;
  std::string codec;
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::vector<std::string> sound;  ///< whose, as it was asked for
  std::vector<LayerFacts> layers;  ///< lowest first
};

struct ChangeEvent {
  enum class What : std::uint8_t { Route, Encoder };
  What what = What::Route;
  std::string before;
  std::string now;
  std::string reason;
};

struct SinkEvent {
  std::string sink;
  std::string error;
  bool fatal = false;
};

/// A layer's source is gone and its place cleared; or (no error) it is back.
struct LayerEvent {
  std::string layer;
  std::string error;
};

/// No picture came out for too long, or does again.
struct StallEvent {
  bool stalled = false;
  double seconds = 0;
};

/// The last message: the recording is over and its files are complete.
struct EndEvent {
  std::string end;  ///< as EndReason's names
  std::optional<Error> error;
  std::string report;  ///< JSON, as `zerocast record --json` prints it; empty: it never began
};

/// Process to daemon.
using Event =
    std::variant<Reply, StateEvent, FactsEvent, ChangeEvent, SinkEvent, LayerEvent, StallEvent, Statistics, EndEvent>;

/// One line without a line feed. Bytes that are no UTF-8 are replaced.
[[nodiscard]] std::string to_text(const Request& request);
[[nodiscard]] std::string to_text(const Event& event);
/// Invalid: it is no such message. Takes any bytes.
[[nodiscard]] Result<Request> parse_request(std::string_view text);
[[nodiscard]] Result<Event> parse_event(std::string_view text);

/// A request's argument; nullptr: it has none of that name and type.
template <class T>
[[nodiscard]] const T* argument(const Request& request, std::string_view name) {
  for (const Setting& setting : request.arguments) {
    if (setting.name == name) return std::get_if<T>(&setting.value);
  }
  return nullptr;
}

}  // namespace zc
