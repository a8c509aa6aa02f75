#include "capture/portal_choice.h"

#include <catch2/catch_test_macros.hpp>

using namespace zc;

namespace {

PortalAbilities abilities(std::uint32_t version, std::uint32_t types, std::uint32_t cursors) {
  return {.version = version, .source_types = types, .cursor_modes = cursors};
}

StreamIdentity place(Size size, Point position) {
  StreamIdentity identity;
  identity.size = size;
  identity.position = position;
  return identity;
}

StreamIdentity named(std::string id, Size size) {
  StreamIdentity identity;
  identity.id = std::move(id);
  identity.size = size;
  return identity;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("what the portal may offer the user") {
  CHECK(choose_source_types(PortalType::Any, abilities(4, 7, 7)) == 3U);
  CHECK(choose_source_types(PortalType::Any, abilities(4, 1, 7)) == 1U);
  CHECK(choose_source_types(PortalType::Monitor, abilities(4, 7, 7)) == 1U);
  CHECK(choose_source_types(PortalType::Window, abilities(4, 7, 7)) == 2U);
  CHECK(choose_source_types(PortalType::Virtual, abilities(4, 7, 7)) == 4U);

  const auto no_window = choose_source_types(PortalType::Window, abilities(4, 5, 7));
  REQUIRE_FALSE(no_window);
  CHECK(no_window.error().kind == ErrorKind::Unsupported);
  CHECK(contains(no_window.error().message(), "does not offer window; it offers monitor, virtual"));
  CHECK(choose_source_types(PortalType::Any, abilities(4, 4, 7)).error().kind == ErrorKind::Unsupported);

  const auto no_backend = choose_source_types(PortalType::Any, abilities(4, 0, 0));
  REQUIRE_FALSE(no_backend);
  CHECK(no_backend.error().kind == ErrorKind::NotFound);
  CHECK(contains(no_backend.error().message(), "xdg-desktop-portal-"));
  CHECK(choose_source_types(PortalType::Any, abilities(4, 0xfff8, 7)).error().kind == ErrorKind::NotFound);
}

TEST_CASE("a cursor mode that is missing falls back to the nearest one") {
  using enum CursorMode;
  CHECK(cursor_bit(Hidden) == 1);
  CHECK(cursor_bit(Embedded) == 2);
  CHECK(cursor_bit(Metadata) == 4);
  for (const CursorMode mode : {Hidden, Embedded, Metadata}) {
    CHECK(choose_cursor_mode(mode, abilities(2, 1, 7)) == mode);
    CHECK(choose_cursor_mode(mode, abilities(1, 1, 7)) == std::nullopt);
    CHECK(choose_cursor_mode(mode, abilities(4, 1, 0)) == std::nullopt);
    CHECK(choose_cursor_mode(mode, abilities(4, 1, 1)) == Hidden);
  }
  CHECK(choose_cursor_mode(Metadata, abilities(4, 1, 3)) == Embedded);
  CHECK(choose_cursor_mode(Embedded, abilities(4, 1, 5)) == Metadata);
  CHECK(choose_cursor_mode(Hidden, abilities(4, 1, 6)) == Metadata);
  CHECK(choose_cursor_mode(Hidden, abilities(4, 1, 2)) == Embedded);
}

TEST_CASE("persist_mode exists since version 4") {
  CHECK(choose_persist(Persist::UntilRevoked, abilities(3, 1, 7)) == std::nullopt);
  CHECK(choose_persist(Persist::UntilRevoked, abilities(4, 1, 7)) == Persist::UntilRevoked);
  CHECK(choose_persist(Persist::Never, abilities(4, 1, 7)) == Persist::Never);
}

TEST_CASE("what was restored is compared with what was remembered") {
  using enum RestoreVerdict;
  const auto left = place({2560, 1440}, {0, 0});
  CHECK(judge_restored(left, left, 1) == Same);
  CHECK(judge_restored(left, place({1920, 1080}, {0, 0}), 1) == Resized);
  CHECK(judge_restored(left, place({2560, 1440}, {2560, 0}), 1) == Other);
  CHECK(judge_restored(StreamIdentity{}, StreamIdentity{}, 1) == Unknown);
  CHECK(judge_restored(left, {}, 1) == Unknown);
  CHECK(judge_restored({}, left, 1) == Unknown);

  SECTION("an id decides, wherever the stream is now") {
    CHECK(judge_restored(named("a", {100, 100}), named("a", {100, 100}), 3) == Same);
    CHECK(judge_restored(named("a", {100, 100}), named("a", {200, 100}), 3) == Resized);
    CHECK(judge_restored(named("a", {100, 100}), named("b", {100, 100}), 3) == Other);
    CHECK(judge_restored(named("a", {100, 100}), named("", {100, 100}), 3) == Same);
    StreamIdentity dp1 = left;
    dp1.mapping_id = "DP-1";
    StreamIdentity moved = place({2560, 1440}, {2560, 0});
    moved.mapping_id = "DP-1";
    CHECK(judge_restored(dp1, moved, 1) == Same);
    moved.mapping_id = "DP-2";
    CHECK(judge_restored(dp1, moved, 1) == Other);
  }
  SECTION("without a place, only a monitor is known by its size") {
    StreamIdentity small;
    small.size = Size{800, 600};
    StreamIdentity large;
    large.size = Size{1024, 768};
    CHECK(judge_restored(small, small, 2) == Same);
    CHECK(judge_restored(small, large, 2) == Unknown);
    CHECK(judge_restored(small, large, 1) == Other);
    CHECK(judge_restored(small, large, 3) == Unknown);
  }
  SECTION("a source type counts only when it can be true") {
    StreamIdentity monitor = left;
    monitor.source_type = 1;
    StreamIdentity window = left;
    window.source_type = 2;
    CHECK(judge_restored(monitor, window, 3) == Other);
    CHECK(judge_restored(monitor, window, 1) == Same);  // a window was not on offer
    window.source_type = 6;
    CHECK(judge_restored(monitor, window, 7) == Same);
    window.source_type = 0;
    CHECK(judge_restored(monitor, window, 7) == Same);
    window.source_type = 0x8000'0000;
    CHECK(judge_restored(monitor, window, 7) == Same);
  }
}

TEST_CASE("several that were restored are compared in whichever order they come") {
  using enum RestoreVerdict;
  const auto left = place({2560, 1440}, {0, 0});
  const auto right = place({1920, 1080}, {2560, 0});
  const auto larger = place({3840, 2160}, {2560, 0});
  CHECK(judge_restored({left, right}, {right, left}, 1) == Same);
  CHECK(judge_restored({left, right}, {larger, left}, 1) == Resized);
  CHECK(judge_restored({left, right}, {left, place({1920, 1080}, {0, 1440})}, 1) == Other);
  CHECK(judge_restored({left, right}, {left}, 1) == Other);
  CHECK(judge_restored({left, right}, {left, StreamIdentity{}}, 1) == Unknown);
  CHECK(describe({left, right}, 1) == "monitor (2560x1440 at 0,0) and monitor (1920x1080 at 2560,0)");
}

TEST_CASE("a monitor has a place on the desktop, a window none") {
  StreamIdentity identity = place({2560, 1440}, {-1280, 0});
  CHECK(place_of(identity, 1) == Rect{-1280, 0, 2560, 1440});
  CHECK(place_of(identity, 3) == Rect{-1280, 0, 2560, 1440});
  CHECK_FALSE(place_of(identity, 2));
  identity.source_type = 2;
  CHECK_FALSE(place_of(identity, 3));
  CHECK_FALSE(place_of(place({2560, 1440}, {INT32_MAX, 0}), 1));
  CHECK_FALSE(place_of(place({2560, UINT32_MAX}, {0, 0}), 1));
  identity = place({2560, 1440}, {0, 0});
  identity.size.reset();
  CHECK_FALSE(place_of(identity, 1));
}

TEST_CASE("a stream described for a person") {
  StreamIdentity identity = place({2560, 1440}, {-1280, 0});
  CHECK(describe(identity, 1) == "monitor (2560x1440 at -1280,0)");
  CHECK(describe(identity, 3) == "screen or window (2560x1440 at -1280,0)");
  identity.source_type = 2;
  CHECK(describe(identity, 3) == "window (2560x1440 at -1280,0)");
  CHECK(describe(identity, 4) == "virtual monitor (2560x1440 at -1280,0)");
  identity.mapping_id = "DP-1";
  identity.size.reset();
  CHECK(describe(identity, 1) == "monitor DP-1 (at -1280,0)");
  CHECK(describe(StreamIdentity{}, 1) == "monitor");
}
