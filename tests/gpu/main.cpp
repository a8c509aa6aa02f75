// zerocast-gpu-check: what this machine's GPU does right and wrong, as JSON.
//
//   zerocast-gpu-check run [--software] [--probe PROGRAM] [--bench PROGRAM]    every check, each in a process of its
//   own zerocast-gpu-check check NAME [--software]                                 one check: 0 passed, 1 failed, 77
//   skipped zerocast-gpu-check list
//
// --software: a software renderer counts as a GPU (for tests). --probe, --bench: zerocast and zerocast-gpu-bench, whose
// reports become part of it. Exit code of `run`: 0 when nothing failed, 1 when something did, 77 without a GPU.
#include "base/log.h"
#include "gpu/check.h"
#include "media/av_log.h"
#include "probe/child.h"
#include "probe/collect.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace zc;
using namespace zc::gpu_check;

constexpr int kUsage = 2;
constexpr int kSkipped = 77;  // CTest and automake: skipped
constexpr Nanoseconds kCheckLimit = std::chrono::seconds(120);
constexpr Nanoseconds kProgramLimit = std::chrono::seconds(300);

struct Arguments {
  std::string command;
  std::string name;
  bool software = false;
  std::string probe;
  std::string bench;
};

std::vector<CheckRow> all_checks() {
  std::vector<CheckRow> rows;
  for (const auto part : {vulkan_checks(), layer_checks(), sharing_checks(), pool_checks(), coding_checks()}) {
    rows.insert(rows.end(), part.begin(), part.end());
  }
  return rows;
}

std::string_view word(Outcome::Verdict verdict) {
  switch (verdict) {
    case Outcome::Verdict::Passed: return "passed";
    case Outcome::Verdict::Failed: return "failed";
    case Outcome::Verdict::Skipped: return "skipped";
  }
  return "failed";
}

std::string text_of(const Json& json, int indent = -1) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Outcome run_check(const CheckRow& row, bool software) {
  auto device = VulkanDevice::open({.use = VulkanUse::Export, .software = software});
  if (!device) return outcome_of(device.error());
  return row.run({.software = software, .device = *device});
}

int check(const Arguments& arguments) {
  const std::vector<CheckRow> rows = all_checks();
  const auto row = std::ranges::find(rows, std::string_view(arguments.name), &CheckRow::name);
  if (row == rows.end()) {
    fmt::print(stderr, "zerocast-gpu-check: there is no check '{}'\n", arguments.name);
    return kUsage;
  }
  const Outcome outcome = run_check(*row, arguments.software);
  const std::string text = text_of(Json{{"check", row->name},
                                        {"result", word(outcome.verdict)},
                                        {"reason", outcome.reason},
                                        {"figures", outcome.figures}}) +
                           "\n";
  // The parent reads it there; a person on stdout.
  const bool child = ::fcntl(probe::kAnswerFd, F_GETFD) >= 0 && std::getenv("ZEROCAST_GPU_CHECK_CHILD") != nullptr;
  if (::write(child ? probe::kAnswerFd : STDOUT_FILENO, text.data(), text.size()) < 0) return 1;
  switch (outcome.verdict) {
    case Outcome::Verdict::Passed: return 0;
    case Outcome::Verdict::Failed: return 1;
    case Outcome::Verdict::Skipped: break;
  }
  return kSkipped;
}

/// The report of one check in a process of its own.
Json checked(const CheckRow& row, const Arguments& arguments) {
  fmt::print(stderr, "==> {}: {}\n", row.name, row.what);
  std::vector<std::string> words = probe::loader_words("run");
  words.insert(words.end(), {"check", std::string(row.name)});
  if (arguments.software) words.emplace_back("--software");
  const Nanoseconds start = monotonic_now();
  const auto child = probe::run_child("/proc/self/exe", words, kCheckLimit);
  Json report{{"check", row.name}, {"result", "failed"}, {"reason", ""}, {"figures", Json::object()}};
  if (!child) {
    report["reason"] = child.error().message();
  } else if (Json answer = Json::parse(child->answer, nullptr, false); answer.is_object()) {
    report = std::move(answer);
    // A driver that falls over at its end is told as well.
    if (child->end != probe::ChildResult::End::Exited) {
      report["result"] = "failed";
      report["reason"] = "gave its answer and then " + child->trouble(kCheckLimit);
    }
  } else {
    report["reason"] = child->trouble(kCheckLimit);
  }
  if (child && report["result"] == "failed") report["log"] = child->log;
  report["seconds"] = static_cast<double>((monotonic_now() - start).count()) / 1e9;
  fmt::print(stderr, "    {}{}{}\n", report["result"].get<std::string>(), report["reason"] == "" ? "" : ": ",
             report["reason"].get<std::string>());
  return report;
}

