#include "integration/capture/rig.h"

#include <sys/mman.h>
#include <unistd.h>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

using namespace zc;
using namespace zc::test;

namespace {

/// Captures some frames of a producer and asserts that every one is byte-exact.
PictureLog capture(ProducerOptions options, const FormatOffer& offer, std::uint64_t pictures = 6) {
  const PixelFormat expected = options.formats.front();
  const Size size = options.size;
  const auto producer = produce(std::move(options));
  PictureLog log;
  RecordingListener listener([&](Frame& f) { log.check(f); });
  const auto src = source(target(*producer));
  const auto started = src->start(offer, listener);
  if (!started) FAIL(name(expected) << ": " << started.error().message());
  CHECK(src->info().format == expected);
  CHECK(src->info().size == size);
  CHECK_FALSE(src->info().dmabuf);
  INFO(name(expected));
  REQUIRE(listener.wait_pictures(pictures));
  src->stop();
  CHECK(log.wrong == 0);
  CHECK(rising(log.numbers));
  CHECK(src->stats().corrupt == 0);
  CHECK(src->stats().delivered == log.numbers.size());
  return log;
}

}  // namespace

TEST_CASE("every pixel format arrives byte for byte") {
  const auto daemon = pipewire();
  for (const PixelFormatInfo& f : pixel_formats()) {
    ProducerOptions options;
    options.name = "format";
    options.formats = {f.format};
    capture(std::move(options), offer_all());
  }
}

TEST_CASE("odd sizes, padding, offsets and blocks per plane arrive byte for byte") {
  const auto daemon = pipewire();
  for (const PixelFormat format : {PixelFormat::BGRx, PixelFormat::NV12, PixelFormat::I420, PixelFormat::P010}) {
    ProducerOptions odd;
    odd.formats = {format};
    odd.size = {321, 177};
    odd.stride_padding = 52;
    odd.offset = 100;
    capture(odd, offer_all());
    odd.separate_blocks = true;
    odd.map_offset = 8192;
    capture(odd, offer_all());
    odd.map_offset = 12;  // not page-aligned, as it ought to be
    capture(odd, offer_all());
    odd.separate_blocks = false;
    odd.stride_padding = 0;
    odd.zero_stride = true;
    capture(odd, offer_all());
  }
}

TEST_CASE("the consumer's preference decides among formats of both sides") {
  const auto daemon = pipewire();
  ProducerOptions options;
  options.formats = {PixelFormat::RGBA, PixelFormat::xRGB_210LE, PixelFormat::BGRx};
  const auto producer = produce(options);
  RecordingListener listener;
  const auto src = source(target(*producer));
  FormatOffer offer;
  offer.formats = {{PixelFormat::xRGB_210LE, {}}};
  REQUIRE(src->start(offer, listener));
  CHECK(src->info().format == PixelFormat::xRGB_210LE);
}

TEST_CASE("a variable rate reports its maximum") {
  const auto daemon = pipewire();
  ProducerOptions options;
  options.variable_rate = true;
  options.rate = {75, 1};
  const auto producer = produce(options);
  RecordingListener listener;
  const auto src = source(target(*producer));
  REQUIRE(src->start(offer_all(), listener));
  CHECK(src->info().rate == Rational{75, 1});
  CHECK(listener.wait_pictures(2));
}

TEST_CASE("size and format change in mid-stream") {
  const auto daemon = pipewire();
  ProducerOptions options;
  options.rate = {100, 1};
  options.changes = {{5, Size{641, 361}, {}}, {10, {}, PixelFormat::RGBA}, {15, Size{200, 100}, PixelFormat::NV12}};
  const auto producer = produce(options);
  PictureLog log;
  RecordingListener listener([&](Frame& f) { log.check(f); });
  const auto src = source(target(*producer));
  REQUIRE(src->start(offer_all(), listener));
  REQUIRE(listener.wait_pictures(20));
  CHECK(src->info().size == Size{200, 100});
  CHECK(src->info().format == PixelFormat::NV12);
  src->stop();
  CHECK(log.wrong == 0);
  CHECK(rising(log.numbers));
  for (std::size_t i = 0; i < log.numbers.size(); ++i) {
    const auto n = log.numbers[i];
    CHECK(log.sizes[i] == (n < 5 ? Size{320, 180} : n < 15 ? Size{641, 361} : Size{200, 100}));
    CHECK(log.formats[i] == (n < 10 ? PixelFormat::BGRx : n < 15 ? PixelFormat::RGBA : PixelFormat::NV12));
  }
  CHECK(listener.error() == std::nullopt);
}

