// The worker's loop with an importer and an encoder that count what is alive: what a sleep may not leave behind.
#include "session/picture_worker.h"

#include "session/encode_stage.h"
#include "session/frame_mailbox.h"
#include "unit/session/fake_encoder.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

struct Alive {
  std::atomic<int> importers{0};
  std::atomic<int> surfaces{0};
  std::atomic<int> leases{0};
  std::atomic<int> encoders{0};
  std::atomic<bool> held{false};   ///< the importer takes its time
  std::atomic<int> pointers{0};    ///< news of the pointer alone
  std::atomic<int> whole{0};       ///< pictures that the importer was to read whole
  std::atomic<int> wrong{0};       ///< seen on other threads than the test's, which asserts it
  std::atomic<bool> picky{false};  ///< the importer takes no dmabufs but LINEAR ones
  std::vector<Layer> layers;       ///< that the importer was given last
};

constexpr std::uint64_t kTiled = 0x0300'0000'0000'0001;

FormatOffer two_formats() {
  FormatOffer offer;
  offer.formats = {{PixelFormat::BGRx, {kTiled, kModifierLinear}}, {PixelFormat::RGBA, {kTiled, kModifierLinear}}};
  return offer;
}

/// Makes every frame the same picture.
class CountingImporter final : public Importer {
 public:
  CountingImporter(Alive& alive, std::string route) : alive_(alive), route_(std::move(route)) { ++alive_.importers; }
  CountingImporter(const CountingImporter&) = delete;
  CountingImporter& operator=(const CountingImporter&) = delete;
  ~CountingImporter() override {
    --alive_.importers;
    if (worker != std::this_thread::get_id()) ++alive_.wrong;
  }
  [[nodiscard]] std::string_view route() const override { return route_; }
  [[nodiscard]] FormatOffer offer() const override { return two_formats(); }
  [[nodiscard]] Result<void> configure(const SurfaceFormat& format) override {
    size_ = format.size;
    return {};
  }
  void set_layers(std::vector<Layer> layers) override { alive_.layers = std::move(layers); }
  [[nodiscard]] Result<Surface> import(Frame frame) override {
    worker = std::this_thread::get_id();
    while (alive_.held) std::this_thread::sleep_for(1ms);
    const auto* dmabuf = std::get_if<std::shared_ptr<const Dmabuf>>(&frame.image);
    if (alive_.picky && dmabuf != nullptr && (*dmabuf)->modifier != kModifierLinear) {
      return fail(ErrorKind::Unsupported, "import", "picky");
    }
    if (!frame.has_image()) ++alive_.pointers;
    if (frame.has_image() && frame.damage.everything()) ++alive_.whole;
    if (std::exchange(first_, false) && !frame.damage.everything()) ++alive_.wrong;
    return picture(0, &alive_.surfaces, size_);
  }
  std::thread::id worker = std::this_thread::get_id();

 private:
  Alive& alive_;
  const std::string route_;
  Size size_ = kFormat.size;
  bool first_ = true;
};

Frame frame_of(Alive& alive, Nanoseconds pts = monotonic_now(), Size size = kFormat.size) {
  static const std::byte pixel{};
  HostImage image;
  image.format = PixelFormat::BGRx;
  image.size = size;
  image.planes[0] = {&pixel, size.width * 4};
  Frame frame;
  frame.image = image;
  frame.pts = pts;
  frame.arrived = pts;
  frame.spare = 8;
  ++alive.leases;
  const std::shared_ptr<void> owner(&alive, [](void*) {});
  frame.lease =
      BufferLease(owner, nullptr, [](void* counts, void*) noexcept { --static_cast<Alive*>(counts)->leases; });
  return frame;
}

