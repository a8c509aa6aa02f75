#pragma once

#include "base/error.h"
#include "capture/pipewire_source.h"
#include "capture/portal_session.h"
#include "capture/restore_tokens.h"
#include "capture/source.h"

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace zc {

/// make_pipewire_source(), or a test's own.
using StreamFactory = std::function<Result<std::unique_ptr<Source>>(PipeWireTarget target, std::string kind,
                                                                    std::string description, std::stop_token stop)>;

struct PortalSourceOptions {
  PortalType type = PortalType::Any;
  bool multiple = false;  ///< the user may choose several: make_joined_source()
  CursorMode cursor = CursorMode::Embedded;
  /// How long the desktop remembers. UntilRevoked needs `tokens`; without, the token lives in the source alone.
  Persist persist = Persist::UntilRevoked;
  std::optional<RestoreTokens> tokens;
  std::string slot = "default";
  std::optional<Rect> region;  ///< only this part of the desktop, in its logical px
  std::stop_token stop;        ///< ends the waits in start(), the one for the user too
  Nanoseconds answer_within = PortalWish{}.answer_within;
  StreamFactory make_stream = make_pipewire_source;
};

/// A screen through the desktop's portal. Each start() is a session of its own: it may put up the desktop's dialog and
/// wait for it (see PortalSession::open() for the errors), or restores what the user chose last time; the log says what
/// came back and warns when it is something else.
///
/// A region of streams whose places the desktop does not tell, or which is in none, is Invalid.
///
/// Ends with Lost when the PipeWire stream ends or when the desktop ends the session, whichever is told first; the
/// listener hears of one end only, and of nothing after it.
[[nodiscard]] std::unique_ptr<Source> make_portal_source(PortalSourceOptions options);

}  // namespace zc
