#include "capture/portal_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <string_view>

namespace zc {
namespace {

constexpr std::uint32_t kMonitor = 1;
constexpr std::uint32_t kWindow = 2;
constexpr std::uint32_t kVirtual = 4;

struct TypeRow {
  PortalType type;
  std::uint32_t bits;
};
constexpr std::array kTypes = {
    TypeRow{PortalType::Any, kMonitor | kWindow},
    TypeRow{PortalType::Monitor, kMonitor},
    TypeRow{PortalType::Window, kWindow},
    TypeRow{PortalType::Virtual, kVirtual},
};

struct BitName {
  std::uint32_t bit;
  std::string_view name;
};
constexpr std::array kTypeNames = {BitName{kMonitor, "monitor"}, BitName{kWindow, "window"},
                                   BitName{kVirtual, "virtual"}};

std::string type_names(std::uint32_t bits) {
  std::string text;
  for (const BitName& row : kTypeNames) {
    if ((bits & row.bit) == 0) continue;
    if (!text.empty()) text += ", ";
    text += row.name;
  }
  return text;
}

/// What to take instead, in this order. A pointer in the wrong place is worse than none drawn by the compositor, and
/// one that cannot be hidden is better than no picture.
struct CursorRow {
  CursorMode wanted;
  std::array<CursorMode, 3> order;
};
using enum CursorMode;
constexpr std::array kCursorOrder = {
    CursorRow{Hidden, {Hidden, Metadata, Embedded}},
    CursorRow{Embedded, {Embedded, Metadata, Hidden}},
    CursorRow{Metadata, {Metadata, Embedded, Hidden}},
};

/// The one type a stream can have, if that is certain.
std::uint32_t certain_type(const StreamIdentity& identity, std::uint32_t asked_types) {
  if (std::has_single_bit(asked_types)) return asked_types;
  if (!identity.source_type) return 0;
  const std::uint32_t type = *identity.source_type;
  return std::has_single_bit(type) && (type & asked_types) != 0 ? type : 0;
}

}  // namespace

Result<std::uint32_t> choose_source_types(PortalType wanted, const PortalAbilities& abilities) {
  static constexpr auto kOperation = "ask the desktop portal for a screen";
  const std::uint32_t known = kMonitor | kWindow | kVirtual;
  if ((abilities.source_types & known) == 0) {
    return fail(ErrorKind::NotFound, kOperation,
                "the portal has no backend that can capture: install and start the one of your desktop, such as "
                "xdg-desktop-portal-gnome, -kde, -wlr or -hyprland");
  }
  std::uint32_t bits = 0;
  for (const TypeRow& row : kTypes) {
    if (row.type == wanted) bits = row.bits & abilities.source_types;
  }
  if (bits == 0) {
    return fail(ErrorKind::Unsupported, kOperation,
                fmt::format("this desktop does not offer {}; it offers {}",
                            wanted == PortalType::Any ? std::string_view("monitors or windows") : to_string(wanted),
                            type_names(abilities.source_types)));
  }
  return bits;
}

std::uint32_t cursor_bit(CursorMode mode) { return 1U << static_cast<unsigned>(mode); }

std::optional<CursorMode> choose_cursor_mode(CursorMode wanted, const PortalAbilities& abilities) {
  if (abilities.version < 2) return std::nullopt;
  for (const CursorRow& row : kCursorOrder) {
    if (row.wanted != wanted) continue;
    for (const CursorMode mode : row.order) {
      if ((abilities.cursor_modes & cursor_bit(mode)) != 0) return mode;
    }
  }
  return std::nullopt;
}

std::optional<Persist> choose_persist(Persist wanted, const PortalAbilities& abilities) {
  if (abilities.version < 4) return std::nullopt;
  return wanted;
}

RestoreVerdict judge_restored(const StreamIdentity& remembered, const StreamIdentity& now, std::uint32_t asked_types) {
  const std::uint32_t type_then = certain_type(remembered, asked_types);
  const std::uint32_t type_now = certain_type(now, asked_types);
  if (type_then != 0 && type_now != 0 && type_then != type_now) return RestoreVerdict::Other;

  const bool resized = remembered.size && now.size && *remembered.size != *now.size;
  // `id` is defined to stay the same across sessions, so it decides. `mapping_id` names a place, which for a monitor
  // is as good.
  for (const auto field : {&StreamIdentity::id, &StreamIdentity::mapping_id}) {
    if ((remembered.*field).empty() || (now.*field).empty()) continue;
    if (remembered.*field != now.*field) return RestoreVerdict::Other;
    return resized ? RestoreVerdict::Resized : RestoreVerdict::Same;
  }
  if (remembered.position && now.position) {
    if (*remembered.position != *now.position) return RestoreVerdict::Other;
    return resized ? RestoreVerdict::Resized : RestoreVerdict::Same;
  }
  if (!remembered.size || !now.size) return RestoreVerdict::Unknown;
  if (!resized) return RestoreVerdict::Same;
  // Windows change their size all the time; a monitor of another size and unknown place is most likely another one.
  return type_now == kMonitor ? RestoreVerdict::Other : RestoreVerdict::Unknown;
}

RestoreVerdict judge_restored(std::vector<StreamIdentity> remembered, const std::vector<StreamIdentity>& now,
                              std::uint32_t asked_types) {
  if (remembered.size() != now.size()) return RestoreVerdict::Other;
  RestoreVerdict worst = RestoreVerdict::Same;
  for (const StreamIdentity& one : now) {
    const auto verdict = [&](const StreamIdentity& before) { return judge_restored(before, one, asked_types); };
    const auto nearest = std::ranges::min_element(remembered, {}, verdict);
    worst = std::max(worst, verdict(*nearest));
    remembered.erase(nearest);
  }
  return worst;
}

std::string describe(const StreamIdentity& identity, std::uint32_t asked_types) {
  const std::uint32_t type = certain_type(identity, asked_types);
  std::string text = type == kVirtual ? "virtual monitor" : type == 0 ? "screen or window" : type_names(type);
  if (!identity.mapping_id.empty()) text += ' ' + identity.mapping_id;
  if (!identity.size && !identity.position) return text;
  text += " (";
  if (identity.size) text += fmt::format("{}x{}", identity.size->width, identity.size->height);
  if (identity.position) {
    text += fmt::format("{}at {},{}", identity.size ? " " : "", identity.position->x, identity.position->y);
  }
  return text + ')';
}

std::string describe(const std::vector<StreamIdentity>& identities, std::uint32_t asked_types) {
  std::string text;
  for (const StreamIdentity& identity : identities) {
    text += fmt::format("{}{}", text.empty() ? "" : " and ", describe(identity, asked_types));
  }
  return text;
}

std::optional<Rect> place_of(const StreamIdentity& identity, std::uint32_t asked_types) {
  if (!identity.position || !identity.size || certain_type(identity, asked_types) == kWindow) return std::nullopt;
  // Wayland's coordinates are 24 bits; what is farther away is no desktop.
  constexpr std::int32_t kFarthest = 1 << 20;
  const auto [x, y] = *identity.position;
  const auto near = [](std::int32_t at) { return at >= -kFarthest && at <= kFarthest; };
  if (!near(x) || !near(y) || identity.size->width > kFarthest || identity.size->height > kFarthest)
    return std::nullopt;
  return Rect{x, y, identity.size->width, identity.size->height};
}

}  // namespace zc