/// A worker on a thread of its own, with a machine that sleeps when the test says so.
class Rig {
 public:
  explicit Rig(std::optional<Rational> constant_rate = std::nullopt,
               const std::function<void(PictureWorker::Config&)>& adjust = {}, Nanoseconds first_late = {}) {
    build("before", "first");
    PictureWorker::Config config;
    config.pacer.constant_rate = constant_rate;
    if (constant_rate) {
      config.pacer.frame_interval = Nanoseconds(static_cast<std::int64_t>(1e9 / constant_rate->value()));
    }
    config.epoch = epoch;
    config.asleep = [this] { return asleep.load(); };
    config.on_route = [this](std::string_view now, std::string_view /*reason*/) {
      const std::lock_guard lock(mutex_);
      routes_.emplace_back(now);
    };
    if (adjust) adjust(config);
    worker_ = std::make_unique<PictureWorker>(config, mailbox);
    thread_ = std::jthread([this, first_late](const std::stop_token& stop) {
      std::optional<Frame> first = frame_of(alive);
      first->arrived += first_late;
      while (first) {
        ended_ = worker_->run(*std::exchange(first, std::nullopt), *importer_, *stage_, stop);
        if (ended_ && *ended_ == PictureWorker::End::Asleep) first = sleep(stop);
      }
      importer_.reset();
    });
  }
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;
  ~Rig() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
  }

  void put() { mailbox.put(frame_of(alive)); }
  /// Puts pictures of these times of the stream, while the worker is busy with the first one.
  void put_at_once(const std::vector<Nanoseconds>& times) {
    for (const Nanoseconds time : times) mailbox.put(frame_of(alive, epoch + time));
  }
  /// Puts a picture of this time of the stream as a source that gives it so late.
  void put_late(Nanoseconds time, Nanoseconds late) {
    std::this_thread::sleep_until(std::chrono::steady_clock::time_point(epoch + time + late));
    Frame frame = frame_of(alive, epoch + time);
    frame.arrived = epoch + time + late;
    mailbox.put(std::move(frame));
  }
  void put_pointer(Nanoseconds time) {
    Frame news;
    news.pts = epoch + time;
    news.cursor = CursorState{};
    mailbox.put(std::move(news));
  }
  void put_sized(Size size) { mailbox.put(frame_of(alive, monotonic_now(), size)); }
  /// Puts pictures until so many are encoded, repeats included.
  void record(std::size_t packets) {
    while (count() < packets) {
      put();
      std::this_thread::sleep_for(2ms);
    }
  }
  void fall_asleep() {
    asleep = true;
    mailbox.wake();
    while (!let_go) std::this_thread::sleep_for(1ms);
  }
  void wake_up() {
    asleep = false;
    mailbox.wake();
    while (let_go) std::this_thread::sleep_for(1ms);
  }
  void set_paused(bool on) {
    paused_ = on;
    worker_->set_paused(on);
  }
  /// The worker ends by itself.
  PictureWorker::End wait_for_end() {
    thread_.join();
    return end();
  }
  PictureWorker::End end() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
    if (stage_) stage_->finish();
    CHECK(alive.wrong == 0);
    REQUIRE(ended_);
    return *ended_;
  }
  [[nodiscard]] std::vector<Packet> packets() {
    const std::lock_guard lock(mutex_);
    return packets_;
  }
  [[nodiscard]] std::size_t count() { return packets().size(); }
  [[nodiscard]] std::vector<std::string> routes() {
    const std::lock_guard lock(mutex_);
    return routes_;
  }
  [[nodiscard]] PictureWorker::Counters counters() const { return worker_->counters(); }

  Alive alive;
  FrameMailbox mailbox{{}, FrameMailbox::kMostFrames};
  const Nanoseconds epoch = monotonic_now();
  std::atomic<bool> asleep{false};
  std::atomic<bool> let_go{false};
  std::atomic<int> sleeps{0};

 private:
  std::unique_ptr<Encoder> encoder(std::string name) {
    return std::make_unique<FakeEncoder>(Behaviour{.name = std::move(name), .holds = 2, .alive = &alive.encoders});
  }
  void build(const char* importer, std::string name) {
    importer_ = std::make_unique<CountingImporter>(alive, importer);
    stage_ = std::make_unique<EncodeStage>(
        stream_, encoder(std::move(name)), 4, RingPolicy::Block,
        [this](const Packet& packet) {
          const std::lock_guard lock(mutex_);
          packets_.push_back(packet);
        },
        [this](const Error&) { ++alive.wrong; }, nullptr, EncoderPatience{.hang = 60s, .sleep = 60s});
  }
  /// As a recording does it.
  std::optional<Frame> sleep(const std::stop_token& stop) {
    ++sleeps;
    if (!stage_->finish_within(60s)) ++alive.wrong;
    stage_.reset();
    importer_.reset();
    mailbox.close();
    if (alive.importers != 0 || alive.encoders != 0 || alive.surfaces != 0 || alive.leases != 0) ++alive.wrong;
    let_go = true;
    while ((asleep || paused_) && !stop.stop_requested()) static_cast<void>(mailbox.take(stop, std::nullopt));
    if (stop.stop_requested()) return std::nullopt;
    mailbox.reopen();
    build("after", "second");
    let_go = false;
    Frame first = frame_of(alive);
    first.damage = Damage::none();  // to the source nothing has changed
    return first;
  }

  std::mutex mutex_;
  std::vector<Packet> packets_;
  std::vector<std::string> routes_;
  std::atomic<bool> paused_{false};
  std::unique_ptr<CountingImporter> importer_;
  EncodedStream stream_;
  std::unique_ptr<EncodeStage> stage_;
  std::unique_ptr<PictureWorker> worker_;
  Result<PictureWorker::End> ended_ = PictureWorker::End::Stopped;
  std::jthread thread_;
};