TEST_CASE("buffers that PipeWire hands over without memory are asked for again") {
  const auto daemon = pipewire();
  ProducerOptions options;
  options.empty_sets = GENERATE(1U, 3U);
  CAPTURE(options.empty_sets);
  const auto producer = produce(options);
  PictureLog log;
  RecordingListener listener([&](Frame& f) { log.check(f); });
  const auto src = source(target(*producer));
  REQUIRE(src->start(offer_all(), listener));
  REQUIRE(listener.wait_pictures(20));
  CHECK(src->stats().corrupt > 0);  // they are told
  src->stop();
  CHECK(log.wrong == 0);
  CHECK(rising(log.numbers));
  CHECK(listener.error() == std::nullopt);
}

TEST_CASE("the consumer can ask for another format in mid-stream") {
  const auto daemon = pipewire();
  ProducerOptions options;
  options.formats = {PixelFormat::BGRx, PixelFormat::RGBA};
  const auto producer = produce(options);
  PictureLog log;
  RecordingListener listener([&](Frame& f) { log.check(f); });
  const auto src = source(target(*producer));
  REQUIRE(src->start(offer_only(PixelFormat::BGRx), listener));
  REQUIRE(listener.wait_pictures(3));
  REQUIRE(src->renegotiate(offer_only(PixelFormat::RGBA)));
  REQUIRE(listener.wait([&] { return !log.formats.empty() && log.formats.back() == PixelFormat::RGBA; }));
  src->stop();
  CHECK(src->info().format == PixelFormat::RGBA);
  CHECK(log.wrong == 0);
  CHECK(rising(log.numbers));
}

namespace {

/// Captures from a producer of memfds labelled dmabuf and compares every byte through an mmap of our own.
void capture_dmabuf(ProducerOptions options, bool linear_only) {
  options.memory = Memory::DmaBuf;
  const auto producer = produce(std::move(options));
  std::vector<std::shared_ptr<const Dmabuf>> seen;
  std::uint64_t good = 0;
  std::uint64_t wrong = 0;
  RecordingListener listener([&](Frame& f) {
    const auto* image = std::get_if<std::shared_ptr<const Dmabuf>>(&f.image);
    if (image == nullptr) return void(++wrong);
    const Dmabuf& d = **image;
    if (std::ranges::find(seen, *image) == seen.end()) seen.push_back(*image);
    std::array<PictureView, 3> planes;
    std::array<std::pair<void*, std::size_t>, 3> maps{};
    for (unsigned p = 0; p < d.plane_count; ++p) {
      const Dmabuf::Plane& plane = d.planes.at(p);
      const auto length = static_cast<std::size_t>(::lseek(plane.fd.get(), 0, SEEK_END));
      maps.at(p) = {::mmap(nullptr, length, PROT_READ, MAP_SHARED, plane.fd.get(), 0), length};
      planes.at(p) = {static_cast<const std::byte*>(maps.at(p).first) + plane.offset_bytes, plane.stride_bytes};
    }
    const auto mark = read_picture_mark(d.format, d.size, planes);
    (mark && !compare_picture(d.format, d.size, *mark, planes) ? good : wrong)++;
    for (unsigned p = 0; p < d.plane_count; ++p) ::munmap(maps.at(p).first, maps.at(p).second);
  });
  const auto src = source(target(*producer));
  FormatOffer offer;
  std::vector<std::uint64_t> modifiers{kModifierLinear};
  if (!linear_only) modifiers.push_back(kModifierInvalid);
  offer.formats = {{PixelFormat::BGRx, modifiers}, {PixelFormat::NV12, modifiers}};
  const auto started = src->start(offer, listener);
  if (!started) FAIL(started.error().message());
  CHECK(src->info().dmabuf);
  REQUIRE(listener.wait_pictures(12));
  src->stop();
  CHECK(wrong == 0);
  CHECK(good >= 12);
  CHECK(seen.size() <= 8);  // one object per buffer, not per frame
}

}  // namespace

