// Several sources as one picture: sources that do what the test says, every pixel compared.
#include "capture/joined_source.h"
#include "support/recording_listener.h"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

using namespace zc;
using namespace zc::test;

namespace {

/// Gives the pictures that it is told to, from memory that it uses again as soon as it may.
class ToldSource final : public Source {
 public:
  explicit ToldSource(std::vector<PixelFormat> formats = {PixelFormat::BGRx}) : formats_(std::move(formats)) {}

  Result<void> start(const FormatOffer& offer, SourceListener& listener) override { return agree(offer, &listener); }
  Result<void> renegotiate(const FormatOffer& offer) override { return agree(offer, listener_); }
  void rest() override { resting = true; }
  Result<void> wake(const FormatOffer& offer) override {
    resting = false;
    return agree(offer, listener_);
  }
  void stop() override { listener_ = nullptr; }
  SourceInfo info() const override {
    SourceInfo info;
    info.format = format_;
    return info;
  }
  SourceStats stats() const override { return {.skipped = 2}; }

  /// A picture of one colour; or only its `changed` part is.
  void show(Size size, std::uint32_t colour, const Rect& changed = {}, Rect crop = {}) {
    if (size != size_) pixels_ = std::make_shared<std::vector<std::uint32_t>>(size.area());
    size_ = size;
    const Rect part = changed.empty() ? Rect{0, 0, size.width, size.height} : changed;
    for (std::uint32_t y = 0; y < part.height; ++y) {
      for (std::uint32_t x = 0; x < part.width; ++x) {
        const std::size_t row = static_cast<std::size_t>(part.y) + y;
        pixels_->at(row * size.width + static_cast<std::size_t>(part.x) + x) = colour;
      }
    }
    Frame frame;
    HostImage image{.format = format_, .size = size, .planes = {}, .mapping = pixels_};
    image.planes[0] = {reinterpret_cast<const std::byte*>(pixels_->data()), size.width * 4};
    frame.image = std::move(image);
    frame.crop = crop;
    frame.damage = Damage::none();
    frame.damage.add(part);
    frame.pts = frame.arrival = monotonic_now();
    const auto back = [](void* lent, void*) noexcept { --*static_cast<std::atomic<int>*>(lent); };
    ++*lent_;
    frame.lease = BufferLease(lent_, nullptr, back);
    listener_->on_frame(std::move(frame));
  }
  void tell(SourceState state) { listener_->on_state(state, nullptr); }
  void end(ErrorKind kind) {
    const Error error{kind, ErrorDomain::None, 0, "a source", "gone"};
    listener_->on_state(SourceState::Ended, &error);
  }
  [[nodiscard]] int lent() const { return *lent_; }
  [[nodiscard]] PixelFormat format() const { return format_; }
  std::atomic<bool> resting = false;

 private:
  Result<void> agree(const FormatOffer& offer, SourceListener* listener) {
    for (const PixelFormat format : formats_) {
      if (std::ranges::find(offer.formats, format, &FormatOffer::Entry::format) == offer.formats.end()) continue;
      CHECK_FALSE(offer.has_dmabufs());
      format_ = format;
      listener_ = listener;
      return {};
    }
    return fail(ErrorKind::Unsupported, "a source", "no common format");
  }

  const std::vector<PixelFormat> formats_;
  SourceListener* listener_ = nullptr;
  PixelFormat format_ = PixelFormat::Unknown;
  Size size_;
  std::shared_ptr<std::vector<std::uint32_t>> pixels_;
  std::shared_ptr<std::atomic<int>> lent_ = std::make_shared<std::atomic<int>>(0);
};

FormatOffer offer() {
  FormatOffer offer;
  offer.formats = {{PixelFormat::NV12, {}}, {PixelFormat::BGRx, {0}}, {PixelFormat::BGRA, {}}, {PixelFormat::RGBx, {}}};
  return offer;
}

/// What was seen last, pixel by pixel.
struct Seen {
  Size size;
  PixelFormat format = PixelFormat::Unknown;
  std::vector<std::uint32_t> pixels;
  Damage damage;
  Nanoseconds pts{};
  bool rising = true;

