// The portal source on a real desktop: run by tests/desktop/desktop, whose client paints a mark into every picture of
// a 1280x720 output.
#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "capture/make_source.h"
#include "capture/restore_tokens.h"
#include "integration/portal/log_listener.h"
#include "media/test_mark.h"
#include "support/recording_listener.h"

using namespace zc;
using namespace zc::test;

namespace {

FormatOffer offer() {
  FormatOffer offer;
  for (const PixelFormat format : {PixelFormat::BGRx, PixelFormat::BGRA, PixelFormat::RGBx, PixelFormat::RGBA}) {
    offer.formats.push_back({format, {}});
  }
  offer.preferred_size = {1280, 720};
  return offer;
}

/// Green as luma: it is the second byte of all four formats, and the mark is black and white.
std::optional<TestMark> mark_of(const Frame& frame) {
  const auto* image = std::get_if<HostImage>(&frame.image);
  if (image == nullptr) return std::nullopt;
  std::vector<std::byte> luma(image->size.area());
  for (std::uint32_t y = 0; y < image->size.height; ++y) {
    const std::byte* row = image->planes[0].data + std::size_t{y} * image->planes[0].stride_bytes;
    for (std::uint32_t x = 0; x < image->size.width; ++x) luma[std::size_t{y} * image->size.width + x] = row[4 * x + 1];
  }
  return read_mark(luma, image->size.width, image->size, 1, image->size);
}

/// Distinct marks that came.
class Marks {
 public:
  void look(const Frame& frame) {
    const auto mark = mark_of(frame);
    const std::lock_guard lock(mutex_);
    if (mark) {
      seen_.insert(mark->frame);
    } else {
      ++unreadable_;
    }
  }
  [[nodiscard]] std::size_t distinct() {
    const std::lock_guard lock(mutex_);
    return seen_.size();
  }
  [[nodiscard]] std::size_t unreadable() {
    const std::lock_guard lock(mutex_);
    return unreadable_;
  }

 private:
  std::mutex mutex_;
  std::set<std::uint32_t> seen_;
  std::size_t unreadable_ = 0;
};

struct Captured {
  std::size_t distinct = 0;
  std::size_t unreadable = 0;
  SourceInfo info;
};

/// Captures until 30 different pictures came.
Captured capture(const char* text, CursorMode cursor) {
  const auto spec = parse_source(text);
  REQUIRE(spec);
  SourceOptions options;
  options.cursor = cursor;
  auto source = make_source(*spec, options);
  REQUIRE(source);
  Marks marks;
  RecordingListener listener([&](Frame& frame) { marks.look(frame); });
  const auto started = (*source)->start(offer(), listener);
  INFO((started ? "" : started.error().message()));
  REQUIRE(started);
  CHECK(listener.wait([&] { return marks.distinct() >= 30; }));
  (*source)->stop();
  CHECK_FALSE(listener.error());
  return {marks.distinct(), marks.unreadable(), (*source)->info()};
}

}  // namespace

TEST_CASE("a real monitor through the real portal, and the same one again without asking") {
  REQUIRE(std::getenv("ZEROCAST_DESKTOP_COMPOSITOR") != nullptr);
  LogListener said;
  const Captured first = capture("portal:monitor", CursorMode::Embedded);
  CHECK(first.distinct >= 30);
  CHECK(first.unreadable <= 1);  // before the client's first picture there is an empty desktop
  CHECK(first.info.kind == "portal");
  CHECK(first.info.size == Size{1280, 720});
  CHECK(first.info.description.find("monitor") != std::string::npos);
  const std::string first_log = said.take();
  CHECK(first_log.find("the desktop granted monitor") != std::string::npos);

  const RestoreTokens tokens = RestoreTokens::in_state_home().value();
  const auto token = tokens.find({"monitor"}).value();
  REQUIRE(token);
  CHECK(token->streams.at(0).size == Size{1280, 720});
  CHECK(first_log.find(token->token) == std::string::npos);

  const Captured second = capture("portal:monitor", CursorMode::Hidden);
  CHECK(second.distinct >= 30);
  CHECK(said.take().find("restored monitor (1280x720 at 0,0)") != std::string::npos);
  CHECK(tokens.find({"monitor"}).value());
}

TEST_CASE("a real portal that gives one monitor although several were allowed") {
  LogListener said;
  const Captured one = capture("portal:monitor,multiple", CursorMode::Embedded);
  CHECK(one.distinct >= 30);
  CHECK(one.info.size == Size{1280, 720});
  CHECK(said.take().find("the desktop granted monitor (1280x720 at 0,0)") != std::string::npos);
  CHECK(RestoreTokens::in_state_home().value().find({"monitor+multiple"}).value());
}

TEST_CASE("what this portal does not offer is said before any dialog") {
  const auto spec = parse_source("portal:window");
  REQUIRE(spec);
  auto source = make_source(*spec, {});
  REQUIRE(source);
  RecordingListener listener;
  const auto started = (*source)->start(offer(), listener);
  REQUIRE_FALSE(started);
  CHECK(started.error().kind == ErrorKind::Unsupported);
  CHECK(started.error().detail.find("it offers monitor") != std::string::npos);
}