/// What another program prints, as JSON; null with a line on stderr when it is none.
Json output_of(const std::vector<std::string>& command) {
  fmt::print(stderr, "==> {}\n", fmt::join(command, " "));
  std::vector<std::string> words{"-c", "exec \"$@\" >&3", "sh"};
  words.insert(words.end(), command.begin(), command.end());
  const auto child = probe::run_child("/bin/sh", words, kProgramLimit);
  if (!child) return nullptr;
  Json json = Json::parse(child->answer, nullptr, false);
  if (!json.is_discarded()) return json;
  fmt::print(stderr, "    {}\n{}\n", child->trouble(kProgramLimit), child->log);
  return nullptr;
}

std::string now_text() {
  std::array<char, 32> text{};
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text.data();
}

int run(const Arguments& arguments) {
  const auto device = VulkanDevice::open({.use = VulkanUse::Export, .software = arguments.software});
  if (!device) {
    fmt::print(stderr, "zerocast-gpu-check: {}\n", device.error().message());
    return device.error().kind == ErrorKind::Unsupported ? kSkipped : 1;
  }
  const VulkanGpu& gpu = (*device)->gpu();
  ::setenv("ZEROCAST_GPU_CHECK_CHILD", "1", 1);
  Json report{{"date", now_text()}, {"device", gpu.name}, {"driver", gpu.driver}, {"checks", Json::array()}};
  std::array<int, 3> counts{};
  for (const CheckRow& row : all_checks()) {
    Json one = checked(row, arguments);
    const std::string result = one["result"];
    ++counts.at(result == "passed" ? 0 : result == "failed" ? 1 : 2);
    report["checks"].push_back(std::move(one));
  }
  report["passed"] = counts[0];
  report["failed"] = counts[1];
  report["skipped"] = counts[2];
  if (!arguments.bench.empty()) report["bench"] = output_of({arguments.bench});
  if (!arguments.probe.empty()) report["probe"] = output_of({arguments.probe, "zerocopy-probe", "--json"});
  fmt::print("{}\n", text_of(report, 1));
  fmt::print(stderr, "{} passed, {} failed, {} skipped\n", counts[0], counts[1], counts[2]);
  return counts[1] == 0 ? 0 : 1;
}

int list() {
  for (const CheckRow& row : all_checks()) fmt::print("{:<15} {}\n", row.name, row.what);
  return 0;
}

std::optional<Arguments> parse(const std::vector<std::string>& words) {
  Arguments arguments;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& text = words[i];
    const bool more = i + 1 < words.size();
    if (text == "--software") {
      arguments.software = true;
    } else if (text == "--probe" && more) {
      arguments.probe = words[++i];
    } else if (text == "--bench" && more) {
      arguments.bench = words[++i];
    } else if (text.starts_with('-')) {
      return std::nullopt;
    } else if (arguments.command.empty()) {
      arguments.command = text;
    } else if (arguments.name.empty()) {
      arguments.name = text;
    } else {
      return std::nullopt;
    }
  }
  return arguments;
}

int dispatch(const std::vector<std::string>& words) {
  const auto arguments = parse(words);
  if (arguments && arguments->command == "list") return list();
  if (arguments && arguments->command == "run") return run(*arguments);
  if (arguments && arguments->command == "check") return check(*arguments);
  if (arguments && arguments->command == "export-memory") {
    int socket = -1;
    std::from_chars(arguments->name.data(), arguments->name.data() + arguments->name.size(), socket);
    return export_memory(socket, arguments->software);
  }
  fmt::print(stderr,
             "usage: zerocast-gpu-check run|check NAME|list [--software] [--probe PROGRAM] [--bench PROGRAM]\n");
  return kUsage;
}

}  // namespace

int main(int count, char** words) {
  try {
    init_logging();
    spdlog::set_level(spdlog::level::warn);
    set_ffmpeg_logging(false);
    return dispatch(std::vector<std::string>(words + std::min(count, 1), words + count));
  } catch (const std::exception& error) {
    fmt::print(stderr, "zerocast-gpu-check: {}\n", error.what());
    return 1;
  }
}
