// What the parts of zerocast-gpu-bench share: ways to make a picture, measured by turns.
#pragma once

#include "base/clock.h"
#include "base/error.h"

#include <nlohmann/json.hpp>

#include <chrono>
#include <functional>
#include <type_traits>
#include <utility>
#include <vector>

namespace zc::bench {

inline constexpr Nanoseconds kTimeout = std::chrono::seconds(5);
inline constexpr int kNoGpu = 77;  // CTest and automake: skipped

/// Ends the program with the error on stderr.
[[noreturn]] void give_up(const Error& error);
template <class T>
T need(Result<T> result) {
  if (!result) give_up(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// One way to bring a frame over, and what it cost.
struct Way {
  const char* name;
  std::function<void()> frame;
  std::function<void()> check = [] {};  ///< that the last frame is right; ends the run when not
  std::vector<double> us{};             ///< of every call
  std::vector<double> turn_median_us{}, turn_cpu_us{};
};

[[nodiscard]] double quantile(std::vector<double> values, double part);
/// `count` calls one after another, each waited for.
void take_turn(Way& way, int count);
/// By turns, so that a machine whose clocks change meanwhile changes all of them.
void measure(std::vector<Way>& ways, int turns, int count);
[[nodiscard]] nlohmann::json figures(const Way& way);
/// Median over the turns of one's part of the other.
[[nodiscard]] double ratio(const std::vector<double>& part, const std::vector<double>& of);
[[nodiscard]] nlohmann::json measure_one(int count, std::function<void()> frame);

}  // namespace zc::bench
