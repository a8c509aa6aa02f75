// test_producers FIXTURE.json CASE: replays a recorded producer on a PipeWire of its own, has `zerocast record` take it
// (by shared memory, as dmabufs, with a pointer that moves, with a new size on the way), and judges what came. Passes
// when all is right, or when it is not and stands in known-failures. test_producers --table: the verdicts of the
// recordings that were made last.
#include "integration/producers/known_failures.h"
#include "integration/producers/verdict.h"
#include "support/child_process.h"
#include "support/private_pipewire.h"
#include "support/test_producer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <set>
#include <stdexcept>
#include <string_view>
#include <thread>

namespace zc::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// Away from the mark in the top left corner and from the right half, whose colours are looked at.
constexpr Point kPointer{20, 250};
/// Of the same shape, so that its marks can be read.
constexpr Size kSmaller{320, 180};
/// A producer that is later than this with a buffer does not keep its rhythm: nothing can be said of times.
constexpr auto kLate = 8ms;

std::string read_all(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// As long as every picture of a producer that rests now and then needs.
std::string recording_seconds(const Rhythm& rhythm) {
  const bool rests = std::ranges::any_of(rhythm.intervals, [](auto interval) { return interval > 1s; });
  return rests ? "6" : "2";
}

/// How a fixture is played and taken.
struct Case {
  std::string_view name;
  bool dmabuf = false;
  bool pointer = false;  ///< moves
  bool resize = false;   ///< on the way
};
constexpr std::array kCases = {Case{"memory"}, Case{.name = "dmabuf", .dmabuf = true},
                               Case{.name = "pointer", .pointer = true}, Case{.name = "resize", .resize = true}};

ProducerOptions screen(const ProducerFixture& fixture, const Case& how) {
  ProducerOptions options = fixture.options;
  options.size = kScreen;
  options.cursor_at = kPointer;
  options.cursor_moves = how.pointer;
  if (options.damage.size() == 1) {
    options.damage = {{0, 0, kScreen.width, kScreen.height}};
  } else if (!options.damage.empty()) {
    const std::uint32_t half = kScreen.height / 2;
    options.damage = {{0, 0, kScreen.width, half}, {0, static_cast<std::int32_t>(half), kScreen.width, half}};
  }
  if (how.resize) options.changes = {{.at = 12, .size = kSmaller, .format = {}}};
  return options;
}

struct Take {
  Recorded recorded;
  std::chrono::nanoseconds late{};  ///< of the producer
};

Take record(const ProducerFixture& fixture, const Case& how, const PrivatePipeWire& daemon) {
  auto producer = TestProducer::create(screen(fixture, how));
  if (!producer) throw std::runtime_error(producer.error().message());
  const fs::path log = daemon.folder() / "log";
  const fs::path file = daemon.folder() / "recorded.mp4";
  std::vector<std::string> command{"env"};
  if (how.dmabuf) {
    command.insert(command.end(),
                   {"LD_LIBRARY_PATH=" ZEROCAST_SOFTGPU_DIR, "MESA_SHADER_CACHE_DIR=" ZEROCAST_SHADER_CACHE});
  } else {
    command.emplace_back("ZEROCOPY=0");
  }
  const std::string source = "node:" + std::to_string((*producer)->node_id());
  command.insert(command.end(),
                 {ZEROCAST_BINARY, "record", "--source", source, "--codec", "h264", "--cursor", "metadata", "--seconds",
                  recording_seconds(fixture.options.rhythm), "--json", "--overwrite", file.string()});
  auto child = ChildProcess::start(command, log);
  if (!child) throw std::runtime_error(child.error().message());
  for (int i = 0; i < 1200 && child->running(); ++i) std::this_thread::sleep_for(50ms);
  const int exit_code = child->exit_code();
  child->end();
  return {{.exit_code = exit_code,
           .log = read_all(log),
           .file = file,
           .dmabuf = how.dmabuf,
           .pointer = how.pointer,
           .resized = how.resize ? std::optional(kSmaller) : std::nullopt},
          (*producer)->most_late()};
}

fs::path row_file(const std::string& fixture, const std::string& name) {
  return fs::path(ZEROCAST_VERDICTS) / (fixture + "." + name);
}

int run_one(const fs::path& file, const std::string& name) {
  const auto* const how = std::ranges::find(kCases, std::string_view(name), &Case::name);
  if (how == kCases.end()) throw std::runtime_error("there is no case '" + name + "'");
  const auto fixture = read_fixture(file);
  if (!fixture) throw std::runtime_error(fixture.error().message());
  const KnownFailures known = read_known_failures(ZEROCAST_KNOWN_FAILURES);
  const auto listed = known.find({fixture->name, name});
  auto daemon = PrivatePipeWire::start();
  if (!daemon) throw std::runtime_error(daemon.error().message());
  const Take take = record(*fixture, *how, **daemon);
  const bool in_time = take.late < kLate;
  const Verdict verdict = judge(*fixture, take.recorded, in_time);
  std::string row = fmt::format("{:<28}{:<9}{:<9}{}", fixture->name, name, to_string(verdict.kind),
                                verdict.right() ? verdict.note : verdict.reason);
  if (verdict.right() && listed != known.end() && in_time) row += " (listed as failing: " + listed->second + ")";
  fs::create_directories(ZEROCAST_VERDICTS);
  std::ofstream(row_file(fixture->name, name)) << row << '\n';
  fmt::print("{}\n{}\n", row, verdict.note);
  if (!in_time) fmt::print("times were not judged: this machine is too busy for the producer to keep its own\n");
  if (listed != known.end()) fmt::print("known: {}\n", listed->second);
  // Whoever is listed refuses a source in words; a crash or a hang is in no list.
  const bool refused_otherwise = verdict.kind == Verdict::Kind::Refused && take.recorded.exit_code != 3;
  if (verdict.right() || (listed != known.end() && !refused_otherwise)) return 0;
  fmt::print("{}\n", take.recorded.log);
  return 1;
}

/// Also fails when the list names what there is not.
int print_table(const fs::path& fixtures) {
  std::set<std::string> rows;
  if (fs::exists(ZEROCAST_VERDICTS)) {
    for (const auto& entry : fs::directory_iterator(ZEROCAST_VERDICTS)) rows.insert(read_all(entry.path()));
  }
  for (const std::string& row : rows) fmt::print("{}", row);
  int result = 0;
  for (const auto& [which, reason] : read_known_failures(ZEROCAST_KNOWN_FAILURES)) {
    if (fs::exists(fixtures / (which.first + ".json"))) continue;
    fmt::print("known-failures names {}, which is no fixture\n", which.first);
    result = 1;
  }
  return result;
}

}  // namespace
}  // namespace zc::test

int main(int argc, char** argv) {
  try {
    if (argc == 3 && std::string_view(argv[1]) == "--table") return zc::test::print_table(argv[2]);
    if (argc == 3) return zc::test::run_one(argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  std::fputs("usage: test_producers FIXTURE.json memory|dmabuf|pointer|resize, or --table FIXTURES\n", stderr);
  return 2;
}
