#pragma once

#include "base/clock.h"
#include "capture/source.h"

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>

namespace zc {

struct ReconnectingOptions {
  /// A new source of the same description; `stop` ends the waits in its start().
  std::function<Result<std::unique_ptr<Source>>(std::stop_token stop)> make;
  /// A thread of the source's: it is gone and looked for (its error), or it is back (null).
  std::function<void(const Error* lost)> changed;
  std::stop_token stop;  ///< ends the waits in the first start()
  /// Without a frame for so long while it streams, the source is asked for a new stream; zero: never.
  Nanoseconds silence{};
  Nanoseconds proof = std::chrono::seconds(5);  ///< how long its first picture may take
};

/// A source that outlives what it captures from: when that is lost (PipeWire or the portal restarted, a node gone), it
/// is looked for again with back-off until it is there or stop() is called, and frames go on. It ends only when the
/// source comes to its own end or its permission is taken back.
///
/// One that stays connected and says nothing may show a screen that stands still, or its stream may be stuck: rest()
/// and wake() give it a new one, at whose start most producers show a still screen too (wlroots' desktop portal with
/// some help, see screen_nudge.h). When nothing comes, the source is lost if its rate is steady or if it showed a still
/// screen so twice before; else nobody can tell. It is asked less and less often, until something moves.
///
/// The first start() is not repeated: what is wrong there is told. Infos are those of the newest source, statistics the
/// sum of all.
[[nodiscard]] std::unique_ptr<Source> make_reconnecting_source(ReconnectingOptions options);

}  // namespace zc
