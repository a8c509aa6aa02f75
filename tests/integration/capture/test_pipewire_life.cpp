#include "integration/capture/rig.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

using namespace zc;
using namespace zc::test;

namespace {

Error start_error(PipeWireTarget t, const FormatOffer& offer = offer_all()) {
  RecordingListener listener;
  const auto src = source(std::move(t));
  const auto started = src->start(offer, listener);
  REQUIRE_FALSE(started);
  CHECK_FALSE(listener.error());  // start() said it already
  CHECK(started.error().message().find('\n') == std::string::npos);
  return started.error();
}

PipeWireTarget by_name(std::string node) {
  PipeWireTarget t;
  t.node = PipeWireTarget::NodeName{std::move(node)};
  return t;
}

}  // namespace

TEST_CASE("no daemon is one clear line") {
  const auto daemon = pipewire(PrivatePipeWire::SessionManager::None);
  const std::string socket = daemon->socket().string();
  daemon->kill_daemon();
  std::filesystem::remove(socket);
  const Error error = start_error(by_name("anything"));
  CHECK(error.kind == ErrorKind::NotFound);
  CHECK(error.message().find("PipeWire is not running (no socket at " + socket + ")") != std::string::npos);
}

TEST_CASE("a node that does not exist is not found") {
  const auto daemon = pipewire();
  CHECK(start_error(by_name("no-such-node")).kind == ErrorKind::NotFound);
  PipeWireTarget t;
  t.node = PipeWireTarget::NodeId{987654};
  CHECK(start_error(std::move(t)).kind == ErrorKind::NotFound);
  PipeWireTarget s;
  s.node = PipeWireTarget::ObjectSerial{987654};
  CHECK(start_error(std::move(s)).kind == ErrorKind::NotFound);
  CHECK_FALSE(make_pipewire_source(by_name(""), "node", ""));
}

TEST_CASE("without a session manager the wait ends and says why") {
  const auto daemon = pipewire(PrivatePipeWire::SessionManager::None);
  const auto producer = produce({});
  const Error error = start_error(target(*producer));
  CHECK(error.kind == ErrorKind::Timeout);
  CHECK(error.message().find("session manager") != std::string::npos);
}

TEST_CASE("a wait can be ended from outside") {
  const auto daemon = pipewire(PrivatePipeWire::SessionManager::None);
  const auto producer = produce({});
  std::stop_source stop;
  auto src = make_pipewire_source(target(*producer), "node", "", stop.get_token());
  REQUIRE(src);
  RecordingListener listener;
  const std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    stop.request_stop();
  });
  const auto started = (*src)->start(offer_all(), listener);
  REQUIRE_FALSE(started);
  CHECK(started.error().kind == ErrorKind::Cancelled);
}

TEST_CASE("formats that do not meet are unsupported") {
  const auto daemon = pipewire();
  const auto producer = produce({});
  CHECK(start_error(target(*producer), offer_only(PixelFormat::NV12)).kind == ErrorKind::Unsupported);
}

TEST_CASE("a node is found by name and through a portal's connection") {
  const auto daemon = pipewire();
  const auto producer = produce({.name = "by-name"});
  PipeWireTarget t;
  SECTION("name") { t = by_name("by-name"); }
  SECTION("a connected socket") {
    t = target(*producer);
    auto fd = daemon->connect();
    REQUIRE(fd);
    t.remote = std::move(*fd);
  }
  PictureLog log;
  RecordingListener listener([&](Frame& f) { log.check(f); });
  const auto src = source(std::move(t));
  REQUIRE(src->start(offer_all(), listener));
  CHECK(listener.wait_pictures(3));
  src->stop();
  CHECK(log.wrong == 0);
}

