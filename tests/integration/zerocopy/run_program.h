#pragma once

#include "base/clock.h"
#include "support/child_process.h"
#include "tools/decode.h"
#include "tools/frame_report.h"

#include <catch2/catch_test_macros.hpp>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

namespace zc::test {

/// Runs a program that records into `file` until there is enough in that, or for two minutes, and lets it finish.
/// Returns what it said. How long that takes is the machine's business: it may compile shaders first.
inline std::string run_until(const std::vector<std::string>& command, const std::filesystem::path& log,
                             const std::string& file,
                             const std::function<bool(const FrameReport& file, const std::string& words)>& enough) {
  const auto words = [&] {
    std::ifstream in(log);
    return std::string{std::istreambuf_iterator<char>(in), {}};
  };
  const auto is_enough = [&] {
    if (!std::filesystem::exists(file)) return false;
    auto decoder = Decoder::open(file);
    const auto report = decoder ? check_frames(std::move(*decoder), {}) : std::unexpected(decoder.error());
    return report && enough(*report, words());
  };
  auto child = ChildProcess::start(command, log);
  REQUIRE(child);
  for (const Nanoseconds deadline = monotonic_now() + std::chrono::minutes(2);
       child->running() && monotonic_now() < deadline && !is_enough();) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  if (child->running()) ::kill(child->pid(), SIGINT);
  for (const Nanoseconds deadline = monotonic_now() + std::chrono::minutes(2);
       child->running() && monotonic_now() < deadline;) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  CHECK_FALSE(child->running());
  return words();
}

}  // namespace zc::test
