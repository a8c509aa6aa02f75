#include "capture/desktop_list.h"

#include "capture/ext_capture.h"
#include "capture/kwin_cast.h"
#include "capture/mutter_cast.h"
#include "capture/screencopy.h"
#include "capture/wayland_client.h"
#include "capture/wayland_outputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace zc {
namespace {

constexpr std::string_view kScreencopyName = "zwlr_screencopy_manager_v1";
/// Globals that only KWin has, also for those who may not capture.
constexpr std::array<std::string_view, 2> kOnlyKWin = {"kde_output_device_v2", "org_kde_plasma_shell"};
constexpr int kMutterAreas = 3;

Size shown(const WaylandOutput& output) {
  return swaps_axes(output.transform) ? Size{output.mode.height, output.mode.width} : output.mode;
}

DesktopSource as_source(std::string_view prefix, const WaylandOutput& output, std::string_view way) {
  return {.source = fmt::format("{}:{}", prefix, output.name),
          .kind = "output",
          .size = shown(output),
          .rate = output.rate.value(),
          .way = std::string(way),
          .description = output.description};
}

/// KWin's and Mutter's, beside what is there already.
void add_new(std::string_view desktop, std::string_view way, DesktopSources& found) {
  found.sources.push_back({.source = fmt::format("{}:area:X,Y WxH", desktop),
                           .kind = "area",
                           .way = std::string(way),
                           .description = "a part of the desktop; or --region"});
  found.sources.push_back({.source = fmt::format("{}:virtual:WxH", desktop),
                           .kind = "virtual",
                           .way = std::string(way),
                           .description = "a new monitor that only the capture shows"});
}

void add_windows(WaylandClient& client, Nanoseconds deadline, DesktopSources& found) {
  auto windows = list_wayland_windows(client, deadline);
  if (!windows) {
    found.problems.push_back("windows: " + windows.error().message());
    return;
  }
  for (const WaylandWindow& window : *windows) {
    found.sources.push_back(
        {.source = "wayland:window:" + window.identifier,
         .kind = "window",
         .way = "no dialog; ext-image-copy-capture",
         .description = window.app_id.empty() ? window.title : fmt::format("{}: {}", window.app_id, window.title)});
  }
}

void add_wayland(Nanoseconds patience, DesktopSources& found) {
  const Nanoseconds deadline = monotonic_now() + patience;
  auto client = WaylandClient::connect();
  auto begun = client ? client->find_globals(deadline) : Result<void>(std::unexpected(client.error()));
  if (!begun) {
    found.problems.push_back("Wayland: " + begun.error().message());
    return;
  }
  const WaylandClient::Global* screencopy = client->find(kScreencopyName);
  const bool ext = has_ext_output_capture(*client);
  const bool wlr = !ext && screencopy != nullptr && screencopy->version >= kScreencopyVersion;
  const bool kwin = client->find(kKWinScreencast) != nullptr;
  const bool is_kwin =
      std::ranges::any_of(kOnlyKWin, [&](std::string_view name) { return client->find(name) != nullptr; });
  if (is_kwin && !kwin) {
    found.problems.emplace_back(
        "KWin: it gives its streams to programs whose installed desktop file asks for them, as zerocast's does");
  }
  if (!ext && !wlr && !kwin) return;
  auto outputs = WaylandOutputs::read(*client, deadline);
  if (!outputs) {
    found.problems.push_back("Wayland: " + outputs.error().message());
    return;
  }
  for (const WaylandOutput& output : outputs->all()) {
    if (ext || wlr) {
      found.sources.push_back(
          as_source("wayland", output, ext ? "no dialog; ext-image-copy-capture" : "no dialog; wlr-screencopy"));
    }
    if (kwin) found.sources.push_back(as_source("kwin", output, "no dialog; zkde-screencast"));
  }
  if (kwin) add_new("kwin", "no dialog; zkde-screencast", found);
  if (has_ext_window_capture(*client)) add_windows(*client, deadline, found);
}

void add_mutter(Nanoseconds patience, DesktopSources& found) {
  const auto mutter = query_mutter(patience);
  if (!mutter) return;  // another desktop, which is the usual thing
  constexpr std::string_view kWay = "no dialog; Mutter's own ScreenCast";
  for (const MutterMonitor& monitor : mutter->monitors) {
    found.sources.push_back({.source = "mutter:" + monitor.connector,
                             .kind = "output",
                             .size = monitor.mode,
                             .rate = monitor.rate,
                             .way = std::string(kWay),
                             .description = monitor.name});
  }
  if (mutter->version >= kMutterAreas) add_new("mutter", kWay, found);
}

}  // namespace

DesktopSources list_desktop_sources(Nanoseconds patience) {
  DesktopSources found;
  add_wayland(patience, found);
  add_mutter(patience, found);
  return found;
}

}  // namespace zc