TEST_CASE("the end of the source is told from a pause") {
  const auto daemon = pipewire();
  RecordingListener listener;
  SECTION("the node goes away by itself") {
    const auto producer = produce({.die_at = 5});
    const auto src = source(target(*producer));
    REQUIRE(src->start(offer_all(), listener));
    REQUIRE(listener.wait_state(SourceState::Ended));
    REQUIRE(listener.error());
    CHECK(listener.error()->kind == ErrorKind::Lost);
    CHECK(src->stats().delivered > 0);
  }
  SECTION("the daemon is killed") {
    const auto producer = produce({});
    const auto src = source(target(*producer));
    REQUIRE(src->start(offer_all(), listener));
    REQUIRE(listener.wait_pictures(2));
    daemon->kill_daemon();
    REQUIRE(listener.wait_state(SourceState::Ended));
    REQUIRE(listener.error());
    CHECK(listener.error()->kind == ErrorKind::Lost);
    src->stop();
  }
  SECTION("the producer's process is killed") {
    const auto log = daemon->folder() / "producer.log";
    auto child = ChildProcess::start({ZEROCAST_TEST_PRODUCER, "--name", "mortal"}, log);
    REQUIRE(child);
    std::string id;
    for (int i = 0; i < 1000 && id.empty(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      std::getline(std::ifstream(log) >> std::ws, id);
    }
    REQUIRE_FALSE(id.empty());
    const auto src = source(by_name("mortal"));
    REQUIRE(src->start(offer_all(), listener));
    REQUIRE(listener.wait_pictures(2));
    child->end(true);
    REQUIRE(listener.wait_state(SourceState::Ended));
    CHECK(listener.error()->kind == ErrorKind::Lost);
  }
  const auto states = listener.states();
  CHECK(std::ranges::count(states, SourceState::Ended) == 1);
  CHECK(states.front() == SourceState::Connecting);
}

TEST_CASE("a lease keeps its pixels, through renegotiation, the producer's end and stop()") {
  const auto daemon = pipewire();
  ProducerOptions options;
  options.rate = {100, 1};
  options.changes = {{6, Size{400, 300}, {}}};
  auto producer = produce(options);
  std::vector<Frame> held;
  RecordingListener listener([&](Frame& f) {
    const std::size_t of_this_size = static_cast<std::size_t>(
        std::ranges::count_if(held, [&](const Frame& h) { return h.buffer_size() == f.buffer_size(); }));
    if (of_this_size >= 2) return;
    held.push_back(std::move(f));
    f = Frame{};
  });
  auto src = source(target(*producer));
  REQUIRE(src->start(offer_all(), listener));
  REQUIRE(listener.wait([&] { return held.size() == 4; }));
  SECTION("stop first") {
    src->stop();
    src.reset();
    producer.reset();
  }
  SECTION("the producer first") {
    producer.reset();
    REQUIRE(listener.wait_state(SourceState::Ended));
    src->stop();
  }
  PictureLog log;
  for (Frame& f : held) {
    CHECK(f.lease);
    log.check(f);
  }
  CHECK(log.wrong == 0);
  CHECK(rising(log.numbers));
  held.clear();
}

TEST_CASE("a slow consumer gets new frames, and a consumer that returns from another thread all of them") {
  const auto daemon = pipewire();
  const auto producer = produce({});
  PictureLog log;
  SECTION("it holds the PipeWire thread up") {
    RecordingListener listener([&](Frame& f) {
      log.check(f);
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    });
    const auto src = source(target(*producer));
    REQUIRE(src->start(offer_all(), listener));
    // What was passed over is passed over for ever: the numbers run ahead of their count.
    REQUIRE(listener.wait([&] { return log.numbers.size() >= 8 && log.numbers.back() > log.numbers.size(); }));
    src->stop();
  }
  SECTION("leases die on another thread") {
    std::mutex mutex;
    std::condition_variable_any some;
    std::vector<Frame> queue;
    RecordingListener listener([&](Frame& f) {
      log.check(f);
      const std::lock_guard lock(mutex);
      queue.push_back(std::move(f));
      f = Frame{};
      some.notify_one();
    });
    std::jthread returner([&](const std::stop_token& stop) {
      std::unique_lock lock(mutex);
      while (some.wait(lock, stop, [&] { return !queue.empty(); })) queue.pop_back();
    });
    const auto src = source(target(*producer));
    REQUIRE(src->start(offer_all(), listener));
    REQUIRE(listener.wait([&] { return src->stats().delivered >= 40; }));
    src->stop();
  }
  CHECK(log.wrong == 0);
  CHECK(rising(log.numbers));
}

TEST_CASE("a producer whose every buffer was held for a while goes on") {
  const auto daemon = pipewire();
  const auto producer = produce({.like_compositors = true});
  PictureLog log;
  std::mutex mutex;
  std::vector<Frame> held;
  bool hold = true;
  RecordingListener listener([&](Frame& f) {
    log.check(f);
    const std::lock_guard lock(mutex);
    if (hold) held.push_back(std::exchange(f, Frame{}));
  });
  const auto src = source(target(*producer));
  REQUIRE(src->start(offer_all(), listener));
  std::uint64_t before = 0;
  REQUIRE(listener.wait([&] {
    const std::lock_guard lock(mutex);
    return held.size() >= 2 && held.back().spare == 0;
  }));
  {
    const std::lock_guard lock(mutex);
    hold = false;
    before = src->stats().delivered;
    held.clear();
  }
  CHECK(listener.wait([&] { return src->stats().delivered >= before + 10; }));
  src->stop();
  CHECK(log.wrong == 0);
  CHECK(rising(log.numbers));
}

TEST_CASE("a source can be stopped twice, and started again by name") {
  const auto daemon = pipewire();
  const auto producer = produce({.name = "again"});
  RecordingListener listener;
  const auto src = source(by_name("again"));
  src->stop();
  for (std::uint64_t round = 1; round <= 2; ++round) {
    REQUIRE(src->start(offer_all(), listener));
    CHECK_FALSE(src->start(offer_all(), listener));
    CHECK(listener.wait_pictures(2 * round));
    src->stop();
    src->stop();
  }
  CHECK_FALSE(src->renegotiate(offer_all()));
}
