// Calls that overlap, and what callers hear of them.
#include "integration/daemon/daemon_rig.h"

#include "config/names.h"
#include "ipc/bus_types.h"

#include <systemd/sd-bus.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

using namespace zc;
using namespace zc::test;

namespace {

/// Sends calls without waiting for their answers.
class Caller {
 public:
  Caller() { REQUIRE(sd_bus_open_user(&bus_) >= 0); }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;
  ~Caller() { sd_bus_flush_close_unref(bus_); }

  struct Answer {
    std::string text;   ///< of a reply that has one
    std::string error;  ///< its name; empty: none
  };
  /// A method of the session, with a text or nothing.
  void send(const std::string& session, const char* method, const char* text = nullptr) {
    sd_bus_message* raw = nullptr;
    const std::string path = std::string(kManagerPath) + "/sessions/" + session;
    REQUIRE(sd_bus_message_new_method_call(bus_, &raw, kBusName, path.c_str(), kSessionInterface, method) >= 0);
    const bus::MessagePtr message(raw);
    if (text != nullptr) REQUIRE(sd_bus_message_append(raw, "s", text) >= 0);
    REQUIRE(sd_bus_call_async(bus_, nullptr, raw, &Caller::answered, this, 60'000'000) >= 0);
    ++sent_;
  }
  /// All that was sent, in the order of their arrival.
  std::vector<Answer> answers() {
    const auto deadline = monotonic_now() + std::chrono::seconds(60);
    while (answers_.size() < sent_ && monotonic_now() < deadline) {
      if (sd_bus_process(bus_, nullptr) == 0) sd_bus_wait(bus_, 100'000);
    }
    REQUIRE(answers_.size() == sent_);
    return answers_;
  }

  /// Follows the manager's property "Sessions".
  void watch_sessions() {
    REQUIRE(sd_bus_match_signal(bus_, nullptr, kBusName, kManagerPath, "org.freedesktop.DBus.Properties",
                                "PropertiesChanged", &Caller::changed, this) >= 0);
  }
  /// What it said last.
  std::vector<std::string> sessions(unsigned changes) {
    const auto deadline = monotonic_now() + std::chrono::seconds(60);
    while (changes_ < changes && monotonic_now() < deadline) {
      if (sd_bus_process(bus_, nullptr) == 0) sd_bus_wait(bus_, 100'000);
    }
    REQUIRE(changes_ >= changes);
    return sessions_;
  }

 private:
  static int answered(sd_bus_message* reply, void* data, sd_bus_error* /*error*/) {
    auto& self = *static_cast<Caller*>(data);
    Answer answer;
    if (const sd_bus_error* error = sd_bus_message_get_error(reply)) {
      answer.error = error->name;
    } else if (const char* text = nullptr; sd_bus_message_read(reply, "s", &text) > 0) {
      answer.text = text;
    }
    self.answers_.push_back(std::move(answer));
    return 0;
  }
  static int changed(sd_bus_message* m, void* data, sd_bus_error* /*error*/) {
    auto& self = *static_cast<Caller*>(data);
    if (sd_bus_message_skip(m, "s") < 0 || sd_bus_message_enter_container(m, 'a', "{sv}") < 0) return 0;
    while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
      const char* name = nullptr;
      if (sd_bus_message_read(m, "s", &name) < 0) return 0;
      if (std::string_view(name) == "Sessions") {
        self.sessions_.clear();
        ++self.changes_;
        if (sd_bus_message_enter_container(m, 'v', "ao") < 0 || sd_bus_message_enter_container(m, 'a', "o") < 0) {
          return 0;
        }
        const char* path = nullptr;
        while (sd_bus_message_read_basic(m, 'o', static_cast<void*>(&path)) > 0) self.sessions_.emplace_back(path);
        return 0;
      }
      if (sd_bus_message_skip(m, "v") < 0 || sd_bus_message_exit_container(m) < 0) return 0;
    }
    return 0;
  }

  sd_bus* bus_ = nullptr;
  std::size_t sent_ = 0;
  std::vector<Answer> answers_;
  unsigned changes_ = 0;
  std::vector<std::string> sessions_;
};

}  // namespace

TEST_CASE("an impatient second Stop joins the first, and the file is whole") {
  DaemonRig rig;
  const std::string name = rig.start("whole.mkv", {{"name", std::string("whole"), {}}});
  rig.wait_for(name, [](const SessionView& one) { return figure(one, "encoder_frames") >= 30; });
  Caller caller;
  for (int i = 0; i < 3; ++i) caller.send(name, "Stop");
  const auto answers = caller.answers();
  for (const Caller::Answer& answer : answers) {
    CHECK(answer.error.empty());
    CHECK(answer.text == answers.front().text);
  }
  const auto report = nlohmann::json::parse(answers.front().text);
  CHECK(report["end"] == "stopped");
  CHECK(check_file(rig.path("whole.mkv")).frames == report["frames"]);
  CHECK(rig.client().sessions()->empty());
}

TEST_CASE("max-sinks holds for calls that overlap") {
  DaemonRig rig("[daemon]\nmax-sinks = 3\n");
  const std::string name = rig.start("first.mkv", {{"name", std::string("many"), {}}});
  Caller caller;
  for (int i = 0; i < 8; ++i) caller.send(name, "AddSink", rig.path(std::to_string(i) + ".mkv").c_str());
  const auto answers = caller.answers();
  CHECK(std::ranges::count(answers, "", &Caller::Answer::error) == 2);
  CHECK(rig.client().session(name)->sinks.size() == 3);
  // One that is refused makes no place, and takes none.
  CHECK(rig.client().call(name, "AddSink", rig.path("late.mkv")).error().kind == ErrorKind::Busy);
  REQUIRE(rig.client().call(name, "RemoveSink", rig.path("first.mkv")));
  CHECK(rig.client().call(name, "AddSink", rig.path("nowhere/a.mkv")).error().kind != ErrorKind::Busy);
  CHECK(rig.client().call(name, "AddSink", rig.path("late.mkv")));
}

TEST_CASE("who hears that the sessions have changed hears it of those there are") {
  DaemonRig rig;
  Caller caller;
  caller.watch_sessions();
  const std::string name = rig.start("one.mkv", {{"name", std::string("one"), {}}});
  CHECK(caller.sessions(1).size() == 1);
  REQUIRE(rig.client().stop(name));
  CHECK(caller.sessions(2).empty());
}

TEST_CASE("numbers that are none are refused at once") {
  DaemonRig rig;
  const std::string name = rig.start("numbers.mkv");
  for (const double wrong : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    for (const char* key : {"fps", "bitrate", "min-fps", "replay-seconds"}) {
      CAPTURE(key, wrong);
      const auto refused = rig.client().reconfigure(name, {{key, wrong, {}}});
      REQUIRE_FALSE(refused);
      CHECK(refused.error().kind == ErrorKind::Invalid);
      const auto unstarted = rig.client().start({{"sinks", std::vector{rig.path("a.mkv")}, {}}, {key, wrong, {}}});
      REQUIRE_FALSE(unstarted);
      CHECK(unstarted.error().kind == ErrorKind::Invalid);
      CHECK(unstarted.error().detail.find("is not a number") != std::string::npos);
    }
  }
  CHECK(rig.client().sessions()->size() == 1);
}
