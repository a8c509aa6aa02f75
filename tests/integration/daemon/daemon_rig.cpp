#include "integration/daemon/daemon_rig.h"

#include "config/names.h"

#include <systemd/sd-bus.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>
#include <utility>

namespace zc::test {

using namespace std::chrono_literals;

Answer run(DaemonRig& rig, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), ZEROCAST_PROGRAM);
  const std::string log = rig.path("command.log");
  std::filesystem::remove(log);
  auto process = ChildProcess::start(arguments, log);
  REQUIRE(process);
  REQUIRE(eventually([&] { return !process->running(); }));
  std::ifstream file(log);
  return {.exit_code = process->exit_code(), .text = {std::istreambuf_iterator<char>(file), {}}};
}

bool eventually(const std::function<bool()>& good) {
  const Nanoseconds deadline = monotonic_now() + 60s;
  while (!good()) {
    if (monotonic_now() > deadline) return false;
    std::this_thread::sleep_for(20ms);
  }
  return true;
}

DaemonRig::DaemonRig(const std::string& config, std::vector<std::string> wrapper) : wrapper_(std::move(wrapper)) {
  std::string folder = (std::filesystem::temp_directory_path() / "zerocast-daemon-XXXXXX").string();
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  folder_ = folder;
  auto bus = PrivateBus::start();
  if (!bus) FAIL(bus.error().message());
  bus_ = *std::move(bus);
  if (const char* before = std::getenv("ZEROCAST_CONFIG")) config_before_ = before;
  ::setenv("ZEROCAST_CONFIG", path("zerocast.toml").c_str(), 1);
  write_config(config);
  start_daemon();
}

DaemonRig::~DaemonRig() {
  client_.reset();
  if (process_) process_->end();
  if (config_before_) {
    ::setenv("ZEROCAST_CONFIG", config_before_->c_str(), 1);
  } else {
    ::unsetenv("ZEROCAST_CONFIG");
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void DaemonRig::write_config(const std::string& text) const { std::ofstream(path("zerocast.toml")) << text; }

void DaemonRig::start_daemon() {
  std::vector<std::string> command;
  for (std::string word : wrapper_) {
    if (const auto at = word.find("{}"); at != std::string::npos) word.replace(at, 2, folder_.native());
    command.push_back(std::move(word));
  }
  command.emplace_back(ZEROCAST_DAEMON);
  auto process = ChildProcess::start(command, folder_ / "daemon.log");
  REQUIRE(process);
  process_ = std::move(*process);
  connect();
}

void DaemonRig::connect() {
  const bool answers = eventually([this] {
    auto client = DaemonClient::connect();
    if (!client || !(*client)->sessions()) return !process_->running();
    client_ = *std::move(client);
    return true;
  });
  INFO(log());
  REQUIRE(answers);
  REQUIRE(process_->running());
}

std::string DaemonRig::log() const {
  std::ifstream file(folder_ / "daemon.log");
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string DaemonRig::start(const std::string& file, std::vector<Setting> more) {
  std::vector<Setting> options{{"sinks", std::vector{path(file)}, {}}};
  if (std::ranges::find(more, "source", &Setting::name) == more.end()) {
    options.push_back({"source", std::string("test:320x180@30"), {}});
  }
  options.insert(options.end(), more.begin(), more.end());
  const auto name = client_->start(options);
  INFO(log());
  if (!name) FAIL(name.error().message());
  wait_for_state(*name, "recording");
  return *name;
}

SessionView DaemonRig::wait_for(const std::string& name, const std::function<bool(const SessionView&)>& good) {
  SessionView last;
  const bool came = eventually([&] {
    const auto session = client_->session(name);
    if (session) last = *session;
    return session && good(*session);
  });
  INFO("state " << last.state << ", error " << last.error << "\n" << log());
  REQUIRE(came);
  return last;
}

SessionView DaemonRig::wait_for_state(const std::string& name, const std::string& state) {
  return wait_for(name, [&](const SessionView& session) { return session.state == state; });
}

std::uint64_t DaemonRig::open_files() const {
  const std::filesystem::directory_iterator all("/proc/" + std::to_string(process_->pid()) + "/fd");
  return static_cast<std::uint64_t>(std::distance(begin(all), end(all)));
}

std::uint64_t DaemonRig::resident_kib() const {
  std::ifstream file("/proc/" + std::to_string(process_->pid()) + "/statm");
  std::uint64_t all = 0;
  std::uint64_t resident = 0;
  file >> all >> resident;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 1024;
}

double figure(const SessionView& session, std::string_view name) {
  const auto found = std::ranges::find(session.statistics, name, &Setting::name);
  if (found == session.statistics.end()) return 0;
  if (const auto* real = std::get_if<double>(&found->value)) return *real;
  const auto* whole = std::get_if<std::int64_t>(&found->value);
  return whole == nullptr ? 0 : static_cast<double>(*whole);
}

pid_t process_of(const std::string& session) {
  sd_bus* bus = nullptr;
  REQUIRE(sd_bus_open_user(&bus) >= 0);
  char* path = nullptr;
  REQUIRE(sd_bus_path_encode("/org/zerocast/Daemon1/sessions", session.c_str(), &path) >= 0);
  std::uint32_t pid = 0;
  const int r = sd_bus_get_property_trivial(bus, kBusName, path, kSessionInterface, "Process", nullptr, 'u', &pid);
  std::free(path);
  sd_bus_flush_close_unref(bus);
  REQUIRE(r >= 0);
  return static_cast<pid_t>(pid);
}

FrameReport check_file(const std::string& path) {
  INFO(path);
  auto decoder = Decoder::open(path);
  if (!decoder) FAIL(decoder.error().message());
  const auto report = check_frames(std::move(*decoder), {});
  if (!report) FAIL(report.error().message());
  CHECK(report->decode_errors == 0);
  CHECK(report->marked == report->frames);
  CHECK(report->out_of_order == 0);
  CHECK(report->pts_not_rising == 0);
  return *report;
}

}  // namespace zc::test
