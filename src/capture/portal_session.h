// A screen cast session of the desktop's portal: the dialog, the permission, and the news that it has ended.
#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "base/unique_fd.h"
#include "capture/cursor_mode.h"
#include "capture/portal_choice.h"
#include "capture/source_spec.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace zc {

struct PortalWish {
  PortalType type = PortalType::Any;
  bool multiple = false;  ///< the user may choose several
  CursorMode cursor = CursorMode::Embedded;
  Persist persist = Persist::Never;
  /// Of an earlier grant; empty: ask the user.
  std::string restore_token{};  // NOLINT(readability-redundant-member-init): GCC 12 warns of aggregates without
  /// For answers that need no person. D-Bus may have to start the portal first, and that its backend.
  Nanoseconds answer_within = std::chrono::seconds(30);
};

struct GrantedStream {
  UniqueFd remote;                      ///< a PipeWire connection that sees the grant's streams only
  std::uint32_t node = 0;               ///< PipeWire id of the stream
  std::optional<std::uint64_t> serial;  ///< its object.serial, from portals that tell
  StreamIdentity identity;
};

/// What the user allowed.
struct PortalGrant {
  std::vector<GrantedStream> streams;  ///< one at least; more only where PortalWish::multiple asked for them
  std::uint32_t asked_types = 0;       ///< the mask the user chose from, see judge_restored()
  std::optional<CursorMode> cursor;    ///< what was asked for in the end; unset: the portal has no cursor modes
  bool asked_to_restore = false;       ///< PortalWish::restore_token went to the portal, which voids it
  std::string restore_token;           ///< for next time; empty: none given
};

/// Lives as long as the capture: the desktop ends the stream when the session's bus connection goes.
/// One controlling thread; watch()'s callback comes from the session's own thread.
class PortalSession {
 public:
  /// Speaks with org.freedesktop.portal.ScreenCast up to an open PipeWire connection. Waits for the user's answer
  /// without limit, which ends with `stop` (Cancelled; the dialog is taken down), and for everything else at most
  /// `answer_within` each.
  /// NotFound: no bus, no portal, no backend. Denied: the user said no. Unsupported: not this type of source. Lost: bus
  /// or portal went away, or the portal gave up. Timeout. Internal: nonsense was answered.
  [[nodiscard]] static Result<std::unique_ptr<PortalSession>> open(const PortalWish& wish, const std::stop_token& stop);

  /// What the portal says it can do, without a dialog: for `zerocast sources`. Starts the portal where D-Bus can.
  /// Errors as above, but Denied and Unsupported.
  [[nodiscard]] static Result<PortalAbilities> query(Nanoseconds answer_within, const std::stop_token& stop);

  PortalSession(const PortalSession&) = delete;
  PortalSession& operator=(const PortalSession&) = delete;
  /// Ends watching, then the session: the desktop takes its "screen is shared" sign down.
  ~PortalSession();

  [[nodiscard]] PortalGrant& grant();

  /// Starts the thread that reads the bus. `on_closed` is called at most once: the desktop ended the capture (Denied),
  /// or the portal is gone (Lost). When the bus or the portal goes away without a word the stream may live on (the
  /// compositor sends it, not the portal): that is a warning in the log, and the end of this thread.
  void watch(std::function<void(const Error&)> on_closed);

 private:
  struct Impl;
  explicit PortalSession(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace zc
