#include "probe/collect.h"

#include "encode/decoder_probe.h"
#include "encode/encoder_table.h"
#include "gpu/which_gpu.h"
#include "probe/child.h"
#include "probe/join.h"
#include "probe/report_json.h"
#include "probe/routes.h"
#include "probe/step.h"
#include "probe/system_facts.h"
#include "probe/verdict.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <utility>

namespace zc::probe {
namespace {

using Words = std::vector<std::string>;

std::string mode_text(ZerocopyMode mode) {
  switch (mode) {
    case ZerocopyMode::Off: return "0";
    case ZerocopyMode::Required: return "1";
    case ZerocopyMode::Auto: break;
  }
  return "auto";
}

/// The last complete line that is JSON; nullopt when there is none.
std::optional<Json> last_answer(std::string_view text) {
  std::optional<Json> answer;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    Json json = Json::parse(text.substr(0, end), nullptr, false);
    text.remove_prefix(end + 1);
    if (json.is_object()) answer = std::move(json);
  }
  return answer;
}

class Collector {
 public:
  explicit Collector(const ProbeOptions& options)
      : options_(options), deadline_(monotonic_now() + options.total_limit) {}

  Result<ProbeReport> collect() {
    report_.version = ZEROCAST_VERSION;
    report_.mode = mode_text(options_.mode);
    report_.permissions = permissions();
    Facts facts;
    facts.drm = drm_devices();
    facts_of("vulkan", facts.vulkan);
    facts_of("egl", facts.egl);
    facts_of("cuda", facts.cuda);
    ask_vaapi(facts);
    report_.gpus = join_gpus(facts);
    ask_for({"compositor"}, "compositor", report_.compositor, &CompositorFacts::reason);
    join_compositor(report_.gpus, report_.compositor);
    if (auto chosen = choose_gpu(); !chosen) return std::unexpected(std::move(chosen.error()));
    try_routes();
    try_encoders();
    try_decoders(facts);
    if (failure_) return std::unexpected(*std::move(failure_));
    report_.verdict = make_verdict(report_);
    return std::move(report_);
  }

 private:
  /// As a recording of the desktop does.
  Result<void> choose_gpu() {
    const std::vector<GpuAddress> machine = machine_gpus();
    auto made = zc::choose_gpu(options_.gpu, [&]() -> std::optional<GpuAddress> {
      const auto composes = std::ranges::find(machine, report_.compositor.render_node, &GpuAddress::render_node);
      return composes == machine.end() ? std::nullopt : std::optional(*composes);
    });
    if (!made) return std::unexpected(std::move(made.error()));
    const GpuChoice& choice = *made;
    const auto name = [](const GpuAddress& gpu) { return gpu.render_node.empty() ? gpu.pci : gpu.render_node; };
    report_.choice.reason = to_string(choice.reason);
    if (choice.gpu) {
      report_.choice.gpu = name(*choice.gpu);
      choice_words_ = {report_.choice.gpu, report_.choice.reason};
    } else if (machine.size() == 1) {
      report_.choice.gpu = name(machine.front());
    }
    return {};
  }

  /// Runs a step. nullopt: it gave no answer, which `trouble` explains; a step that gave one and then failed has both.
  /// After a step of `driver` hung, no other of it is run.
  std::optional<Json> run(const Words& words, std::string_view driver, std::string& trouble) {
    const std::string name = fmt::format("{}", fmt::join(words, ":"));
    if (failure_) return std::nullopt;
    if (std::ranges::find(hung_, driver) != hung_.end()) {
      trouble = fmt::format("not tried: {} hung before", driver);
      return std::nullopt;
    }
    if (monotonic_now() >= deadline_) {
      trouble = "not tried: the probe took too long before";
      return std::nullopt;
    }
    options_.progress(name);
    Words arguments = options_.arguments;
    arguments.emplace_back(kStepOption);
    arguments.insert(arguments.end(), words.begin(), words.end());
    auto child = run_child(options_.program, arguments, options_.step_limit);
    if (!child) {
      failure_ = std::move(child.error());
      return std::nullopt;
    }
    if (child->end == ChildResult::End::Hung) hung_.emplace_back(driver);
    std::optional<Json> answer = last_answer(child->answer);
    trouble = child->trouble(options_.step_limit);
    if (trouble.empty() && !answer) trouble = "gave no answer that can be read";
    if (!trouble.empty()) report_.problems.push_back({.step = name, .what = trouble, .log = std::move(child->log)});
    return answer;
  }

  /// A step whose answer is one T. What went wrong goes to `reason` of it.
  template <class T>
  void ask_for(const Words& words, std::string_view driver, T& value, std::string T::* reason) {
    std::string trouble;
    const auto answer = run(words, driver, trouble);
    if (answer) read(*answer, value, words, trouble);
    if (!trouble.empty()) value.*reason = "the probe of it " + trouble;
  }

  template <class T>
  void read(const Json& json, T& value, const Words& words, std::string& trouble) {
    try {
      read_json(json, value);
    } catch (const Json::exception& error) {
      trouble = "gave an answer that makes no sense";
      report_.problems.push_back(
          {.step = fmt::format("{}", fmt::join(words, ":")), .what = trouble, .log = error.what()});
    }
  }

