// Somebody sets the clock while the daemon records: nothing of it shows.
#include "integration/daemon/daemon_rig.h"
#include "integration/daemon/signal_log.h"
#include "support/private_pipewire.h"
#include "support/test_producer.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <iterator>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

/// The file that the preload reads its shift from.
class ClockShift {
 public:
  explicit ClockShift(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    REQUIRE(::ftruncate(fd.get(), sizeof(std::int64_t)) == 0);
    memory_ = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    REQUIRE(memory_ != MAP_FAILED);
  }
  ClockShift(const ClockShift&) = delete;
  ClockShift& operator=(const ClockShift&) = delete;
  ~ClockShift() { ::munmap(memory_, sizeof(std::int64_t)); }
  void set(Nanoseconds shift) { static_cast<std::atomic<std::int64_t>*>(memory_)->store(shift.count()); }

 private:
  void* memory_ = nullptr;
};

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("the preload sets the clock of what is started with it") {
  const auto pipewire = PrivatePipeWire::start();  // for its folder
  REQUIRE(pipewire);
  const std::filesystem::path folder = (*pipewire)->folder();
  ClockShift clock(folder / "shift");
  clock.set(-1h * 24 * 365 * 40);
  auto date = ChildProcess::start(
      {"env", "ZEROCAST_CLOCK_SHIFT=" + (folder / "shift").native(), "LD_PRELOAD=" ZEROCAST_CLOCK_SHIM, "date", "+%Y"},
      folder / "year");
  REQUIRE(date);
  CHECK(eventually([&] { return !date->running(); }));
  const std::string year = text_of(folder / "year");
  CHECK(year < "2000");
  CHECK(year > "1970");
}

TEST_CASE("the clock jumps by hours, forth and back: the file's times do not, and nobody is woken or killed") {
  const auto pipewire = PrivatePipeWire::start();
  REQUIRE(pipewire);
  ProducerOptions options;
  options.rate = {30, 1};
  auto producer = TestProducer::create(options);
  REQUIRE(producer);
  const std::string shift_file = (*pipewire)->folder() / "shift";
  ClockShift clock(shift_file);
  DaemonRig rig("", {"env", "ZEROCAST_CLOCK_SHIFT=" + shift_file, "LD_PRELOAD=" ZEROCAST_CLOCK_SHIM});
  SignalLog signals;
  const std::string name =
      rig.start("clock.mkv", {{"source", std::string("node:zerocast-test"), {}}, {"fps", std::string("30"), {}}});
  const auto records_on = [&] {
    const double before = figure(*rig.client().session(name), "frames_captured");
    return rig.wait_for(name, [&](const SessionView& one) {
      return one.state == "recording" && figure(one, "frames_captured") >= before + 20;
    });
  };
  records_on();
  CHECK(text_of("/proc/" + std::to_string(process_of(name)) + "/maps").find(ZEROCAST_CLOCK_SHIM) != std::string::npos);
  clock.set(5h);
  records_on();
  clock.set(-9h);
  records_on();

  REQUIRE(rig.client().call(name, "Pause"));
  rig.wait_for_state(name, "paused");
  clock.set(24h * 400);
  REQUIRE(rig.client().call(name, "Resume"));
  records_on();

  producer->reset();
  rig.wait_for_state(name, "reconnecting");
  clock.set(-24h * 400);
  producer = TestProducer::create(options);
  REQUIRE(producer);
  const SessionView last = records_on();
  CHECK(figure(last, "worker_restarts") == 0);
  CHECK(figure(last, "source_reconnects") == 1);
  CHECK(figure(last, "encoder_failovers") == 0);
  CHECK(figure(last, "latency_median_seconds") < 60);
  const auto report = rig.client().stop(name);
  REQUIRE(report);

  auto decoder = Decoder::open(rig.path("clock.mkv"));
  REQUIRE(decoder);
  const auto file = check_frames(std::move(*decoder), {});
  REQUIRE(file);
  CHECK(file->decode_errors == 0);
  CHECK(file->pts_not_rising == 0);
  CHECK(file->frames >= 80);
  // A busy machine leaves slots out, but no hour.
  CHECK(file->max_gap_seconds < 60);
  CHECK(file->last_seconds < 600);
  CHECK(signals.all("Stalled").empty());
  CHECK(signals.all("EncoderChanged").empty());
  CHECK_FALSE(std::filesystem::exists(rig.path("clock-2.mkv")));
}
