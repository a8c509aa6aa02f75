// What nobody should send, and how the daemon stays as it was.
#include "integration/daemon/daemon_rig.h"

#include "config/names.h"
#include "ipc/bus_types.h"

#include <systemd/sd-bus.h>

#include <array>
#include <memory>
#include <random>

using namespace zc;
using namespace zc::test;

namespace {

struct BusUnref {
  void operator()(sd_bus* bus) const { sd_bus_flush_close_unref(bus); }
};
using BusPtr = std::unique_ptr<sd_bus, BusUnref>;

// Mostly such as cost nothing: StartSession asks a process of its own whether settings are right.
constexpr std::array kManagerMethods{"StartSession", "NoSuchMethod", "Stop",   "Peer",   "Quit", "Start",
                                     "ListSource",   "Version",      "Reoald", "Encode", "a",    "Z"};
constexpr std::array kSessionMethods{"Stop",       "Pause",      "Resume",   "RequestKeyframe", "AddSink",
                                     "RemoveSink", "SaveReplay", "Snapshot", "Reconfigure",     "Nothing"};
constexpr std::array kNames{"sinks", "codec",     "source",         "fps", "bitrate",  "name", "template",
                            "live",  "autostart", "replay-seconds", "",    "\xc3\xa9", "size"};

class Caller {
 public:
  explicit Caller(unsigned seed) : random_(seed) {
    sd_bus* bus = nullptr;
    REQUIRE(sd_bus_open_user(&bus) >= 0);
    bus_.reset(bus);
  }

  /// One random call; every one must be answered.
  void call(const std::string& session) {
    const bool manager = pick(2) == 0;
    const std::string path = manager ? kManagerPath : std::string(kManagerPath) + "/sessions/" + session;
    const char* method = manager ? kManagerMethods.at(pick(kManagerMethods.size()))
                                 : kSessionMethods.at(1 + pick(kSessionMethods.size() - 1));  // all but Stop
    sd_bus_message* raw = nullptr;
    REQUIRE(sd_bus_message_new_method_call(bus_.get(), &raw, kBusName, path.c_str(),
                                           manager ? kManagerInterface : kSessionInterface, method) >= 0);
    const bus::MessagePtr message(raw);
    append(raw);
    sd_bus_error error = SD_BUS_ERROR_NULL;
    sd_bus_message* answer = nullptr;
    const int r = sd_bus_call(bus_.get(), raw, 60'000'000, &error, &answer);
    if (r >= 0) ++answered;
    if (sd_bus_error_has_name(&error, SD_BUS_ERROR_NO_REPLY) > 0) ++unanswered;
    sd_bus_message_unref(answer);
    sd_bus_error_free(&error);
  }
  unsigned answered = 0;
  unsigned unanswered = 0;

 private:
  std::size_t pick(std::size_t count) { return std::uniform_int_distribution<std::size_t>(0, count - 1)(random_); }
  std::string text() {
    std::string result;
    for (std::size_t i = pick(40); i > 0; --i) result += static_cast<char>(1 + pick(126));
    return result;
  }
  void append(sd_bus_message* m) {
    switch (pick(6)) {
      case 0: return;
      case 1: sd_bus_message_append(m, "s", text().c_str()); return;
      case 2: sd_bus_message_append(m, "x", static_cast<std::int64_t>(random_())); return;
      case 3:
        sd_bus_message_append(m, "uu", static_cast<std::uint32_t>(random_()), static_cast<std::uint32_t>(pick(3)));
        return;
      default: break;
    }
    REQUIRE(sd_bus_message_open_container(m, 'a', "{sv}") >= 0);
    for (std::size_t i = pick(6); i > 0; --i) {
      const char* name = kNames.at(pick(kNames.size()));
      switch (pick(6)) {
        case 0: sd_bus_message_append(m, "{sv}", name, "s", text().c_str()); break;
        case 1: sd_bus_message_append(m, "{sv}", name, "b", static_cast<int>(pick(2))); break;
        case 2: sd_bus_message_append(m, "{sv}", name, "t", ~std::uint64_t{0}); break;
        case 3: sd_bus_message_append(m, "{sv}", name, "d", 1e300); break;
        case 4: sd_bus_message_append(m, "{sv}", name, "as", 2, "relative", text().c_str()); break;
        default: sd_bus_message_append(m, "{sv}", name, "(si)", "x", 3); break;
      }
    }
    sd_bus_message_close_container(m);
  }

  std::mt19937 random_;
  BusPtr bus_;
};

}  // namespace

TEST_CASE("ten thousand malformed and random calls: the daemon serves on and has not grown") {
  DaemonRig rig("", {"env", "HOME={}"});  // a picture without a name goes there
  const std::string name = rig.start("steady.mkv", {{"name", std::string("steady"), {}}});
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  Caller caller(seed);
  for (int i = 0; i < 500; ++i) caller.call(name);  // warm
  const std::uint64_t files = rig.open_files();
  const std::uint64_t memory = rig.resident_kib();
  for (int i = 0; i < 9'500; ++i) caller.call(name);
  CHECK(caller.unanswered == 0);
  REQUIRE(rig.process().running());
  CHECK(eventually([&] { return rig.open_files() <= files + 2; }));
  if (kMemoryCounts) CHECK(rig.resident_kib() <= memory + 2048);
  CHECK(rig.client().session(name)->state != "failed");
  REQUIRE(rig.client().call(name, "Resume"));
  rig.wait_for_state(name, "recording");
  REQUIRE(rig.client().stop(name));
  check_file(rig.path("steady.mkv"));
}