TEST_CASE("dmabufs arrive as one object per buffer, whatever their chunk says of sizes") {
  const auto daemon = pipewire();
  ProducerOptions options;
  bool linear_only = false;
  SECTION("the producer chooses the modifier") {}
  SECTION("the producer leaves the choice to us") {
    options.name = "xdg-desktop-portal-wlr";
    options.fixation = Fixation::Consumer;
  }
  SECTION("only one modifier is left to choose") {
    options.name = "xdg-desktop-portal-wlr";
    options.fixation = Fixation::Consumer;
    linear_only = true;
  }
  SECTION("both choose") { options.name = "xdg-desktop-portal-wlr"; }
  SECTION("with padding and an offset") {
    options.stride_padding = 128;
    options.offset = 256;
  }
  SECTION("two planes in one block") { options.formats = {PixelFormat::NV12}; }
  SECTION("two planes in two blocks") {
    options.formats = {PixelFormat::NV12};
    options.separate_blocks = true;
  }
  capture_dmabuf(std::move(options), linear_only);
}

TEST_CASE("a producer without dmabufs falls back to shared memory") {
  const auto daemon = pipewire();
  const auto producer = produce({});
  PictureLog log;
  RecordingListener listener([&](Frame& f) { log.check(f); });
  const auto src = source(target(*producer));
  FormatOffer offer;
  offer.formats = {{PixelFormat::BGRx, {kModifierLinear, kModifierInvalid}}};
  REQUIRE(src->start(offer, listener));
  CHECK_FALSE(src->info().dmabuf);
  REQUIRE(listener.wait_pictures(3));
  src->stop();
  CHECK(log.wrong == 0);
}

namespace {

/// Of hundreds a second that there would be until start() gives up. The source ends them after HandShake::kMostRounds
/// of its own; the producer sees about three for each (90 were seen on a busy machine).
constexpr std::uint64_t kFewRounds = 300;

/// KWin 6.3 on a driver without modifiers: it states LINEAR, can allocate INVALID, and answers with that.
ProducerOptions invalid_only(Memory memory) {
  ProducerOptions options;
  options.memory = memory;
  options.modifiers = {kModifierLinear, kModifierInvalid};
  options.picks = {kModifierInvalid};
  return options;
}

FormatOffer offer_modifiers(std::vector<std::uint64_t> modifiers) {
  FormatOffer offer;
  offer.formats = {{PixelFormat::BGRx, std::move(modifiers)}};
  return offer;
}

}  // namespace

TEST_CASE("rounds in which no modifier is fixated end in shared memory") {
  const auto daemon = pipewire();
  const auto producer = produce(invalid_only(Memory::Either));
  PictureLog log;
  RecordingListener listener([&](Frame& f) { log.check(f); });
  const auto src = source(target(*producer));
  const auto started = src->start(offer_modifiers({kModifierLinear}), listener);
  if (!started) FAIL(started.error().message());
  CHECK_FALSE(src->info().dmabuf);
  REQUIRE(listener.wait_pictures(6));
  CHECK(producer->rounds() <= kFewRounds);
  SECTION("and the next offer does not begin them anew") {
    const auto rounds = producer->rounds();
    REQUIRE(src->renegotiate(offer_modifiers({kModifierLinear})));
    const auto before = listener.pictures();
    REQUIRE(listener.wait_pictures(before + 6));
    CHECK(producer->rounds() == rounds);
  }
  src->stop();
  CHECK(log.wrong == 0);
}

