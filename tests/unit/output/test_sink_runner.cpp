#include "output/sink_runner.h"

#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

extern "C" {
#include <libavutil/buffer.h>
}

using namespace zc;
using std::chrono::milliseconds;

namespace {

Packet make_packet(std::int64_t pts, bool keyframe = false) {
  AvBufferPtr buffer(av_buffer_allocz(10));
  const std::span<const std::byte> view(reinterpret_cast<const std::byte*>(buffer->data), 10);
  Packet packet(std::move(buffer), view);
  packet.pts = packet.dts = pts;
  packet.keyframe = keyframe;
  return packet;
}

/// What happened, from every thread; wait() until a condition over it holds.
struct Record {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::pair<std::int64_t, int>> written;  ///< pts, number of the connection
  int opens = 0, closes = 0, flushes = 0, keyframes = 0;
  std::vector<std::pair<Error, bool>> errors;
  bool hanging = false, interrupted = false;

  template <class Change>
  void note(Change change) {
    const std::scoped_lock lock(mutex);
    change();
    changed.notify_all();
  }
  template <class Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, std::chrono::seconds(120), condition);
  }
};

/// A sink whose every answer the test scripts.
class ScriptedSink final : public Sink {
 public:
  explicit ScriptedSink(Record& record) : record_(record) {}
  std::function<Result<void>(int open)> on_open = [](int) { return Result<void>{}; };
  std::function<Result<void>(const Packet&)> on_write = [](const Packet&) { return Result<void>{}; };
  std::function<Result<void>()> on_close = [] { return Result<void>{}; };
  bool reader = false;
  std::optional<std::size_t> guests;  ///< of a listener
  std::atomic<bool> wishes = false;   ///< for a keyframe

  [[nodiscard]] const std::string& name() const override { return name_; }
  Result<void> open(const StreamParameters& /*stream*/) override {
    int number = 0;
    record_.note([&] { number = ++record_.opens; });
    return on_open(number);
  }
  Result<void> write(const Packet& packet) override {
    auto result = on_write(packet);
    if (result) record_.note([&] { record_.written.emplace_back(packet.pts, record_.opens); });
    return result;
  }
  Result<void> flush() override {
    record_.note([&] { ++record_.flushes; });
    return {};
  }
  Result<void> close() override {
    record_.note([&] { ++record_.closes; });
    return on_close();
  }
  [[nodiscard]] bool has_reader() const override { return reader; }
  [[nodiscard]] std::optional<std::size_t> viewers() const override { return guests; }
  [[nodiscard]] bool take_keyframe_wish() override { return wishes.exchange(false); }
  void interrupt() noexcept override {
    record_.note([&] { record_.interrupted = true; });
  }
  /// What a peer that never answers looks like.
  Result<void> hang() {
    record_.note([&] { record_.hanging = true; });
    record_.wait([&] { return record_.interrupted; });
    return fail(ErrorKind::Cancelled, "hang", "stopped");
  }

 private:
  Record& record_;
  std::string name_ = "scripted";
};

/// Never comes back from its first write until it is interrupted.
std::unique_ptr<ScriptedSink> hanging_sink(Record& record) {
  auto sink = std::make_unique<ScriptedSink>(record);
  sink->on_write = [script = sink.get()](const Packet&) { return script->hang(); };
  return sink;
}

class Events final : public SinkEvents {
 public:
  explicit Events(Record& record) : record_(record) {}
  void on_error(const std::string& name, const Error& error, bool fatal) override {
    CHECK(name == "scripted");
    record_.note([&] { record_.errors.emplace_back(error, fatal); });
  }
  void on_keyframe_wanted(const std::string& name) override {
    CHECK(name == "scripted");
    record_.note([&] { ++record_.keyframes; });
  }

 private:
  Record& record_;
};

constexpr SinkRunnerOptions kFile{};
constexpr SinkRunnerOptions kLive{.policy = QueuePolicy::DropToKeyframe,
                                  .limits = {.packets = 8, .bytes = 1 << 20},
                                  .reconnect = true,
                                  .first_backoff = milliseconds(1),
                                  .longest_backoff = milliseconds(8)};