  void look(const Frame& frame) {
    const auto& image = std::get<HostImage>(frame.image);
    size = image.size;
    format = image.format;
    damage = frame.damage;
    rising = rising && frame.pts > pts;
    pts = frame.pts;
    pixels.resize(size.area());
    for (std::uint32_t y = 0; y < size.height; ++y) {
      std::memcpy(pixels.data() + std::size_t{y} * size.width,
                  image.planes[0].data + std::size_t{y} * image.planes[0].stride_bytes, std::size_t{size.width} * 4);
    }
  }
  [[nodiscard]] bool filled(const Rect& rect, std::uint32_t colour) const {
    for (std::uint32_t y = 0; y < rect.height; ++y) {
      for (std::uint32_t x = 0; x < rect.width; ++x) {
        const std::size_t at =
            (static_cast<std::size_t>(rect.y) + y) * size.width + static_cast<std::size_t>(rect.x) + x;
        if (at >= pixels.size() || pixels[at] != colour) return false;
      }
    }
    return true;
  }
};

struct Rig {
  std::vector<ToldSource*> sources;
  std::unique_ptr<Source> joined;
  Seen seen;
  RecordingListener listener{[this](Frame& frame) { seen.look(frame); }};

  /// Places of the parts; without one: to the right.
  explicit Rig(const std::vector<std::optional<Rect>>& places, std::optional<Rect> region = {},
               std::vector<PixelFormat> of_second = {PixelFormat::BGRx}) {
    std::vector<JoinedPart> parts;
    for (const auto& place : places) {
      auto source = std::make_unique<ToldSource>(sources.size() == 1 ? of_second : std::vector{PixelFormat::BGRx});
      sources.push_back(source.get());
      parts.push_back({.source = std::move(source), .place = place, .name = "part"});
    }
    joined = make_joined_source(std::move(parts), {.kind = "portal", .description = "two", .region = region});
  }
  ~Rig() { joined->stop(); }
  void start() { REQUIRE(joined->start(offer(), listener)); }
  /// Waits for a picture that is so.
  [[nodiscard]] bool sees(const std::function<bool(const Seen&)>& so) {
    return listener.wait([&] { return !seen.pixels.empty() && so(seen); });
  }
};

constexpr std::uint32_t kRed = 0xff0000;
constexpr std::uint32_t kBlue = 0xff;
constexpr std::uint32_t kGreen = 0xff00;

}  // namespace

TEST_CASE("monitors are where they are on the desktop, and each buffer goes back at once") {
  Rig rig({Rect{100, 0, 40, 30}, Rect{60, 10, 40, 40}});
  rig.start();
  CHECK(rig.joined->info().kind == "portal");
  rig.sources[0]->show({40, 30}, kRed);
  rig.sources[1]->show({40, 40}, kBlue);
  REQUIRE(rig.sees([](const Seen& s) { return s.filled({40, 0, 40, 30}, kRed); }));
  CHECK(rig.seen.size == Size{80, 50});
  CHECK(rig.seen.format == PixelFormat::BGRx);
  CHECK(rig.seen.filled({0, 10, 40, 40}, kBlue));
  CHECK(rig.seen.filled({0, 0, 40, 10}, 0));
  CHECK(rig.seen.filled({40, 30, 40, 20}, 0));
  CHECK(rig.joined->info().size == Size{80, 50});
  CHECK(rig.listener.wait([&] { return rig.sources[0]->lent() == 0 && rig.sources[1]->lent() == 0; }));

  SECTION("what changes is copied, and nothing else is said to have changed") {
    rig.sources[1]->show({40, 40}, kGreen, {5, 6, 7, 8});
    REQUIRE(rig.sees([](const Seen& s) { return s.filled({5, 16, 7, 8}, kGreen); }));
    CHECK(rig.seen.filled({40, 0, 40, 30}, kRed));
    CHECK(rig.seen.filled({0, 10, 40, 6}, kBlue));
    REQUIRE(rig.seen.damage.rects().size() == 1);
    CHECK(rig.seen.damage.rects()[0] == Rect{5, 16, 7, 8});
    CHECK(rig.seen.rising);
  }
  SECTION("one that ends leaves its place black, and the other goes on; with the last one all is over") {
    rig.sources[1]->end(ErrorKind::Lost);
    REQUIRE(rig.sees([](const Seen& s) { return s.filled({0, 0, 40, 50}, 0); }));
    CHECK(rig.seen.filled({40, 0, 40, 30}, kRed));
    rig.sources[0]->show({40, 30}, kGreen);
    REQUIRE(rig.sees([](const Seen& s) { return s.filled({40, 0, 40, 30}, kGreen); }));
    CHECK(rig.seen.filled({0, 0, 40, 50}, 0));
    CHECK_FALSE(rig.listener.error());
    rig.sources[0]->end(ErrorKind::Lost);
    REQUIRE(rig.listener.wait_state(SourceState::Ended));
    CHECK(rig.listener.error()->kind == ErrorKind::Lost);
    CHECK(std::ranges::count(rig.listener.states(), SourceState::Ended) == 1);
  }
  SECTION("after a rest there is a whole picture") {
    rig.joined->rest();
    CHECK(rig.sources[0]->resting);
    REQUIRE(rig.joined->wake(offer()));
    CHECK_FALSE(rig.sources[1]->resting);
    rig.sources[0]->show({40, 30}, kGreen);
    rig.sources[1]->show({40, 40}, kBlue);
    REQUIRE(rig.sees([](const Seen& s) { return s.filled({40, 0, 40, 30}, kGreen); }));
    CHECK(rig.seen.filled({0, 10, 40, 40}, kBlue));
    CHECK(rig.seen.rising);
  }
  SECTION("figures are those of all") {
    const SourceStats stats = rig.joined->stats();
    CHECK(stats.skipped == 4);
    CHECK(stats.delivered == rig.listener.pictures());
  }
}