std::string letters(const std::vector<Packet>& packets) {
  std::string letters;
  for (const Packet& packet : packets) {
    const char letter = static_cast<char>(packet.bytes().front());
    if (letters.empty() || letters.back() != letter) letters += letter;
  }
  return letters;
}

void check_times(const std::vector<Packet>& packets) {
  for (std::size_t n = 1; n < packets.size(); ++n) CHECK(packets[n].pts > packets[n - 1].pts);
}

}  // namespace

TEST_CASE("a worker that sleeps keeps no surface, no buffer, no importer and no encoder") {
  const bool constant = GENERATE(false, true);
  Rig rig(constant ? std::optional(Rational{100, 1}) : std::nullopt);
  rig.record(5);
  rig.fall_asleep();
  const std::size_t before = rig.count();
  CHECK(before >= 5);
  // What it had taken is there; a static screen is repeated once more, to last until now.
  const auto made = rig.counters();
  CHECK(before == made.captured + made.repeated - made.thinned - made.dropped);
  std::this_thread::sleep_for(50ms);
  CHECK(rig.count() == before);
  rig.wake_up();
  rig.record(before + 5);
  CHECK(rig.end() == PictureWorker::End::Stopped);
  const auto packets = rig.packets();
  CHECK(letters(packets) == "fs");
  check_times(packets);
  const auto again = std::ranges::find_if(packets, [](const Packet& p) { return p.bytes().front() == std::byte{'s'}; });
  REQUIRE(again != packets.end());
  CHECK(again->keyframe);
  CHECK(rig.routes() == std::vector<std::string>{"after"});
  CHECK(rig.alive.leases == 0);
}

TEST_CASE("the time of a sleep is cut out of the stream") {
  Rig rig;
  rig.record(3);
  rig.fall_asleep();
  const Nanoseconds asleep = monotonic_now();
  std::this_thread::sleep_for(200ms);
  const Nanoseconds awake = monotonic_now();
  rig.wake_up();
  rig.record(rig.count() + 3);
  rig.end();
  const Nanoseconds recorded = monotonic_now() - rig.epoch - (awake - asleep);
  CHECK(from_packet_clock(rig.packets().back().pts) <= recorded);
  check_times(rig.packets());
}

TEST_CASE("a picture that waits for its slot is written before the machine sleeps") {
  Rig rig(Rational{1, 10});
  while (rig.counters().captured < 1) std::this_thread::sleep_for(1ms);
  rig.put();  // within the first slot, which is taken
  rig.fall_asleep();
  CHECK(rig.count() == 2);
  CHECK(rig.counters().captured == 2);
  CHECK(rig.counters().thinned == 0);
  rig.wake_up();
  rig.end();
  check_times(rig.packets());
}

