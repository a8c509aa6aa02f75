#include "probe/step.h"

#include "base/error.h"
#include "encode/decoder_probe.h"
#include "encode/probe.h"
#include "gpu/which_gpu.h"
#include "probe/apis.h"
#include "probe/child.h"
#include "probe/compositor.h"
#include "probe/report_json.h"
#include "probe/routes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <thread>

namespace zc::probe {
namespace {

constexpr int kUnknownStep = 2;
constexpr int kTestExit = 3;
/// What the compositor is given to answer; the step itself has longer.
constexpr Nanoseconds kCompositorPatience = std::chrono::seconds(3);
constexpr Size kEncoderSize{1920, 1080};

using Words = std::span<const std::string>;

void write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(kAnswerFd, text.data(), text.size());
    if (written < 0 && errno != EINTR) return;  // nobody reads any more
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
  }
}
void answer(const Json& json) { write_all(text_of(json) + "\n"); }

/// {"facts": [...]} or {"error": "..."}.
template <class T>
Json facts_or_error(const Result<T>& facts) {
  if (!facts) return {{"error", facts.error().message()}};
  return {{"facts", write_json(*facts)}};
}

bool vulkan_step(Words /*words*/) {
  answer(facts_or_error(vulkan_facts()));
  return true;
}
bool egl_step(Words /*words*/) {
  answer(facts_or_error(egl_facts()));
  return true;
}
bool cuda_step(Words /*words*/) {
  answer(facts_or_error(cuda_facts()));
  return true;
}
bool vaapi_step(Words words) {
  if (words.size() != 1) return false;
  answer(facts_or_error(vaapi_facts(words[0])));
  return true;
}
bool compositor_step(Words /*words*/) {
  answer(write_json(ask_compositor(kCompositorPatience)));
  return true;
}

/// The words after a step's own: nothing, or the GPU to work on and why. Unset: they are something else.
std::optional<GpuChoice> choice_of(Words words) {
  if (words.empty()) return GpuChoice{};
  if (words.size() != 2) return std::nullopt;
  auto gpu = find_gpu(words[0]);
  if (!gpu) return std::nullopt;
  const bool chosen = words[1] == to_string(GpuReason::Chosen);
  return GpuChoice{.gpu = std::move(*gpu), .reason = chosen ? GpuReason::Chosen : GpuReason::Compositor};
}

bool route_step(Words words) {
  const auto choice = words.empty() ? std::nullopt : choice_of(words.subspan(1));
  if (!choice) return false;
  const auto row = std::ranges::find(route_rows(), words[0], &RouteRow::name);
  if (row == route_rows().end()) return false;
  const auto tell = [](const RouteReport& report) { answer(write_json(report)); };
  tell(try_route(*row, kRouteSizes, tell, *choice));
  return true;
}

bool encoder_step(Words words) {
  const EncoderRow* row = words.empty() ? nullptr : find_encoder_row(words[0]);
  const auto choice = words.empty() ? std::nullopt : choice_of(words.subspan(1));
  if (row == nullptr || !choice) return false;
  const EncoderReport report = probe_encoder(*row, kEncoderSize, 8, Chroma::Yuv420, kOpenPatience, *choice);
  answer(write_json(EncoderFacts{.encoder = std::string(row->name),
                                 .codec = std::string(to_string(row->codec)),
                                 .backend = std::string(row->backend),
                                 .hardware = row->hardware(),
                                 .works = report.usable,
                                 .reason = report.reason}));
  return true;
}

bool decoder_step(Words words) {
  if (words.size() < 2) return false;
  const auto* const backend =
      std::ranges::find(kDecoderBackends, words[0], [](DecoderBackend b) { return to_string(b); });
  const auto* const codec = std::ranges::find(kDecoderCodecs, words[1], [](Codec c) { return to_string(c); });
  if (backend == kDecoderBackends.end() || codec == kDecoderCodecs.end()) return false;
  const DecoderReport report = probe_decoder(*backend, *codec, words.size() > 2 ? words[2] : std::string());
  answer(write_json(DecoderFacts{.backend = words[0],
                                 .codec = words[1],
                                 .works = report.works,
                                 .reason = report.reason,
                                 .decoder = report.decoder,
                                 .samples = report.samples,
                                 .different = report.different}));
  return true;
}

struct StepRow {
  std::string_view name;
  bool (*run)(Words words);  ///< false: the words after its name are none of its own
};
constexpr std::array kSteps{StepRow{"vulkan", vulkan_step},   StepRow{"egl", egl_step},
                            StepRow{"cuda", cuda_step},       StepRow{"vaapi", vaapi_step},
                            StepRow{"route", route_step},     StepRow{"compositor", compositor_step},
                            StepRow{"encoder", encoder_step}, StepRow{"decoder", decoder_step}};

/// What kTestVariable wants this step to do; "" nothing.
std::string_view test_behaviour(Words words) {
  const char* value = std::getenv(kTestVariable);
  std::string_view rest = value == nullptr ? std::string_view{} : std::string_view(value);
  const std::string full = fmt::format("{}", fmt::join(words, ":"));
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const std::string_view entry = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    const std::size_t equals = entry.rfind('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = entry.substr(0, equals);
    if (name == full || name == words.front()) return entry.substr(equals + 1);
  }
  return {};
}

/// Does what a bad driver does; nullopt: the step goes on.
std::optional<int> misbehave(std::string_view how) {
  if (how == "crash") {
    static_cast<void>(std::signal(SIGSEGV, SIG_DFL));  // a sanitizer's handler would make an exit of it
    static_cast<void>(std::raise(SIGSEGV));
  }
  if (how == "hang") {
    while (true) std::this_thread::sleep_for(std::chrono::hours(1));
  }
  if (how == "exit") return kTestExit;
  if (how == "silent") return 0;
  if (how == "garbage") {
    write_all("{\"facts\": [1, \xff\xfe, not JSON\n");
    return 0;
  }
  return std::nullopt;
}

}  // namespace

int run_step(std::span<const std::string> words) {
  if (words.empty()) return kUnknownStep;
  if (const auto code = misbehave(test_behaviour(words))) return *code;
  const auto* const row = std::ranges::find(kSteps, std::string_view(words.front()), &StepRow::name);
  if (row == kSteps.end() || !row->run(words.subspan(1))) return kUnknownStep;
  return 0;
}

}  // namespace zc::probe