TEST_CASE("windows stand side by side in their own sizes, and follow them") {
  Rig rig({std::nullopt, std::nullopt});
  rig.start();
  rig.sources[1]->show({20, 30}, kBlue);
  rig.sources[0]->show({50, 10}, kRed);
  REQUIRE(rig.sees([](const Seen& s) { return s.size == Size{70, 30}; }));
  CHECK(rig.seen.filled({0, 0, 50, 10}, kRed));
  CHECK(rig.seen.filled({50, 0, 20, 30}, kBlue));
  CHECK(rig.seen.filled({0, 10, 50, 20}, 0));
  // A buffer larger than its window, as Mutter has them.
  rig.sources[0]->show({64, 64}, kGreen, {}, {8, 4, 30, 40});
  REQUIRE(rig.sees([](const Seen& s) { return s.size == Size{50, 40}; }));
  CHECK(rig.seen.filled({0, 0, 30, 40}, kGreen));
  CHECK(rig.seen.filled({30, 0, 20, 30}, kBlue));
  CHECK(rig.seen.filled({30, 30, 20, 10}, 0));
  // In the buffer's coordinates.
  rig.sources[0]->show({64, 64}, kRed, {10, 4, 3, 5}, {8, 4, 30, 40});
  REQUIRE(rig.sees([](const Seen& s) { return s.filled({2, 0, 3, 5}, kRed); }));
  CHECK(rig.seen.filled({5, 0, 25, 40}, kGreen));
}

TEST_CASE("a window is right of the monitors, as large as on them") {
  // The monitor has two pixels for each of the desktop's.
  Rig rig({Rect{-20, 5, 20, 10}, std::nullopt});
  rig.start();
  rig.sources[0]->show({40, 20}, kRed);
  rig.sources[1]->show({10, 30}, kBlue);
  REQUIRE(rig.sees([](const Seen& s) { return s.size == Size{50, 30}; }));
  CHECK(rig.seen.filled({0, 0, 40, 20}, kRed));
  CHECK(rig.seen.filled({40, 0, 10, 30}, kBlue));
  CHECK(rig.seen.filled({0, 20, 40, 10}, 0));
}