TEST_CASE("pictures that had to wait are encoded: before a pause, before the end") {
  Rig rig;
  rig.record(3);
  while (rig.alive.leases != 0) std::this_thread::sleep_for(1ms);  // it has nothing to do
  const auto overwritten = rig.mailbox.overwritten();              // by record(), beside a worker without a processor
  rig.alive.held = true;
  rig.put();  // the worker is busy with it
  while (rig.mailbox.waiting() != 0) std::this_thread::sleep_for(1ms);
  const auto captured = rig.counters().captured;
  for (int n = 0; n < 3; ++n) {
    std::this_thread::sleep_for(2ms);
    rig.put();
  }
  const bool pause = GENERATE(true, false);
  if (pause) rig.set_paused(true);
  std::this_thread::sleep_for(2ms);
  if (pause) {
    rig.alive.held = false;
    while (rig.mailbox.waiting() != 0) std::this_thread::sleep_for(1ms);
    rig.put();  // within the pause
    while (rig.mailbox.waiting() != 0) std::this_thread::sleep_for(1ms);
    rig.end();
  } else {
    const std::jthread release([&] {
      std::this_thread::sleep_for(20ms);
      rig.alive.held = false;
    });
    rig.end();
  }
  CHECK(rig.counters().captured == captured + 3);
  CHECK(rig.mailbox.overwritten() == overwritten);
  CHECK(rig.alive.leases == 0);
  check_times(rig.packets());
}

TEST_CASE("pictures that had to wait have slots of their own under constant rate") {
  Rig rig(Rational{10, 1});
  rig.alive.held = true;
  rig.put_at_once({60ms, 140ms, 260ms});  // the nearest slots: 1, 1 (taken, so 2), 3
  std::this_thread::sleep_for(300ms);
  rig.alive.held = false;
  while (rig.counters().captured < 4) std::this_thread::sleep_for(1ms);
  rig.end();
  CHECK(rig.counters().captured == 4);
  CHECK(rig.counters().thinned == 0);
  CHECK(rig.mailbox.overwritten() == 0);
  check_times(rig.packets());
}

TEST_CASE("a user's pause and the machine's sleep come and go in any order") {
  Rig rig;
  rig.record(3);
  SECTION("asleep in a pause, and awake in it") {
    rig.set_paused(true);
    rig.fall_asleep();
    rig.asleep = false;
    rig.mailbox.wake();
    std::this_thread::sleep_for(20ms);
    CHECK(rig.let_go);  // nothing is taken up for a session that records nothing
    rig.set_paused(false);
  }
  SECTION("paused while asleep") {
    rig.fall_asleep();
    rig.set_paused(true);
    rig.asleep = false;
    rig.mailbox.wake();
    std::this_thread::sleep_for(20ms);
    CHECK(rig.let_go);
    rig.set_paused(false);
  }
  SECTION("the pause ends first") {
    rig.set_paused(true);
    rig.fall_asleep();
    rig.set_paused(false);
    std::this_thread::sleep_for(20ms);
    CHECK(rig.let_go);
    rig.wake_up();
  }
  rig.record(rig.count() + 3);
  CHECK(rig.sleeps == 1);
  rig.end();
  CHECK(letters(rig.packets()) == "fs");
  check_times(rig.packets());
}

TEST_CASE("pictures that a source gives late belong to the time they are of, up to the end") {
  Rig rig(std::nullopt, [](PictureWorker::Config& config) { config.duration = 300ms; }, 500ms);
  for (const Nanoseconds time : {20ms, 60ms, 100ms, 290ms}) rig.put_late(time, 500ms);
  CHECK(rig.wait_for_end() == PictureWorker::End::Duration);
  CHECK(rig.counters().captured == 5);
  CHECK(rig.counters().repeated == 0);
  for (const Nanoseconds time : {20ms, 60ms, 100ms, 290ms}) {
    CHECK(std::ranges::count(rig.packets(), to_packet_clock(time), &Packet::pts) == 1);
  }
}