const StreamParameters kStream{.size = {16, 16}, .colour = {}, .hdr = {}, .extradata = {}, .audio = {}};

std::unexpected<Error> lost() { return fail(ErrorKind::Lost, "write", "peer gone"); }

}  // namespace

TEST_CASE("stop drains a file's queue and closes it once") {
  Record record;
  Events events(record);
  SinkRunner runner(std::make_unique<ScriptedSink>(record), kFile, events);
  CHECK(runner.stats().state == SinkState::Idle);
  REQUIRE(runner.start(kStream));
  CHECK_FALSE(runner.start(kStream));
  for (std::int64_t i = 0; i < 1000; ++i) runner.push(make_packet(i, i == 0));
  CHECK(runner.stop(std::chrono::seconds(120)));
  CHECK(runner.stop());
  CHECK(record.written.size() == 1000);
  CHECK(record.closes == 1);
  CHECK_FALSE(record.interrupted);
  runner.push(make_packet(1001));
  const SinkStats stats = runner.stats();
  CHECK(stats.state == SinkState::Closed);
  CHECK(stats.packets == 1000);
  CHECK(stats.bytes == 10'000);
  CHECK(stats.dropped == 1);
  CHECK(stats.queued == 0);
  CHECK(stats.last_pts == 999);
  CHECK(record.errors.empty());
}

TEST_CASE("a runner that never started gives its sink up") {
  Record record;
  Events events(record);
  SinkRunner runner(std::make_unique<ScriptedSink>(record), kFile, events);
  CHECK(runner.stop());
  CHECK(record.closes == 1);
  CHECK(record.opens == 0);
  CHECK_FALSE(runner.start(kStream));
}

TEST_CASE("an idle file is flushed") {
  Record record;
  Events events(record);
  SinkRunner runner(std::make_unique<ScriptedSink>(record), kFile, events);
  REQUIRE(runner.start(kStream));
  runner.push(make_packet(0, true));
  CHECK(record.wait([&] { return record.flushes >= 2; }));
}

TEST_CASE("a file that fails is closed and reported once; the pusher goes on") {
  Record record;
  Events events(record);
  auto sink = std::make_unique<ScriptedSink>(record);
  sink->on_write = [](const Packet& packet) -> Result<void> {
    if (packet.pts == 5) return fail(ErrorKind::NoSpace, "write scripted", "disk full");
    return {};
  };
  SinkRunnerOptions options = kFile;
  options.limits.packets = 2;
  SinkRunner runner(std::move(sink), options, events);
  REQUIRE(runner.start(kStream));
  for (std::int64_t i = 0; i < 100; ++i) runner.push(make_packet(i, i == 0));
  REQUIRE(record.wait([&] { return record.errors.size() == 1; }));
  CHECK(record.errors[0].first.kind == ErrorKind::NoSpace);
  CHECK(record.errors[0].second);
  CHECK(runner.stats().state == SinkState::Failed);
  const auto stopped = runner.stop();
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().kind == ErrorKind::NoSpace);
  CHECK(record.closes == 1);
  CHECK(record.errors.size() == 1);
  CHECK(runner.stats().packets == 5);
  CHECK(runner.stats().dropped == 95);
}

TEST_CASE("a file that cannot be finished is an error of stop") {
  Record record;
  Events events(record);
  auto sink = std::make_unique<ScriptedSink>(record);
  sink->on_close = [] { return Result<void>(fail(ErrorKind::NoSpace, "finish", "disk full")); };
  SinkRunner runner(std::move(sink), kFile, events);
  REQUIRE(runner.start(kStream));
  runner.push(make_packet(0, true));
  CHECK_FALSE(runner.stop());
  CHECK(record.errors.size() == 1);
}

