// A source that lets go of its buffers while the machine sleeps and goes on after it, on the same connection.
#include "integration/capture/rig.h"

#include <chrono>
#include <thread>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

TEST_CASE("a source that rests holds no buffer, and goes on with what it is offered then") {
  const auto daemon = pipewire();
  ProducerOptions options;
  options.formats = {PixelFormat::BGRx, PixelFormat::RGBx};
  const auto producer = produce(std::move(options));
  PictureLog log;
  std::vector<std::weak_ptr<const void>> mappings;
  std::vector<bool> wholes;  ///< whether its damage is everything
  RecordingListener listener([&](Frame& frame) {
    static_cast<void>(log.check(frame));
    wholes.push_back(frame.damage.everything());
    if (const auto* image = std::get_if<HostImage>(&frame.image)) mappings.push_back(image->mapping);
  });
  const auto src = source(target(*producer));
  REQUIRE(src->start(offer_only(PixelFormat::BGRx), listener));
  REQUIRE(listener.wait_pictures(5));

  src->rest();
  src->rest();
  const std::uint64_t before = listener.pictures();
  for (const auto& mapping : mappings) CHECK(mapping.expired());
  std::this_thread::sleep_for(200ms);
  CHECK(listener.pictures() == before);
  CHECK(src->stats().delivered == before);

  REQUIRE(src->wake(offer_only(PixelFormat::RGBx)));
  REQUIRE(listener.wait_pictures(before + 5));
  src->stop();
  CHECK(log.wrong == 0);
  CHECK(rising(log.numbers));
  CHECK(log.formats.at(before - 1) == PixelFormat::BGRx);
  CHECK(log.formats.at(before) == PixelFormat::RGBx);
  CHECK(wholes.at(before));
  CHECK_FALSE(listener.error());
  CHECK_FALSE(src->wake(offer_all()));
}

TEST_CASE("a source that goes away while it rests says so, and does not wake up") {
  const auto daemon = pipewire();
  auto producer = produce({});
  RecordingListener listener;
  const auto src = source(target(*producer));
  REQUIRE(src->start(offer_all(), listener));
  REQUIRE(listener.wait_pictures(2));
  src->rest();
  producer.reset();
  REQUIRE(listener.wait_state(SourceState::Ended));
  CHECK(listener.error()->kind == ErrorKind::Lost);
  const auto woken = src->wake(offer_all());
  REQUIRE_FALSE(woken);
  CHECK(woken.error().kind == ErrorKind::Lost);
}

TEST_CASE("a source rests as often as it is asked to") {
  const auto daemon = pipewire();
  const auto producer = produce({});
  RecordingListener listener;
  const auto src = source(target(*producer));
  REQUIRE(src->start(offer_all(), listener));
  for (int times = 0; times < 3; ++times) {
    REQUIRE(listener.wait_pictures(listener.pictures() + 2));
    src->rest();
    REQUIRE(src->wake(offer_all()));
  }
  REQUIRE(listener.wait_pictures(listener.pictures() + 2));
  CHECK_FALSE(listener.error());
}
