// The portal client's decisions, apart from the bus: what to ask for, and whether what came back is what was asked for.
#pragma once

#include "base/error.h"
#include "capture/cursor_mode.h"
#include "capture/restore_tokens.h"
#include "capture/source_spec.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace zc {

/// Properties of org.freedesktop.portal.ScreenCast.
struct PortalAbilities {
  std::uint32_t version = 1;
  std::uint32_t source_types = 0;  ///< bits: 1 monitor, 2 window, 4 virtual
  std::uint32_t cursor_modes = 0;  ///< bits: 1 hidden, 2 embedded, 4 metadata; since version 2
};

/// How long the desktop remembers the user's permission (persist_mode; since version 4).
enum class Persist : std::uint8_t {
  Never = 0,
  WhileRunning = 1,  ///< for the lifetime of this process
  UntilRevoked = 2,
};

/// The mask for SelectSources. A plain `portal` lets the user choose among monitors and windows.
/// NotFound: the portal has no backend that captures at all; Unsupported: it has, but not this type.
[[nodiscard]] Result<std::uint32_t> choose_source_types(PortalType wanted, const PortalAbilities& abilities);

/// The bit of a cursor mode: 1, 2, 4.
[[nodiscard]] std::uint32_t cursor_bit(CursorMode mode);

/// The wanted mode, or the nearest that the portal has. nullopt: the portal knows no cursor modes (version 1), or has
/// none of them; then the option is left out.
[[nodiscard]] std::optional<CursorMode> choose_cursor_mode(CursorMode wanted, const PortalAbilities& abilities);

/// What persist_mode to send: nothing before version 4, where SelectSources does not know the option.
[[nodiscard]] std::optional<Persist> choose_persist(Persist wanted, const PortalAbilities& abilities);

enum class RestoreVerdict : std::uint8_t {
  Same,     ///< nothing we know says otherwise
  Resized,  ///< the same place, another size: a monitor in another mode
  Unknown,  ///< nothing to compare
  Other,    ///< something else than was remembered
};

/// Compares what came back with what was remembered. `asked_types` is the mask that was asked for: a source_type
/// outside of it, or of several bits, is not believed (xdg-desktop-portal-wlr 0.7 answers a wrong one).
[[nodiscard]] RestoreVerdict judge_restored(const StreamIdentity& remembered, const StreamIdentity& now,
                                            std::uint32_t asked_types);

/// Of several, in whichever order they came: the worst of them, each beside the one that it is most like. Other: they
/// are not as many.
[[nodiscard]] RestoreVerdict judge_restored(std::vector<StreamIdentity> remembered,
                                            const std::vector<StreamIdentity>& now, std::uint32_t asked_types);

/// For a person: "monitor (2560x1440 at 0,0)". The type is named when it is known for sure.
[[nodiscard]] std::string describe(const StreamIdentity& identity, std::uint32_t asked_types);
/// Of several: "monitor ... and window ...".
[[nodiscard]] std::string describe(const std::vector<StreamIdentity>& identities, std::uint32_t asked_types);

/// Where it is on the desktop, logical px; nullopt: it is nowhere, or nobody says it.
[[nodiscard]] std::optional<Rect> place_of(const StreamIdentity& identity, std::uint32_t asked_types);

}  // namespace zc