TEST_CASE("a lost peer is called again and starts at a keyframe") {
  Record record;
  Events events(record);
  auto sink = std::make_unique<ScriptedSink>(record);
  sink->on_open = [](int open) { return open == 3 || open == 4 ? Result<void>(lost()) : Result<void>{}; };
  // Whichever packet it is that comes: a live queue leaves some out when its thread begins late.
  sink->on_write = [&](const Packet& packet) {
    return packet.pts >= 10 && record.opens == 1 ? Result<void>(lost()) : Result<void>{};
  };
  SinkRunner runner(std::move(sink), kLive, events);
  REQUIRE(runner.start(kStream));
  std::int64_t pts = 0;
  const auto push_until = [&](auto condition) {
    for (int i = 0; i < 120'000; ++i) {
      // An encoder that makes a keyframe when asked: here every fifth.
      runner.push(make_packet(pts, pts % 5 == 0));
      ++pts;
      {
        const std::scoped_lock lock(record.mutex);
        if (condition()) return true;
      }
      std::this_thread::sleep_for(milliseconds(1));
    }
    return false;
  };
  REQUIRE(
      push_until([&] { return record.opens >= 2 && !record.written.empty() && record.written.back().second >= 2; }));
  CHECK(record.keyframes >= 1);
  CHECK(runner.stop());
  const auto first = std::ranges::find_if(record.written, [](const auto& entry) { return entry.second == 2; });
  REQUIRE(first != record.written.end());
  CHECK(first->first % 5 == 0);
  CHECK(runner.stats().reconnects == 1);
  REQUIRE(record.errors.size() == 1);
  CHECK_FALSE(record.errors[0].second);
  const SinkStats stats = runner.stats();
  CHECK(stats.packets + stats.dropped == static_cast<std::uint64_t>(pts));
}

TEST_CASE("a listener's last viewer who leaves is no outage, and the next one is let in at once") {
  Record record;
  Events events(record);
  auto sink = std::make_unique<ScriptedSink>(record);
  sink->guests = 3;
  sink->on_write = [](const Packet&) { return Result<void>(lost()); };
  SinkRunnerOptions options = kLive;
  options.first_backoff = std::chrono::hours(1);  // a test that waits for it fails
  SinkRunner runner(std::move(sink), options, events);
  REQUIRE(runner.start(kStream));
  for (std::int64_t pts = 0; pts < 120'000; ++pts) {
    runner.push(make_packet(pts, true));
    const std::scoped_lock lock(record.mutex);
    if (record.opens >= 5) break;
  }
  REQUIRE(record.wait([&] { return record.opens >= 5; }));
  CHECK(runner.stats().viewers == 3);
  CHECK(runner.stop());
  CHECK(record.errors.empty());
  CHECK(runner.stats().reconnects >= 3);
}

TEST_CASE("a listener that cannot listen is an outage") {
  Record record;
  Events events(record);
  auto sink = std::make_unique<ScriptedSink>(record);
  sink->guests = 0;
  sink->on_open = [](int) { return Result<void>(lost()); };
  SinkRunner runner(std::move(sink), kLive, events);
  REQUIRE(runner.start(kStream));
  REQUIRE(record.wait([&] { return record.opens == 4; }));
  CHECK(record.errors.size() == 1);
  REQUIRE(runner.stats().outage);
  CHECK(runner.stats().outage->message() == "write: peer gone");
  CHECK_FALSE(runner.stop());
}

TEST_CASE("who comes while no picture comes gets a keyframe, too") {
  Record record;
  Events events(record);
  auto sink = std::make_unique<ScriptedSink>(record);
  sink->wishes = true;
  SinkRunner runner(std::move(sink), kLive, events);
  REQUIRE(runner.start(kStream));
  REQUIRE(record.wait([&] { return record.keyframes == 1; }));
  CHECK(runner.stop());
  CHECK(record.written.empty());
}

