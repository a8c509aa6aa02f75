#include "probe/verdict.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

namespace zc::probe {
namespace {

using Lines = std::vector<std::string>;

bool starts(std::string_view text, std::string_view with) { return text.starts_with(with); }

const ApiReport* api(const ProbeReport& report, std::string_view name) {
  const auto found = std::ranges::find(report.apis, name, &ApiReport::api);
  return found == report.apis.end() ? nullptr : &*found;
}
bool api_works(const ProbeReport& report, std::string_view name) {
  const ApiReport* found = api(report, name);
  return found != nullptr && found->works;
}

std::string time_text(const RouteReport& route) {
  if (route.sizes.empty() || !route.sizes.back().works) return {};
  const RouteSize& size = route.sizes.back();
  return fmt::format(" ({:.2f} ms per {}x{} frame)", size.median_us / 1e3, size.width, size.height);
}

/// An encoder that takes pictures from the memory this route makes them in.
bool fits(const RouteReport& route, const EncoderFacts* encoder) {
  constexpr std::array kTakers = {std::pair<std::string_view, std::string_view>{"cuda", "nvenc"},
                                  std::pair<std::string_view, std::string_view>{"vaapi", "vaapi"},
                                  std::pair<std::string_view, std::string_view>{"vulkan", "vulkan"}};
  const auto* of_device = std::ranges::find(kTakers, std::string_view(route.surface_memory),
                                            &std::pair<std::string_view, std::string_view>::first);
  return of_device == kTakers.end() || (encoder != nullptr && encoder->backend == of_device->second);
}

/// The GPU that a recording tries first; nullptr: none in particular.
const GpuReport* preferred_gpu(const ProbeReport& report) {
  const std::string& gpu = report.choice.gpu;
  if (gpu.empty()) return nullptr;
  const auto found =
      std::ranges::find_if(report.gpus, [&](const GpuReport& one) { return one.render_node == gpu || one.pci == gpu; });
  return found == report.gpus.end() ? nullptr : &*found;
}

/// It takes the pixels off the CPU on that GPU.
bool saves_there(const ProbeReport& report, const RouteReport& route) {
  const GpuReport* gpu = preferred_gpu(report);
  return gpu != nullptr && route.saves() && !gpu->uuid.empty() && route.uuid == gpu->uuid;
}

/// The route a recording takes with this encoder; nullptr: it refuses to run.
const RouteReport* chosen_route(const ProbeReport& report, const EncoderFacts* encoder) {
  const auto usable = [&](const RouteReport& route) {
    if (report.mode == "0") return !route.zero_copy;
    if (!fits(route, encoder)) return false;
    if (route.saves()) return true;
    return report.mode != "1" && !route.zero_copy;
  };
  auto found = std::ranges::find_if(
      report.routes, [&](const RouteReport& route) { return usable(route) && saves_there(report, route); });
  if (found == report.routes.end()) found = std::ranges::find_if(report.routes, usable);
  return found == report.routes.end() ? nullptr : &*found;
}

/// "auto" is H.264: of its rows that work one on the GPU that holds the pictures, else the first.
const EncoderFacts* chosen_encoder(const ProbeReport& report) {
  const auto works = [](const EncoderFacts& encoder) { return encoder.codec == "h264" && encoder.works; };
  const auto holds = [&](const EncoderFacts& encoder) {
    return works(encoder) && std::ranges::any_of(report.routes, [&](const RouteReport& route) {
             return saves_there(report, route) && !fits(route, nullptr) && fits(route, &encoder);
           });
  };
  auto found = std::ranges::find_if(report.encoders, holds);
  if (found == report.encoders.end() || report.mode == "0") found = std::ranges::find_if(report.encoders, works);
  return found == report.encoders.end() ? nullptr : &*found;
}

bool has_hardware(const ProbeReport& report) {
  return std::ranges::any_of(report.gpus, [](const GpuReport& gpu) { return !gpu.software; });
}

void explain_route(const ProbeReport& report, const RouteReport* chosen, const EncoderFacts* encoder, Lines& why) {
  if (chosen == nullptr) {
    why.emplace_back("ZEROCOPY=1 and no zero-copy route works here: zerocast refuses to record.");
  } else if (chosen->zero_copy) {
    why.push_back(fmt::format("Frames take the {} route on {}: {}{}.", chosen->route, chosen->device, chosen->what,
                              time_text(*chosen)));
  } else if (report.mode == "0") {
    why.push_back(fmt::format("ZEROCOPY=0 forces the CPU route{}.", time_text(*chosen)));
  } else {
    why.push_back(fmt::format("Frames take the CPU route{}: no zero-copy route works here.", time_text(*chosen)));
  }
  if (!has_hardware(report)) why.emplace_back("There is no GPU here: nothing can be taken off the CPU.");
  for (const RouteReport& route : report.routes) {
    if (&route == chosen) break;
    if (!route.zero_copy || (report.mode == "0" && route.saves())) continue;
    if (route.saves() && !fits(route, encoder)) {
      why.push_back(fmt::format("The {} route works, but {} takes no pictures from {} memory.", route.route,
                                encoder == nullptr ? "no encoder" : encoder->encoder, route.surface_memory));
    } else if (route.works && route.software) {
      why.push_back(fmt::format("The {} route works on {} only, a software renderer: that saves nothing.", route.route,
                                route.device));
    } else if (!route.works) {
      why.push_back(fmt::format("The {} route does not work: {}.", route.route, route.reason));
    }
  }
}

void explain_encoder(const ProbeReport& report, const EncoderFacts* chosen, Lines& why) {
  if (chosen == nullptr) {
    why.emplace_back("No H.264 encoder works here.");
    return;
  }
  why.push_back(fmt::format("{} encodes, {}.", chosen->encoder, chosen->hardware ? "in hardware" : "on the CPU"));
  for (const EncoderFacts& encoder : report.encoders) {
    if (&encoder == chosen) break;
    // Without a GPU none of its encoders is worth a word.
    const bool expected = has_hardware(report) || (encoder.backend == "nvenc" && api_works(report, "cuda"));
    if (encoder.codec == "h264" && expected)
      why.push_back(fmt::format("{} does not: {}.", encoder.encoder, encoder.reason));
  }
}

void explain_compositor(const ProbeReport& report, const RouteReport* chosen, Lines& why) {
  const CompositorFacts& compositor = report.compositor;
  if (compositor.gpu.empty()) {
    why.push_back(fmt::format("The compositor's GPU is unknown: {}.", compositor.reason));
    return;
  }
  why.push_back(fmt::format("The compositor composes on {} ({}).", compositor.gpu, compositor.render_node));
  if (chosen == nullptr || !chosen->saves()) return;
  const auto gpu = std::ranges::find(report.gpus, compositor.render_node, &GpuReport::render_node);
  if (gpu != report.gpus.end() && !gpu->uuid.empty() && !chosen->uuid.empty() && gpu->uuid != chosen->uuid) {
    why.push_back(
        fmt::format("That is another GPU than the route's: each frame crosses the bus to {}.", chosen->device));
  }
}

void explain_choice(const ProbeReport& report, Lines& why) {
  const GpuReport* gpu = preferred_gpu(report);
  const std::string name = gpu == nullptr ? report.choice.gpu : fmt::format("{} ({})", gpu->name, report.choice.gpu);
  const std::string& reason = report.choice.reason;
  if (reason == "chosen") why.push_back(fmt::format("{} is the GPU to use, and no other: it is chosen.", name));
  if (reason == "compositor") {
    why.push_back(fmt::format("{} is the GPU to use first: the desktop is composed on it.", name));
  }
  if (reason == "only" && !name.empty()) why.push_back(fmt::format("{} is the only GPU.", name));
  if (reason == "first") {
    why.emplace_back("The first GPU that works is used: which one the desktop is composed on is not known.");
  }
}

// ---- what to change

bool driven_by(const ProbeReport& report, std::string_view module) {
  return std::ranges::any_of(report.gpus,
                             [&](const GpuReport& gpu) { return gpu.drm && starts(gpu.drm->driver, module); });
}
bool has_nvidia_node(const ProbeReport& report) {
  return std::ranges::any_of(report.permissions.nodes,
                             [](const NodeFacts& node) { return starts(node.path, "/dev/nvidia"); });
}

std::string closed_nodes(const ProbeReport& report, std::string_view prefix) {
  for (const NodeFacts& node : report.permissions.nodes) {
    if (!starts(node.path, prefix) || node.usable) continue;
    const auto& groups = report.permissions.groups;
    const bool member = std::ranges::find(groups, node.group) != groups.end();
    if (member || node.group == "root") {
      return fmt::format("{} cannot open {} (owner {}, group {}, mode {}): give it that right.",
                         report.permissions.user, node.path, node.owner, node.group, node.mode);
    }
    return fmt::format("{0} cannot open {1}: add the user to the group {2} (usermod -aG {2} {0}) and log in again.",
                       report.permissions.user, node.path, node.group);
  }
  return {};
}

std::string render_nodes_closed(const ProbeReport& report) { return closed_nodes(report, "/dev/dri/renderD"); }
std::string nvidia_nodes_closed(const ProbeReport& report) { return closed_nodes(report, "/dev/nvidia"); }

std::string no_modeset(const ProbeReport& report) {
  if (report.permissions.nvidia_drm_modeset != "N") return {};
  return "nvidia-drm runs without modeset, so NVIDIA's driver shares no dmabufs: put \"options nvidia-drm modeset=1\" "
         "into a file of /etc/modprobe.d and restart.";
}
std::string nouveau(const ProbeReport& report) {
  if (!driven_by(report, "nouveau")) return {};
  return "nouveau drives the NVIDIA GPU, which has NVENC only with NVIDIA's own driver.";
}
std::string no_cuda(const ProbeReport& report) {
  const bool nvidia = driven_by(report, "nvidia") || has_nvidia_node(report);
  if (!nvidia || api_works(report, "cuda")) return {};
  const ApiReport* cuda = api(report, "cuda");
  return fmt::format("NVIDIA's driver is there without CUDA ({}): install its libcuda.so.1 and libnvidia-encode.so.1.",
                     cuda == nullptr ? "not tried" : cuda->reason);
}
std::string no_vulkan(const ProbeReport& report) {
  const bool hardware_vulkan =
      std::ranges::any_of(report.gpus, [](const GpuReport& gpu) { return !gpu.software && gpu.vulkan; });
  const bool asked = std::ranges::find(report.problems, "vulkan", &Problem::step) == report.problems.end();
  if (!has_hardware(report) || hardware_vulkan || !asked) return {};
  return "The GPU shows no Vulkan device: install its Vulkan driver (mesa-vulkan-drivers for AMD and Intel, NVIDIA's "
         "own otherwise).";
}
std::string crashed(const ProbeReport& report) {
  Lines steps;
  for (const Problem& problem : report.problems) steps.push_back(fmt::format("{} ({})", problem.step, problem.what));
  if (steps.empty()) return {};
  return fmt::format(
      "Steps of this probe failed: {}. Update the driver that is at work there; what it could not answer is "
      "left out here.",
      fmt::join(steps, ", "));
}
std::string forced_off(const ProbeReport& report) {
  const bool would = std::ranges::any_of(report.routes, &RouteReport::saves);
  return report.mode == "0" && would ? "Unset ZEROCOPY: a zero-copy route works here." : std::string();
}
std::string no_hardware_encoder(const ProbeReport& report) {
  const bool encodes =
      std::ranges::any_of(report.encoders, [](const EncoderFacts& e) { return e.hardware && e.works; });
  if (encodes || !has_hardware(report)) return {};
  return "No hardware encoder works: pictures come back to the CPU to be encoded. See ENCODERS for each one's reason.";
}

/// Each gives a sentence or nothing; the most useful first.
constexpr std::array kAdvice{
    render_nodes_closed, nvidia_nodes_closed, no_modeset, no_cuda, nouveau, no_vulkan, forced_off, crashed,
    no_hardware_encoder};

}  // namespace

Verdict make_verdict(const ProbeReport& report) {
  const EncoderFacts* encoder = chosen_encoder(report);
  const RouteReport* route = chosen_route(report, encoder);
  Verdict verdict;
  verdict.zero_copy = std::ranges::any_of(report.routes, &RouteReport::saves);
  if (route != nullptr) verdict.route = route->route;
  if (encoder != nullptr) verdict.encoder = encoder->encoder;
  explain_choice(report, verdict.why);
  explain_route(report, route, encoder, verdict.why);
  explain_encoder(report, encoder, verdict.why);
  explain_compositor(report, route, verdict.why);
  for (const auto& advise : kAdvice) {
    if (std::string text = advise(report); !text.empty()) verdict.advice.push_back(std::move(text));
  }
  return verdict;
}

}  // namespace zc::probe
