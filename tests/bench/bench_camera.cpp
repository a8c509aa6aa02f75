// What a virtual camera costs: `zerocast-camera-bench ZEROCAST WxH RATE SECONDS` shows the test pattern as a camera in
// a private PipeWire, reads it in each format, and prints one JSON object: CPU time per picture of the camera's
// threads, the time from the producer's stamp to the reader, and the threads' wakeups while nobody reads.
#include "support/camera_reader.h"
#include "support/child_process.h"
#include "support/private_pipewire.h"
#include "support/temporary_folder.h"

#include <spa/param/video/raw.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <thread>
#include <vector>

using namespace zc;
using namespace zc::test;
using namespace std::chrono_literals;

namespace {

/// Of the program's threads that serve a camera: PipeWire's and the sink's.
struct Figures {
  std::uint64_t cpu_ns = 0;
  std::uint64_t wakeups = 0;
};

Figures figures_of(pid_t pid) {
  Figures all;
  std::error_code unknown;
  for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", unknown)) {
    std::string name;
    std::ifstream(task.path() / "comm") >> name;
    if (!name.starts_with("zc-pipewire") && !name.starts_with("data-loop")) continue;
    std::uint64_t cpu = 0;
    std::ifstream(task.path() / "schedstat") >> cpu;
    all.cpu_ns += cpu;
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      constexpr std::string_view kField = "voluntary_ctxt_switches:";
      if (line.starts_with(kField)) all.wakeups += std::stoull(line.substr(kField.size()));
    }
  }
  return all;
}

double quantile(std::vector<double> values, double part) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return values[std::min(values.size() - 1, static_cast<std::size_t>(part * static_cast<double>(values.size())))];
}

struct Format {
  const char* name;
  std::uint32_t id;
};
constexpr std::array kFormats{Format{"NV12", SPA_VIDEO_FORMAT_NV12}, Format{"I420", SPA_VIDEO_FORMAT_I420},
                              Format{"YUY2", SPA_VIDEO_FORMAT_YUY2}, Format{"BGRx", SPA_VIDEO_FORMAT_BGRx}};

int fail_with(const std::string& text) {
  std::fprintf(stderr, "%s\n", text.c_str());
  return 1;
}

int run(std::span<char*> arguments) {
  if (arguments.size() != 5) return fail_with("usage: zerocast-camera-bench ZEROCAST WxH RATE SECONDS");
  const auto seconds = std::chrono::seconds(std::stoul(arguments[4]));
  const TemporaryFolder folder;
  const auto server = PrivatePipeWire::start();
  if (!server) return fail_with(server.error().message());
  const std::string source = std::string("test:") + arguments[2] + "@" + arguments[3];
  auto camera = ChildProcess::start({arguments[1], "camera", "--quiet", "--name", "bench", "--source", source},
                                    folder.file("log"));
  if (!camera) return fail_with(camera.error().message());
  for (int tries = 0; cameras_named("bench") != 1; ++tries) {
    if (tries == 1000) return fail_with("there is no camera:\n" + folder.read("log"));
    std::this_thread::sleep_for(10ms);
  }
  nlohmann::ordered_json result{{"size", arguments[2]}, {"rate", std::stoul(arguments[3])}};
  for (const Format& format : kFormats) {
    CameraReader reader({.camera = "bench", .formats = {format.id}, .most_rate = {}});
    if (!reader.wait_for(30)) return fail_with("the camera gives no pictures: " + reader.error());
    const std::size_t first = reader.pictures().size();
    const Figures before = figures_of(camera->pid());
    std::this_thread::sleep_for(seconds);
    const Figures after = figures_of(camera->pid());
    const std::vector<ReadPicture> all = reader.pictures();
    std::vector<double> delays;
    for (const ReadPicture& one : std::span(all).subspan(first)) {
      delays.push_back(static_cast<double>(one.arrived - one.pts) / 1e6);
    }
    result["formats"].push_back(
        {{"format", format.name},
         {"pictures", delays.size()},
         {"cpu_ms_per_picture", static_cast<double>(after.cpu_ns - before.cpu_ns) / 1e6 /
                                    static_cast<double>(std::max<std::size_t>(1, delays.size()))},
         {"delay_p50_ms", quantile(delays, 0.5)},
         {"delay_p99_ms", quantile(delays, 0.99)}});
  }
  // The session manager takes the format back some seconds after the last reader has gone.
  std::this_thread::sleep_for(8s);
  const Figures before = figures_of(camera->pid());
  std::this_thread::sleep_for(seconds);
  result["wakeups_without_readers"] = figures_of(camera->pid()).wakeups - before.wakeups;
  std::printf("%s\n", result.dump().c_str());
  return 0;
}

}  // namespace

int main(int count, char** words) {
  try {
    return run({words, static_cast<std::size_t>(count)});
  } catch (const std::exception& error) {
    return fail_with(error.what());
  }
}