TEST_CASE("an outage is told once, however many calls it takes") {
  Record record;
  Events events(record);
  auto sink = std::make_unique<ScriptedSink>(record);
  sink->on_open = [](int open) { return open <= 6 ? Result<void>(lost()) : Result<void>{}; };
  SinkRunner runner(std::move(sink), kLive, events);
  REQUIRE(runner.start(kStream));
  REQUIRE(record.wait([&] { return record.errors.size() == 1; }));
  REQUIRE(record.wait([&] { return record.opens == 7; }));
  while (runner.stats().outage) std::this_thread::yield();
  CHECK(runner.stop());
  CHECK(record.errors.size() == 1);
  CHECK(runner.stats().reconnects == 0);  // there was no connection before
}

TEST_CASE("a peer that has not answered yet when it is stopped was never there; a listener needs none") {
  for (const bool listener : {false, true}) {
    CAPTURE(listener);
    Record record;
    Events events(record);
    auto sink = std::make_unique<ScriptedSink>(record);
    if (listener) sink->guests = 0;
    sink->on_open = [script = sink.get()](int) { return script->hang(); };
    SinkRunner runner(std::move(sink), kLive, events);
    REQUIRE(runner.start(kStream));
    REQUIRE(record.wait([&] { return record.hanging; }));
    const auto stopped = runner.stop(milliseconds(100));
    CHECK(stopped.has_value() == listener);
    if (!stopped) CHECK(stopped.error().message() == "reach scripted: it has not answered");
    CHECK(record.errors.empty());
  }
}

TEST_CASE("what can never work is not tried again") {
  Record record;
  Events events(record);
  auto sink = std::make_unique<ScriptedSink>(record);
  sink->on_open = [](int) { return Result<void>(fail(ErrorKind::Unsupported, "open", "no such codec")); };
  SinkRunner runner(std::move(sink), kLive, events);
  REQUIRE(runner.start(kStream));
  REQUIRE(record.wait([&] { return record.errors.size() == 1; }));
  CHECK(record.errors[0].second);
  CHECK_FALSE(runner.stop());
  CHECK(record.opens == 1);
}

TEST_CASE("a peer that hangs never holds up the pusher nor stop") {
  for (const bool while_opening : {false, true}) {
    Record record;
    Events events(record);
    auto sink = std::make_unique<ScriptedSink>(record);
    ScriptedSink& script = *sink;
    if (while_opening) {
      sink->on_open = [&](int) { return script.hang(); };
    } else {
      sink->on_write = [&](const Packet&) { return script.hang(); };
    }
    SinkRunner runner(std::move(sink), kLive, events);
    REQUIRE(runner.start(kStream));
    // Every push returns, or the test times out.
    std::int64_t pushed = 0;
    for (bool hanging = false; !hanging; ++pushed) {
      runner.push(make_packet(pushed, true));
      const std::scoped_lock lock(record.mutex);
      hanging = record.hanging;
    }
    for (const std::int64_t end = pushed + 1000; pushed < end; ++pushed) {
      runner.push(make_packet(pushed, pushed % 10 == 0));
    }
    CHECK(runner.stats().dropped >= 900);
    CHECK(runner.stats().queued <= 8);
    [[maybe_unused]] const auto stopped = runner.stop(milliseconds(200));
    CHECK(record.interrupted);
    CHECK(runner.stats().state == SinkState::Closed);
    CHECK(runner.stats().dropped == static_cast<std::uint64_t>(pushed));
  }
}

TEST_CASE("stop wakes a pusher that waits for a hanging file") {
  Record record;
  Events events(record);
  auto sink = hanging_sink(record);
  SinkRunnerOptions options = kFile;
  options.limits.packets = 2;
  SinkRunner runner(std::move(sink), options, events);
  REQUIRE(runner.start(kStream));
  std::jthread pusher([&] {
    for (std::int64_t i = 0; i < 100; ++i) runner.push(make_packet(i, i == 0));
  });
  while (runner.stats().queued < 2) std::this_thread::yield();
  CHECK_FALSE(runner.stop(milliseconds(100)));
  pusher.join();
  CHECK(runner.stats().dropped == 100);
}