TEST_CASE("one that shows nothing is not waited for without end, and has its place when it does") {
  Rig monitors({Rect{0, 0, 20, 10}, Rect{20, 0, 30, 10}});
  monitors.start();
  monitors.sources[0]->show({20, 10}, kRed);
  REQUIRE(monitors.sees([](const Seen& s) { return s.size == Size{50, 10}; }));
  CHECK(monitors.seen.filled({0, 0, 20, 10}, kRed));
  CHECK(monitors.seen.filled({20, 0, 30, 10}, 0));
  monitors.sources[1]->show({30, 10}, kBlue);
  REQUIRE(monitors.sees([](const Seen& s) { return s.filled({20, 0, 30, 10}, kBlue); }));

  Rig windows({std::nullopt, std::nullopt});
  windows.start();
  windows.sources[1]->show({20, 10}, kRed);
  REQUIRE(windows.sees([](const Seen& s) { return s.size == Size{20, 10}; }));
  windows.sources[0]->show({6, 10}, kBlue);
  REQUIRE(windows.sees([](const Seen& s) { return s.size == Size{26, 10}; }));
  CHECK(windows.seen.filled({6, 0, 20, 10}, kRed));
}

TEST_CASE("a picture of which nothing is to be shown is none") {
  Rig rig({std::nullopt, std::nullopt});
  rig.start();
  rig.sources[0]->show({20, 10}, kRed, {}, {30, 0, 5, 5});
  rig.sources[1]->show({6, 10}, kBlue);
  REQUIRE(rig.sees([](const Seen& s) { return s.size == Size{6, 10}; }));
  CHECK(rig.seen.filled({0, 0, 6, 10}, kBlue));
  rig.sources[0]->show({20, 10}, kGreen);
  REQUIRE(rig.sees([](const Seen& s) { return s.size == Size{26, 10}; }));
  CHECK(rig.seen.filled({0, 0, 20, 10}, kGreen));
}

TEST_CASE("a region is cut out of all of it") {
  Rig rig({Rect{0, 0, 20, 10}, Rect{20, 0, 30, 10}}, Rect{15, 2, 10, 6});
  rig.start();
  rig.sources[0]->show({20, 10}, kRed);
  rig.sources[1]->show({30, 10}, kBlue);
  REQUIRE(rig.sees([](const Seen& s) { return s.size == Size{10, 6}; }));
  CHECK(rig.seen.filled({0, 0, 5, 6}, kRed));
  CHECK(rig.seen.filled({5, 0, 5, 6}, kBlue));
}

TEST_CASE("formats: all have their colours in the same bytes, with alpha or without") {
  SECTION("alpha makes no difference") {
    Rig rig({std::nullopt, std::nullopt}, {}, {PixelFormat::RGBx, PixelFormat::BGRA});
    rig.start();
    CHECK(rig.sources[1]->format() == PixelFormat::BGRA);
    CHECK(rig.joined->info().format == PixelFormat::BGRx);
  }
  SECTION("other bytes are refused") {
    Rig rig({std::nullopt, std::nullopt}, {}, {PixelFormat::RGBx});
    const auto started = rig.joined->start(offer(), rig.listener);
    REQUIRE_FALSE(started);
    CHECK(started.error().kind == ErrorKind::Unsupported);
  }
  SECTION("so is a consumer without RGB, or without shared memory") {
    Rig rig({std::nullopt, std::nullopt});
    FormatOffer yuv;
    yuv.formats = {{PixelFormat::NV12, {}}};
    CHECK(rig.joined->start(yuv, rig.listener).error().kind == ErrorKind::Unsupported);
    FormatOffer dmabufs = offer();
    dmabufs.shared_memory = false;
    CHECK(rig.joined->start(dmabufs, rig.listener).error().kind == ErrorKind::Unsupported);
    CHECK(rig.listener.states().empty());
  }
}

TEST_CASE("states of several: it streams while one does") {
  Rig rig({std::nullopt, std::nullopt});
  rig.start();
  rig.sources[0]->tell(SourceState::Streaming);
  REQUIRE(rig.listener.wait_state(SourceState::Streaming));
  rig.sources[1]->tell(SourceState::Paused);
  rig.sources[0]->tell(SourceState::Paused);
  REQUIRE(rig.listener.wait_state(SourceState::Paused));
  rig.sources[1]->tell(SourceState::Streaming);
  REQUIRE(rig.listener.wait_state(SourceState::Streaming));
  rig.sources[0]->end(ErrorKind::Cancelled);
  rig.sources[1]->end(ErrorKind::Cancelled);
  REQUIRE(rig.listener.wait_state(SourceState::Ended));
  CHECK(rig.listener.error()->kind == ErrorKind::Cancelled);
}