TEST_CASE("pictures keep their times across a pause and a sleep, however late they come") {
  const bool pause = GENERATE(true, false);
  Rig rig(std::nullopt, {}, 300ms);
  for (const Nanoseconds time : {10ms, 50ms, 90ms}) rig.put_late(time, 300ms);
  while (rig.counters().captured < 4) std::this_thread::sleep_for(1ms);
  if (pause) {
    rig.set_paused(true);
    rig.put_late(130ms, 300ms);
    while (rig.mailbox.waiting() != 0) std::this_thread::sleep_for(1ms);
    std::this_thread::sleep_for(50ms);
    rig.set_paused(false);
  } else {
    rig.fall_asleep();
    rig.wake_up();
  }
  while (rig.counters().captured < 5) std::this_thread::sleep_for(1ms);
  const Nanoseconds now = monotonic_now() - rig.epoch;
  for (const Nanoseconds time : {0ms, 40ms, 80ms}) rig.put_late(now - 280ms + time, 300ms);
  while (rig.counters().captured < 8) std::this_thread::sleep_for(1ms);
  rig.end();
  const auto packets = rig.packets();
  check_times(packets);
  // Nothing had to make room for what came before: the last three are as far apart as they were captured.
  std::vector<Nanoseconds> times;
  for (const Packet& packet : packets) times.push_back(from_packet_clock(packet.pts));
  std::size_t even = 0;
  for (std::size_t n = 1; n < times.size(); ++n) {
    const Nanoseconds apart = times[n] - times[n - 1];
    if (apart > 39ms && apart < 41ms) ++even;
  }
  CHECK(even >= 4);
}

TEST_CASE("the pointer's news are shown and repeat nothing else") {
  Rig rig;
  rig.put_at_once({40ms, 80ms});
  while (rig.counters().captured < 3) std::this_thread::sleep_for(1ms);
  rig.put_pointer(90ms);
  while (rig.alive.pointers < 1) std::this_thread::sleep_for(1ms);
  rig.put_at_once({120ms});
  while (rig.counters().captured < 4) std::this_thread::sleep_for(1ms);
  rig.end();
  for (const Nanoseconds time : {40ms, 80ms, 90ms, 120ms}) {
    CHECK(std::ranges::count(rig.packets(), to_packet_clock(time), &Packet::pts) == 1);
  }
}

TEST_CASE("a picture with nothing of the wanted part is left out") {
  Rig rig(std::nullopt, [](PictureWorker::Config& config) { config.crop = Rect{4, 0, 8, 4}; });
  const auto put = [&rig](std::uint32_t width, Nanoseconds time) {
    Frame frame = frame_of(rig.alive, rig.epoch + time);
    std::get<HostImage>(frame.image).size.width = width;
    frame.damage = Damage::none();
    rig.mailbox.put(std::move(frame));
  };
  put(kFormat.size.width, 10ms);
  put(4, 20ms);
  put(2, 30ms);
  // News of the pointer do not make up for what was left out: the next picture is read whole.
  while (rig.counters().captured < 4) std::this_thread::sleep_for(1ms);
  Frame news;
  news.pts = rig.epoch + 35ms;
  news.cursor = CursorState{};
  rig.mailbox.put(std::move(news));
  while (rig.alive.pointers < 1) std::this_thread::sleep_for(1ms);
  const int whole = rig.alive.whole;
  put(kFormat.size.width, 40ms);
  while (rig.counters().captured < 5) std::this_thread::sleep_for(1ms);
  CHECK(rig.end() == PictureWorker::End::Stopped);
  CHECK(rig.counters().dropped == 2);
  CHECK(rig.alive.whole == whole + 1);
  const auto packets = rig.packets();
  for (const auto time : {20ms, 30ms}) CHECK(std::ranges::count(packets, to_packet_clock(time), &Packet::pts) == 0);
  for (const auto time : {10ms, 40ms}) CHECK(std::ranges::count(packets, to_packet_clock(time), &Packet::pts) == 1);
  CHECK(rig.alive.leases == 0);
}

TEST_CASE("the last picture of a size that stands still is made once more in it, though nothing follows") {
  Rig rig(std::nullopt, [](PictureWorker::Config& config) { config.follow_size = true; });
  rig.record(3);
  constexpr Size kWide{96, 48};
  for (std::uint32_t step = 1; step <= 8; ++step) {
    rig.put_sized({64 + 4 * step, 64 - 2 * step});
    std::this_thread::sleep_for(5ms);
  }
  std::this_thread::sleep_for(50ms);
  CHECK(rig.alive.leases == 1);  // so that it can be
  // Two that are inside of the encoder come out when its size changes, or not before the end.
  for (int tries = 0; tries < 3000 && rig.alive.leases != 0; ++tries) std::this_thread::sleep_for(10ms);
  CHECK(rig.alive.leases == 0);
  rig.end();
  const std::vector<Packet> packets = rig.packets();
  check_times(packets);
  std::vector<Size> sizes;
  for (const Packet& packet : packets) {
    if (packet.new_stream) sizes.push_back(packet.new_stream->size);
  }
  CHECK(sizes == std::vector{kWide});
}