TEST_CASE("rounds are waited for as long as the producer goes on answering") {
  const auto daemon = pipewire();
  auto options = invalid_only(Memory::Either);
  options.thinks = std::chrono::milliseconds(250);  // 30 rounds take longer than a node that is silent may
  const auto producer = produce(options);
  PictureLog log;
  RecordingListener listener([&](Frame& f) { log.check(f); });
  const auto src = source(target(*producer));
  const auto started = src->start(offer_modifiers({kModifierLinear}), listener);
  if (!started) FAIL(started.error().message());
  CHECK_FALSE(src->info().dmabuf);
  REQUIRE(listener.wait_pictures(3));
  src->stop();
  CHECK(log.wrong == 0);
}

TEST_CASE("rounds in which no modifier is fixated end with the reason where there is no shared memory") {
  const auto daemon = pipewire();
  const auto producer = produce(invalid_only(Memory::DmaBuf));
  RecordingListener listener;
  const auto src = source(target(*producer));
  FormatOffer offer = offer_modifiers({kModifierLinear});
  offer.shared_memory = false;
  const auto started = src->start(offer, listener);
  REQUIRE_FALSE(started);
  CHECK(started.error().kind == ErrorKind::Unsupported);
  CHECK(started.error().message().find("fixates no modifier") != std::string::npos);
  CHECK(producer->rounds() <= kFewRounds);
}

TEST_CASE("INVALID is agreed on where it is offered, and the planes are the chunks'") {
  const auto daemon = pipewire();
  const auto producer = produce(invalid_only(Memory::Either));
  std::atomic<std::uint64_t> right = 0;
  std::atomic<std::uint64_t> wrong = 0;
  RecordingListener listener([&](Frame& f) {
    const auto* dmabuf = std::get_if<std::shared_ptr<const Dmabuf>>(&f.image);
    const bool good = dmabuf != nullptr && (*dmabuf)->modifier == kModifierInvalid && (*dmabuf)->plane_count == 1 &&
                      (*dmabuf)->planes[0].stride_bytes == 320 * 4 && (*dmabuf)->validate();
    ++(good ? right : wrong);
  });
  const auto src = source(target(*producer));
  const auto started = src->start(offer_modifiers({kModifierLinear, kModifierInvalid}), listener);
  if (!started) FAIL(started.error().message());
  CHECK(src->info().dmabuf);
  REQUIRE(listener.wait_pictures(6));
  src->stop();
  CHECK(right >= 6);
  CHECK(wrong == 0);
}

TEST_CASE("a producer that waits for us to choose a modifier is answered") {
  const auto daemon = pipewire();
  ProducerOptions options;
  options.fixation = Fixation::Consumer;
  options.memory = Memory::Either;
  const auto producer = produce(options);
  RecordingListener listener;
  const auto src = source(target(*producer));
  const auto started = src->start(offer_modifiers({kModifierLinear, kModifierInvalid}), listener);
  if (!started) FAIL(started.error().message());
  REQUIRE(listener.wait_pictures(6));
  CHECK(src->info().dmabuf);
}

TEST_CASE("a producer that draws on damage is asked for no more pictures a second than are wanted") {
  const auto daemon = pipewire();
  ProducerOptions options;
  options.variable_rate = true;
  options.rate = {75, 1};
  const auto producer = produce(options);
  RecordingListener listener;
  const auto src = source(target(*producer));
  FormatOffer offer = offer_all();
  offer.max_rate = {24, 1};
  REQUIRE(src->start(offer, listener));
  CHECK(src->info().rate == Rational{24, 1});
  CHECK(listener.wait_pictures(2));
  SECTION("more than it has is none of its rates") {
    offer.max_rate = {144, 1};
    REQUIRE(src->renegotiate(offer));
    CHECK(listener.wait([&] { return src->info().rate == Rational{75, 1}; }));
  }
  SECTION("and for all it has, when that is wanted again") {
    REQUIRE(src->renegotiate(offer_all()));
    CHECK(listener.wait([&] { return src->info().rate == Rational{75, 1}; }));
  }
}