TEST_CASE("a reader that takes nothing has its output ended, and the pusher goes on") {
  Record record;
  Events events(record);
  auto sink = hanging_sink(record);
  SinkRunnerOptions options = kFile;
  options.limits = {.packets = 2, .patience = milliseconds(50)};
  SinkRunner runner(std::move(sink), options, events);
  REQUIRE(runner.start(kStream));
  for (std::int64_t i = 0; i < 100; ++i) runner.push(make_packet(i, i == 0));
  REQUIRE(record.wait([&] { return record.errors.size() == 1; }));
  CHECK(record.errors.front().second);
  CHECK(record.errors.front().first.kind == ErrorKind::Timeout);
  CHECK(runner.stats().state == SinkState::Failed);
  const auto stopped = runner.stop();
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().kind == ErrorKind::Timeout);
  CHECK(record.closes == 1);
  CHECK(runner.stats().dropped == 100);
}

TEST_CASE("a pipe's reader may take its time until somebody else is held up") {
  Record record;
  Events events(record);
  auto sink = std::make_unique<ScriptedSink>(record);
  ScriptedSink& script = *sink;
  sink->reader = true;
  sink->on_write = [&](const Packet&) { return script.hang(); };
  SinkRunnerOptions options = kFile;
  options.limits.packets = 2;
  SinkRunner runner(std::move(sink), options, events);
  REQUIRE(runner.start(kStream));
  std::jthread pusher([&] {
    for (std::int64_t i = 0; i < 10; ++i) runner.push(make_packet(i, i == 0));
  });
  while (runner.stats().queued < 2) std::this_thread::yield();
  runner.limit_patience();  // also for the push that waits
  pusher.join();
  REQUIRE(record.wait([&] { return record.errors.size() == 1; }));
  CHECK(record.errors.front().first.kind == ErrorKind::Timeout);
  CHECK_FALSE(runner.stop());
}

TEST_CASE("a slow file is waited for as long as it goes on writing") {
  Record record;
  Events events(record);
  auto sink = std::make_unique<ScriptedSink>(record);
  sink->on_write = [](const Packet&) {
    std::this_thread::sleep_for(milliseconds(20));
    return Result<void>{};
  };
  SinkRunner runner(std::move(sink), kFile, events);
  REQUIRE(runner.start(kStream));
  for (std::int64_t i = 0; i < 60; ++i) runner.push(make_packet(i, i == 0));
  CHECK(runner.stop(milliseconds(1000)));
  CHECK(record.written.size() == 60);
  CHECK(runner.stats().dropped == 0);
}

TEST_CASE("what a file could not write in time is an error of stop") {
  Record record;
  Events events(record);
  auto sink = std::make_unique<ScriptedSink>(record);
  ScriptedSink& script = *sink;
  sink->on_write = [&](const Packet& packet) { return packet.pts < 5 ? Result<void>{} : script.hang(); };
  SinkRunner runner(std::move(sink), kFile, events);
  REQUIRE(runner.start(kStream));
  for (std::int64_t i = 0; i < 20; ++i) runner.push(make_packet(i, i == 0));
  const auto stopped = runner.stop(milliseconds(200));
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().kind == ErrorKind::Timeout);
  CHECK(record.written.size() == 5);
  CHECK(runner.stats().dropped == 15);
}

TEST_CASE("a sink that throws fails instead of ending the program") {
  Record record;
  Events events(record);
  auto sink = std::make_unique<ScriptedSink>(record);
  sink->on_write = [](const Packet&) -> Result<void> { throw std::runtime_error("unexpected"); };
  SinkRunner runner(std::move(sink), kFile, events);
  REQUIRE(runner.start(kStream));
  runner.push(make_packet(0, true));
  REQUIRE(record.wait([&] { return record.errors.size() == 1; }));
  const auto stopped = runner.stop();
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().kind == ErrorKind::Internal);
}

