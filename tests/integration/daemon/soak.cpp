// A long recording of 1280x720@30 through the daemon, with random faults by real means, and every picture read back.
// Run by tools/soak: ZEROCAST_SOAK_SECONDS, ZEROCAST_SOAK_SEED; the last line of stdout is a JSON object.
#include "integration/daemon/daemon_rig.h"
#include "support/private_pipewire.h"
#include "support/test_producer.h"

#include <nlohmann/json.hpp>

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

constexpr Size kSize{1280, 720};
constexpr Rational kRate{30, 1};
constexpr std::string_view kFiles = "soak";
constexpr std::string_view kBeside = "side";
constexpr double kCutOff = 1.0;
/// Left out when the source is lost, so that an outage can be told from a machine that was too slow.
constexpr std::uint32_t kGap = 10;
/// A fault's window goes on for so many pictures after it is over: a second.
constexpr std::uint32_t kAfter = 30;

double seconds(Nanoseconds time) { return static_cast<double>(time.count()) / 1e9; }

/// Time that a virtual machine's processors were ready to run and did not, all of them together.
double stolen_seconds() {
  std::ifstream stat("/proc/stat");
  std::string cpu;
  std::array<double, 8> ticks{};  // user nice system idle iowait irq softirq steal
  stat >> cpu;
  for (double& t : ticks) stat >> t;
  return ticks.back() / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

class Soak {
 public:
  explicit Soak(unsigned seed) : random_(seed) {
    auto pipewire = PrivatePipeWire::start();
    REQUIRE(pipewire);
    pipewire_ = *std::move(pipewire);
    produce();
    rig_ = std::make_unique<DaemonRig>();
    begin();
  }

  void run(Nanoseconds length) {
    const double stolen = stolen_seconds();
    const Nanoseconds end = monotonic_now() + length;
    while (monotonic_now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(3'000 + pick(9'000)));
      const Fault& fault = kFaults.at(pick(kFaults.size()));
      note_losses();
      const Nanoseconds begun = monotonic_now();
      const std::uint32_t picture = at_picture();
      (this->*fault.cause)();
      if (fault.outage) {
        const Nanoseconds repaired = monotonic_now();
        records_on();
        recovery_[std::string(fault.name)].push_back(seconds(monotonic_now() - (fault.ours ? begun : repaired)));
      } else {
        recovery_[std::string(fault.name)];
      }
      ++count_[std::string(fault.name)];
      windows_.emplace_back(picture, at_picture() + kAfter);
      memory_ = std::max(memory_, rig_->resident_kib());
      fmt::print(stderr, "{:8.1f} s  {} at picture {}, over at {}\n", seconds(monotonic_now() - (end - length)),
                 fault.name, picture, at_picture());
    }
    note_losses();
    const auto report = rig_->client().stop(name_);
    REQUIRE(report);
    note_losses(nlohmann::json::parse(*report).at("dropped").get<std::uint64_t>());
    stolen_ = stolen_seconds() - stolen;
  }

  /// Reads every file back; numbers may be left out once per outage of the source, in a cut-off file's last second, and
  /// where the session said that the machine was too slow.
  nlohmann::json judge() {
    nlohmann::json files = nlohmann::json::array();
    std::set<std::pair<std::uint32_t, std::uint32_t>> own_jumps;
    for (const std::string& file : files_to_read()) {
      auto decoder = Decoder::open(file);
      const std::string name = std::filesystem::path(file).filename().string();
      const bool beside = name.starts_with(kBeside);
      INFO(file);
      REQUIRE(decoder);
      const auto report = check_frames(std::move(*decoder), {});
      REQUIRE(report);
      CHECK(report->decode_errors == 0);
      CHECK(report->marked == report->frames);
      CHECK(report->out_of_order == 0);
      CHECK(report->pts_not_rising == 0);
      frames_ += report->frames;
      nlohmann::json jumps = nlohmann::json::array();
      for (const FrameReport::Jump& jump : report->jumps) {
        // A file that was cut off by SIGKILL ends with pictures that follow others which were still to come.
        const bool cut_off = jump.seconds >= report->last_seconds - kCutOff;
        const std::uint32_t missing = jump.to - jump.from - 1;
        // One more may have been sent after they were counted.
        if (!cut_off && missing >= kGap - 1 && !beside) ++jumps_;
        if (!cut_off && missing < kGap - 1 && !beside) {
          missing_ += missing;
          if (!near_a_fault(jump)) missing_outside_ += missing;
        }
        // What a sink beside lacks, the session's own file lacks too.
        if (beside) CHECK(own_jumps.contains({jump.from, jump.to}));
        own_jumps.emplace(jump.from, jump.to);
        jumps.push_back(fmt::format("{:.2f} s: {} to {}", jump.seconds, jump.from, jump.to));
      }
      files.push_back({{"file", name}, {"frames", report->frames}, {"jumps", jumps}});
    }
    CHECK(jumps_ <= outages_);
    CHECK(missing_ <= dropped_);
    nlohmann::json recovery;
    for (auto& [name, times] : recovery_) {
      std::ranges::sort(times);
      recovery[name] = {{"count", count_[name]}};
      if (times.empty()) continue;
      recovery[name]["p50_s"] = times[times.size() / 2];
      recovery[name]["max_s"] = times.back();
    }
    return {{"frames", frames_},
            {"jumps", jumps_},
            {"outages_of_the_source", outages_},
            {"missing_elsewhere", missing_},
            {"missing_outside_of_faults", missing_outside_},
            {"processor_seconds_stolen", stolen_},
            {"said_to_be_dropped", dropped_},
            {"faults", recovery},
            {"daemon_rss_kib", memory_},
            {"files", files}};
  }

 private:
  struct Fault {
    std::string_view name;
    void (Soak::*cause)();
    bool outage;  ///< the session has to recover
    bool ours;    ///< the repair is the daemon's too: time counts from the fault on
  };

  [[nodiscard]] bool near_a_fault(const FrameReport::Jump& jump) const {
    return std::ranges::any_of(windows_, [&](const auto& w) { return jump.to > w.first && jump.from < w.second; });
  }
  /// Those of the sessions first.
  [[nodiscard]] std::vector<std::string> files_to_read() const {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(rig_->path(""))) {
      if (entry.path().extension() == ".mkv") files.push_back(entry.path().string());
    }
    std::ranges::sort(files, std::greater{});
    static_assert(kBeside < kFiles);
    return files;
  }
  /// The number of the newest picture.
  [[nodiscard]] std::uint32_t at_picture() const { return number_ + static_cast<std::uint32_t>(producer_->sent()); }

  std::size_t pick(std::size_t count) { return std::uniform_int_distribution<std::size_t>(0, count - 1)(random_); }

  void produce() {
    ProducerOptions options;
    options.size = kSize;
    options.rate = kRate;
    options.first_number = number_;
    auto producer = TestProducer::create(options);
    REQUIRE(producer);
    producer_ = *std::move(producer);
  }
  void unproduce() {
    number_ += static_cast<std::uint32_t>(producer_->sent()) + kGap;
    producer_.reset();
  }
  void begin() {
    name_ =
        rig_->start(fmt::format("{}-{}.mkv", kFiles, ++sessions_), {{"source", std::string("node:zerocast-test"), {}},
                                                                    {"bitrate", std::string("4M"), {}},
                                                                    {"name", std::string("soak"), {}}});
  }
  /// Waits until pictures of the source come again.
  void records_on() {
    const double captured = figure(rig_->wait_for_state(name_, "recording"), "frames_captured");
    rig_->wait_for(name_, [&](const SessionView& one) {
      return one.state == "recording" && figure(one, "frames_captured") != captured &&
             figure(one, "encoder_frames_per_second") > 0;
    });
  }

  /// What the session itself says that it lost; its process counts from nothing when it begins anew.
  void note_losses() {
    const auto session = rig_->client().session(name_);
    REQUIRE(session);
    note_losses(
        static_cast<std::uint64_t>(figure(*session, "frames_dropped_slow") + figure(*session, "frames_dropped_ring")));
  }
  void note_losses(std::uint64_t now) {
    dropped_ += now >= dropped_before_ ? now - dropped_before_ : now;
    dropped_before_ = now;
  }

  void end_process_by(int signal) {
    REQUIRE(::kill(process_of(name_), signal) == 0);
    dropped_before_ = 0;
  }
  void kill_session() { end_process_by(SIGKILL); }
  void hang_session() { end_process_by(SIGSTOP); }
  void kill_daemon() {
    const pid_t session = process_of(name_);
    rig_->process().end(true);
    CHECK(eventually([&] { return ::kill(session, 0) != 0; }));  // completes its file
    dropped_before_ = 0;
    rig_->start_daemon();
    begin();
  }
  void lose_source() {
    unproduce();
    ++outages_;
    rig_->wait_for_state(name_, "reconnecting");
    produce();
  }
  void restart_pipewire() {
    pipewire_->kill_daemon();
    unproduce();
    ++outages_;
    rig_->wait_for_state(name_, "reconnecting");
    REQUIRE(pipewire_->restart());
    produce();
  }
  void restart_bus() {
    rig_->bus().kill();
    REQUIRE(rig_->bus().restart());
    rig_->connect();
  }
  void change_bitrate() { CHECK(rig_->client().reconfigure(name_, {{"bitrate", std::int64_t{2'000'000}, {}}})); }
  void add_and_remove_sink() {
    const std::string file = rig_->path(fmt::format("{}-{}.mkv", kBeside, ++sides_));
    CHECK(rig_->client().call(name_, "AddSink", file));
    std::this_thread::sleep_for(2s);
    CHECK(rig_->client().call(name_, "RemoveSink", file));
  }
  void pause_and_resume() {
    ++outages_;
    CHECK(rig_->client().call(name_, "Pause"));
    std::this_thread::sleep_for(1s);
    CHECK(rig_->client().call(name_, "Resume"));
  }
  void refuse_configuration() {
    rig_->write_config("[daemon]\nmax-sessions = \"many\"\n");
    CHECK_FALSE(rig_->client().reload());
    rig_->write_config("");
    CHECK(rig_->client().reload());
  }

  static constexpr std::array<Fault, 10> kFaults{{
      {"session_killed", &Soak::kill_session, true, true},
      {"session_hangs", &Soak::hang_session, true, true},
      {"daemon_killed", &Soak::kill_daemon, true, true},
      {"source_lost", &Soak::lose_source, true, false},
      {"pipewire_restarted", &Soak::restart_pipewire, true, false},
      {"bus_restarted", &Soak::restart_bus, true, true},
      {"bitrate_changed", &Soak::change_bitrate, false, false},
      {"sink_added_and_removed", &Soak::add_and_remove_sink, false, false},
      {"paused_and_resumed", &Soak::pause_and_resume, true, false},
      {"configuration_refused", &Soak::refuse_configuration, false, false},
  }};

  std::mt19937 random_;
  std::unique_ptr<PrivatePipeWire> pipewire_;
  std::unique_ptr<TestProducer> producer_;
  std::unique_ptr<DaemonRig> rig_;
  std::string name_;
  std::uint32_t number_ = 0;
  unsigned sessions_ = 0;
  unsigned sides_ = 0;
  std::uint64_t outages_ = 0;
  std::uint64_t frames_ = 0;
  std::uint64_t jumps_ = 0;            ///< as wide as an outage
  std::uint64_t missing_ = 0;          ///< numbers left out elsewhere
  std::uint64_t missing_outside_ = 0;  ///< of these, those that no fault is near
  double stolen_ = 0;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> windows_;  ///< of the faults, in pictures' numbers
  std::uint64_t dropped_ = 0;
  std::uint64_t dropped_before_ = 0;
  std::uint64_t memory_ = 0;
  std::map<std::string, std::vector<double>> recovery_;
  std::map<std::string, unsigned> count_;
};

unsigned number_from(const char* variable, unsigned otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr || *text == '\0' ? otherwise : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
}

}  // namespace

TEST_CASE("nothing is lost or damaged outside the faults") {
  const unsigned seed = number_from("ZEROCAST_SOAK_SEED", std::random_device{}());
  const unsigned length = number_from("ZEROCAST_SOAK_SECONDS", 60);
  fmt::print(stderr, "seed {}\n", seed);
  Soak soak(seed);
  soak.run(std::chrono::seconds(length));
  nlohmann::json report = soak.judge();
  report["seed"] = seed;
  report["seconds"] = length;
  fmt::print("{}\n", report.dump());
}