  /// A step that answers {"facts": ...} or {"error": ...}.
  template <class T>
  ApiReport api_of(const Words& words, std::string_view driver, T& facts) {
    ApiReport report{.api = words.front(), .works = false, .reason = {}};
    std::string trouble;
    const auto answer = run(words, driver, trouble);
    if (answer && answer->contains("facts")) {
      read((*answer)["facts"], facts, words, trouble);
    } else if (answer && answer->contains("error") && (*answer)["error"].is_string()) {
      report.reason = (*answer)["error"].get<std::string>();
    }
    if (!trouble.empty()) report.reason = "the probe of it " + trouble;
    report.works = report.reason.empty();
    return report;
  }

  template <class T>
  void facts_of(const char* api, std::vector<T>& facts) {
    ApiReport report = api_of({api}, api, facts);
    if (report.works && facts.empty()) report = {.api = api, .works = false, .reason = "it shows no device"};
    report_.apis.push_back(std::move(report));
  }

  void ask_vaapi(Facts& facts) {
    ApiReport all{.api = "vaapi", .works = false, .reason = "there is no render node below /dev/dri"};
    std::string reasons;
    for (const DrmFacts& drm : facts.drm) {
      if (drm.render_node.empty()) continue;
      VaapiFacts one;
      const ApiReport report = api_of({"vaapi", drm.render_node}, "vaapi", one);
      if (report.works) {
        facts.vaapi.push_back(std::move(one));
      } else {
        reasons += (reasons.empty() ? "" : "; ") + report.reason;
      }
    }
    if (!reasons.empty()) all.reason = reasons;
    all.works = !facts.vaapi.empty();
    if (all.works) all.reason.clear();
    report_.apis.push_back(std::move(all));
  }

  void try_routes() {
    for (const RouteRow& row : route_rows()) {
      RouteReport route;
      route.route = row.name;
      route.what = row.what;
      route.zero_copy = row.zero_copy;
      std::string trouble;
      Words words{"route", row.name};
      words.insert(words.end(), choice_words_.begin(), choice_words_.end());
      if (const auto answer = run(words, words[0] + ":" + words[1], trouble)) read(*answer, route, words, trouble);
      if (!trouble.empty()) {
        route.works = false;
        route.reason = "the trial of it " + trouble;
      }
      report_.routes.push_back(std::move(route));
    }
  }

  void try_encoders() {
    for (const EncoderRow& row : encoder_rows()) {
      EncoderFacts encoder{.encoder = std::string(row.name),
                           .codec = std::string(to_string(row.codec)),
                           .backend = std::string(row.backend),
                           .hardware = row.hardware(),
                           .works = false,
                           .reason = {}};
      std::string trouble;
      Words words{"encoder", encoder.encoder};
      words.insert(words.end(), choice_words_.begin(), choice_words_.end());
      if (const auto answer = run(words, row.hardware() ? row.backend : row.name, trouble)) {
        read(*answer, encoder, words, trouble);
      }
      if (!trouble.empty()) {
        encoder.works = false;
        encoder.reason = "the trial of it " + trouble;
      }
      report_.encoders.push_back(std::move(encoder));
    }
  }

  /// Why no decoder of a backend can work; "" it may.
  [[nodiscard]] std::string no_api(DecoderBackend backend) const {
    if (backend == DecoderBackend::Software) return {};
    const std::string_view needed = backend == DecoderBackend::Nvdec ? "cuda" : to_string(backend);
    const auto api = std::ranges::find(report_.apis, needed, &ApiReport::api);
    return api == report_.apis.end() || api->works ? std::string() : fmt::format("no {}: {}", needed, api->reason);
  }

  void try_decoders(const Facts& facts) {
    for (const DecoderBackend backend : kDecoderBackends) {
      const std::string missing = no_api(backend);
      for (const Codec codec : kDecoderCodecs) {
        DecoderFacts decoder;
        decoder.backend = to_string(backend);
        decoder.codec = to_string(codec);
        if (!missing.empty()) {
          decoder.reason = missing;
          report_.decoders.push_back(std::move(decoder));
          continue;
        }
        std::string trouble;
        Words words{"decoder", decoder.backend, decoder.codec};
        if (backend == DecoderBackend::Vaapi && !facts.vaapi.empty()) words.push_back(facts.vaapi.front().render_node);
        if (const auto answer = run(words, decoder.backend, trouble)) read(*answer, decoder, words, trouble);
        if (!trouble.empty()) {
          decoder.works = false;
          decoder.reason = "the trial of it " + trouble;
        }
        report_.decoders.push_back(std::move(decoder));
      }
    }
  }

  const ProbeOptions& options_;
  Nanoseconds deadline_;
  ProbeReport report_;
  Words choice_words_;             ///< for steps that work on a GPU: which one, and why
  std::vector<std::string> hung_;  ///< drivers
  std::optional<Error> failure_;   ///< of the machinery itself
};

}  // namespace

Result<ProbeReport> probe_machine(const ProbeOptions& options) { return Collector(options).collect(); }

std::vector<std::string> loader_words(std::string_view command) {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  const std::string line{std::istreambuf_iterator<char>(file), {}};
  std::vector<std::string> words;
  for (std::size_t at = 0; at < line.size();) {
    const std::size_t end = std::min(line.find('\0', at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end + 1;
  }
  const auto found = std::ranges::find(words, command);
  if (found == words.end() || found == words.begin()) return {};
  return {words.begin() + 1, found};
}

}  // namespace zc::probe