namespace {

/// A camera whose readers and end the test scripts.
class ScriptedCamera final : public PictureSink {
 public:
  explicit ScriptedCamera(Record& record) : record_(record) {}
  std::function<Result<void>(int attendance)>
      on_attend;  ///< what attend() returns before it is interrupted; empty: nothing
  std::atomic<int> attended = 0;
  std::atomic<std::uint64_t> pictures = 0;

  [[nodiscard]] const std::string& name() const override { return name_; }
  Result<void> open(const StreamParameters& /*stream*/) override {
    record_.note([&] { ++record_.opens; });
    return {};
  }
  Result<void> attend(const std::function<void()>& picture_wanted) override {
    const int number = ++attended;
    picture_wanted();
    if (on_attend) {
      if (auto end = on_attend(number); !end) return end;
    }
    static_cast<void>(record_.wait([&] { return record_.interrupted; }));
    return fail(ErrorKind::Cancelled, "show", "stopped on request");
  }
  Result<void> close() override {
    record_.note([&] { ++record_.closes; });
    return {};
  }
  void interrupt() noexcept override {
    record_.note([&] { record_.interrupted = true; });
  }
  [[nodiscard]] bool watched() const override { return true; }
  void show(const Surface& /*picture*/, Nanoseconds /*captured*/) override { ++pictures; }
  [[nodiscard]] Counters counters() const override { return {.shown = pictures, .bytes = 100, .dropped = 3}; }
  [[nodiscard]] std::optional<std::size_t> viewers() const override { return 2; }

 private:
  Record& record_;
  std::string name_ = "camera:test";
};

struct CameraEvents final : SinkEvents {
  explicit CameraEvents(Record& of) : record(of) {}
  void on_error(const std::string& /*name*/, const Error& error, bool fatal) override {
    record.note([&] { record.errors.emplace_back(error, fatal); });
  }
  void on_keyframe_wanted(const std::string& /*name*/) override {
    record.note([&] { ++record.keyframes; });
  }
  void on_picture_wanted(const std::string& /*name*/) override { ++wanted; }
  Record& record;
  std::atomic<int> wanted = 0;
};

}  // namespace

TEST_CASE("a sink of pictures is shown them, and stopped at once") {
  Record record;
  CameraEvents events(record);
  auto sink = std::make_unique<ScriptedCamera>(record);
  SinkRunnerOptions options;
  options.reconnect = true;
  SinkRunner runner(std::move(sink), options, events);
  CHECK(runner.takes_pictures());
  REQUIRE(runner.start({}));
  REQUIRE(record.wait([&] { return record.opens == 1; }));
  CHECK(runner.watched());
  for (int i = 0; i < 5; ++i) runner.show({}, {});
  const SinkStats stats = runner.stats();
  CHECK(stats.packets == 5);
  CHECK(stats.bytes == 100);
  CHECK(stats.dropped == 3);
  CHECK(stats.viewers == 2);
  CHECK(runner.stop(std::chrono::minutes(5)));  // nothing has to be written out first
  CHECK(record.closes >= 1);
  CHECK(record.errors.empty());
  CHECK(record.keyframes == 0);
  CHECK(events.wanted == 1);
}

TEST_CASE("a sink of pictures whose other side is gone is opened again, readers or not") {
  Record record;
  CameraEvents events(record);
  auto sink = std::make_unique<ScriptedCamera>(record);
  sink->on_attend = [](int attendance) {
    return attendance < 3 ? fail(ErrorKind::Lost, "show", "PipeWire is gone") : Result<void>();
  };
  SinkRunnerOptions options;
  options.reconnect = true;
  options.first_backoff = milliseconds(1);
  SinkRunner runner(std::move(sink), options, events);
  REQUIRE(runner.start({}));
  REQUIRE(record.wait([&] { return record.opens == 3; }));
  CHECK(runner.stop());
  CHECK(record.errors.size() == 2);  // each was an outage of its own
  for (const auto& [error, fatal] : record.errors) CHECK_FALSE(fatal);
  CHECK(runner.stats().reconnects == 2);
}