TEST_CASE("a size that changes while nobody looks is followed after it, and no buffer is kept meanwhile") {
  Rig rig(std::nullopt, [](PictureWorker::Config& config) { config.follow_size = true; });
  rig.record(3);
  rig.put_sized({96, 48});
  std::this_thread::sleep_for(50ms);
  const bool sleeps = GENERATE(false, true);
  if (sleeps) {
    rig.fall_asleep();
  } else {
    rig.set_paused(true);
    for (int tries = 0; tries < 3000 && rig.alive.leases != 0; ++tries) std::this_thread::sleep_for(1ms);
  }
  CHECK(rig.alive.leases == 0);
  if (sleeps) {
    rig.wake_up();
  } else {
    rig.set_paused(false);
  }
  for (int i = 0; i < 150; ++i) {
    rig.put_sized({96, 48});
    std::this_thread::sleep_for(5ms);
  }
  rig.end();
  const auto packets = rig.packets();
  check_times(packets);
  CHECK(std::ranges::any_of(
      packets, [](const Packet& packet) { return packet.new_stream && packet.new_stream->size == Size{96, 48}; }));
}

TEST_CASE("a recording ends while the machine sleeps, and a worker sleeps as often as that does") {
  Rig rig;
  for (int n = 0; n < 3; ++n) {
    rig.record(rig.count() + 2);
    rig.fall_asleep();
    if (n < 2) rig.wake_up();
  }
  const std::size_t before = rig.count();
  CHECK(rig.end() == PictureWorker::End::Asleep);
  CHECK(rig.sleeps == 3);
  CHECK(rig.count() == before);
  CHECK(rig.alive.encoders == 0);
}

TEST_CASE("a modifier that is not taken is refused in the session's table, and the source asked for the rest") {
  FormatTable table;
  table.set_readable(two_formats());
  static_cast<void>(table.begin(monotonic_now()));
  std::mutex mutex;
  std::vector<FormatOffer> asked;
  const auto count = [&] {
    const std::lock_guard lock(mutex);
    return asked.size();
  };
  Rig rig(std::nullopt, [&](PictureWorker::Config& config) {
    config.formats = &table;
    config.renegotiate = [&](const FormatOffer& offer) -> Result<void> {
      const std::lock_guard lock(mutex);
      asked.push_back(offer);
      return {};
    };
  });
  const auto put = [&](std::uint64_t modifier) {
    auto dmabuf = std::make_shared<Dmabuf>();
    dmabuf->format = PixelFormat::BGRx;
    dmabuf->size = kFormat.size;
    dmabuf->modifier = modifier;
    Frame frame = frame_of(rig.alive);
    frame.image = std::shared_ptr<const Dmabuf>(std::move(dmabuf));
    rig.mailbox.put(std::move(frame));
  };
  while (rig.count() < 2) {
    put(kTiled);
    std::this_thread::sleep_for(2ms);
  }
  CHECK(count() == 0);
  rig.alive.picky = true;
  while (count() == 0) {
    put(kTiled);
    std::this_thread::sleep_for(2ms);
  }
  {
    const std::lock_guard lock(mutex);
    REQUIRE_FALSE(asked.empty());
    CHECK_FALSE(asked.front().has(PixelFormat::BGRx, kTiled));
    CHECK(asked.front().has(PixelFormat::BGRx, kModifierLinear));
    CHECK(asked.front().has(PixelFormat::RGBA, kTiled));
  }
  const std::size_t before = rig.count();
  while (rig.count() < before + 2) {
    put(kModifierLinear);
    std::this_thread::sleep_for(2ms);
  }
  CHECK(rig.end() == PictureWorker::End::Stopped);
}
