#include "cli/probe_report.h"

#include "cli/help.h"
#include "cli/text_table.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

namespace zc {
namespace {

using namespace probe;
using Rows = std::vector<std::vector<std::string>>;

constexpr std::size_t kColumns = 100;

std::string_view yes(bool value) { return value ? "yes" : "no"; }
std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

std::string heading(std::string_view title) { return fmt::format("\n{}\n", title); }

std::string paragraph(std::string_view mark, std::string_view text) {
  return fmt::format("{}{}\n", mark, wrapped(text, kColumns - mark.size(), mark.size()));
}

std::string verdict_text(const Verdict& verdict) {
  std::string text = verdict.zero_copy ? "Zero-copy works on this machine.\n" : "Zero-copy does not work here.\n";
  for (const std::string& line : verdict.why) text += paragraph("  ", line);
  if (!verdict.advice.empty()) text += "What would help:\n";
  for (const std::string& line : verdict.advice) text += paragraph("  - ", line);
  return text;
}

template <class T>
std::string version_or_dash(const std::optional<T>& api) {
  return api ? or_dash(api->version) : "-";
}

std::string driver_of(const GpuReport& gpu) {
  if (gpu.vulkan && !gpu.vulkan->driver.empty()) return gpu.vulkan->driver;
  if (gpu.vaapi && !gpu.vaapi->driver.empty()) return gpu.vaapi->driver;
  return gpu.drm ? gpu.drm->driver : std::string();
}

std::string gpus_text(const ProbeReport& report) {
  constexpr std::array<std::string_view, 9> kHeadings{"GPU",    "KIND", "DRIVER", "NODE",  "PCI",
                                                      "VULKAN", "EGL",  "CUDA",   "VA-API"};
  Rows rows;
  for (const GpuReport& gpu : report.gpus) {
    rows.push_back({gpu.name, gpu.software ? "software" : "hardware", or_dash(driver_of(gpu)), or_dash(gpu.render_node),
                    or_dash(gpu.pci), version_or_dash(gpu.vulkan), version_or_dash(gpu.egl), version_or_dash(gpu.cuda),
                    version_or_dash(gpu.vaapi)});
  }
  std::string text = rows.empty() ? "none\n" : text_table(kHeadings, rows);
  for (const GpuReport& gpu : report.gpus) {
    if (!gpu.uuid.empty()) text += fmt::format("UUID {}  {}\n", gpu.uuid, gpu.name);
  }
  for (const ApiReport& api : report.apis) {
    if (!api.works) text += fmt::format("no {}: {}\n", api.api, api.reason);
  }
  return text;
}

std::string modifier_text(const ModifierFacts& modifier) {
  return fmt::format("    {}{}\n", modifier.name.empty() ? modifier.modifier : modifier.name,
                     modifier.external_only ? " (external only)" : "");
}

/// Formats with the same layouts share a list.
std::string formats_text(const std::string& gpu, std::string_view api, const std::vector<FormatFacts>& formats) {
  std::string text;
  std::vector<bool> told(formats.size());
  for (std::size_t i = 0; i < formats.size(); ++i) {
    if (told[i]) continue;
    std::string names;
    for (std::size_t j = i; j < formats.size(); ++j) {
      if (formats[j].modifiers != formats[i].modifiers) continue;
      told[j] = true;
      names += (names.empty() ? "" : ", ") + formats[j].format;
    }
    text += fmt::format("  {}, {}, {}:\n", gpu, api, names);
    if (formats[i].modifiers.empty()) text += "    none\n";
    for (const ModifierFacts& modifier : formats[i].modifiers) text += modifier_text(modifier);
  }
  return text;
}

std::string modifiers_text(const ProbeReport& report) {
  std::string text;
  for (const GpuReport& gpu : report.gpus) {
    if (gpu.vulkan) text += formats_text(gpu.name, "Vulkan", gpu.vulkan->formats);
    if (gpu.egl) text += formats_text(gpu.name, "EGL", gpu.egl->formats);
  }
  return text.empty() ? "  none\n" : text;
}

std::string time_of(const RouteReport& route, std::uint32_t width) {
  const auto size = std::ranges::find(route.sizes, width, &RouteSize::width);
  if (size == route.sizes.end() || !size->works) return "-";
  return fmt::format("{:.2f} ms", size->median_us / 1e3);
}

std::string routes_text(const ProbeReport& report) {
  constexpr std::array<std::string_view, 9> kHeadings{"ROUTE",   "WORKS",     "ZERO-COPY", "DEVICE",         "FRAME IN",
                                                      "SURFACE", "1920x1080", "3840x2160", "WHAT OR WHY NOT"};
  Rows rows;
  for (const RouteReport& route : report.routes) {
    const std::string frame =
        route.source_memory.empty() ? "-" : fmt::format("{} {}", route.source_memory, route.modifier);
    const std::string_view saves = route.saves() ? "yes" : route.zero_copy && route.works ? "software" : "no";
    rows.push_back({route.route, std::string(yes(route.works)), std::string(saves), or_dash(route.device), frame,
                    or_dash(route.surface_memory), time_of(route, 1920), time_of(route, 3840),
                    route.works ? route.what : route.reason});
  }
  return text_table(kHeadings, rows);
}

std::string encoders_text(const ProbeReport& report) {
  constexpr std::array<std::string_view, 5> kHeadings{"ENCODER", "CODEC", "BACKEND", "WORKS", "WHY NOT"};
  Rows rows;
  for (const EncoderFacts& encoder : report.encoders) {
    rows.push_back({encoder.encoder, encoder.codec, encoder.backend, std::string(yes(encoder.works)), encoder.reason});
  }
  return text_table(kHeadings, rows);
}

std::string decoders_text(const ProbeReport& report) {
  constexpr std::array<std::string_view, 5> kHeadings{"DECODER", "CODEC", "WORKS", "PIXELS", "WHY NOT"};
  Rows rows;
  for (const DecoderFacts& decoder : report.decoders) {
    const std::string pixels =
        decoder.samples == 0 ? "-"
                             : fmt::format("{} of {} right", decoder.samples - decoder.different, decoder.samples);
    rows.push_back({decoder.backend, decoder.codec, std::string(yes(decoder.works)), pixels, decoder.reason});
  }
  return text_table(kHeadings, rows);
}

std::string permissions_text(const PermissionFacts& permissions) {
  std::string text = fmt::format("user {}, groups {}\n", permissions.user, fmt::join(permissions.groups, ", "));
  constexpr std::array<std::string_view, 5> kHeadings{"NODE", "USABLE", "OWNER", "GROUP", "MODE"};
  Rows rows;
  for (const NodeFacts& node : permissions.nodes) {
    rows.push_back({node.path, std::string(yes(node.usable)), node.owner, node.group, node.mode});
  }
  text += rows.empty() ? "no graphics node below /dev\n" : text_table(kHeadings, rows);
  if (!permissions.nvidia_drm_modeset.empty()) {
    text += fmt::format("nvidia-drm.modeset {}\n", permissions.nvidia_drm_modeset);
  }
  return text;
}

std::string problems_text(const ProbeReport& report) {
  std::string text;
  for (const Problem& problem : report.problems) {
    text += fmt::format("{} {}\n", problem.step, problem.what);
    std::string_view log = problem.log;
    while (!log.empty()) {
      const std::size_t end = log.find('\n');
      std::string line(log.substr(0, end));
      std::ranges::replace_if(line, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
      text += fmt::format("  | {}\n", line);
      log = end == std::string_view::npos ? std::string_view{} : log.substr(end + 1);
    }
  }
  return text;
}

}  // namespace

std::string probe_text(const ProbeReport& report) {
  std::string text = verdict_text(report.verdict);
  text += heading("GPUS") + gpus_text(report);
  text += heading("MODIFIERS") + modifiers_text(report);
  text += heading("ROUTES") + routes_text(report);
  text += heading("ENCODERS") + encoders_text(report);
  text += heading("DECODERS") + decoders_text(report);
  text += heading("PERMISSIONS") + permissions_text(report.permissions);
  if (!report.problems.empty()) text += heading("PROBLEMS") + problems_text(report);
  return text;
}

ExitCode probe_exit(const ProbeReport& report) {
  return report.verdict.zero_copy ? ExitCode::Ok : ExitCode::NoZeroCopy;
}

}  // namespace zc
