#include "capture/wayland_outputs.h"

#include "base/quote.h"
#include "capture/region.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <wayland-client-protocol.h>
#include <xdg-output-client-protocol.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <numeric>
#include <utility>

namespace zc {
namespace {

/// wl_output tells its name since then; xdg_output since its version 2.
constexpr std::uint32_t kOutputVersion = 4;
constexpr std::uint32_t kXdgVersion = 3;

template <class Proxy, auto Destroy>
using Owned = std::unique_ptr<Proxy, WaylandDestroy<Destroy>>;

Transform transform_of(std::int32_t number) {
  return number >= 0 && number <= static_cast<std::int32_t>(Transform::Flipped270) ? static_cast<Transform>(number)
                                                                                   : Transform::Normal;
}

Size size_of(std::int32_t width, std::int32_t height) {
  return {static_cast<std::uint32_t>(std::max(width, 0)), static_cast<std::uint32_t>(std::max(height, 0))};
}

/// From mHz, in lowest terms.
Rational rate_of(std::int32_t mhz) {
  if (mhz <= 0) return {};
  const auto rate = static_cast<std::uint32_t>(mhz);
  const std::uint32_t common = std::gcd(rate, 1000U);
  return {rate / common, 1000 / common};
}

/// Where there is no xdg_output, or a size of nothing: from the mode. Compositors scale by whole numbers then.
Size logical_size(const WaylandOutput& output, std::int32_t scale) {
  const auto divisor = static_cast<std::uint32_t>(std::max(scale, 1));
  const Size size{output.mode.width / divisor, output.mode.height / divisor};
  return swaps_axes(output.transform) ? Size{size.height, size.width} : size;
}

}  // namespace

struct WaylandOutputs::Bound {
  std::uint32_t global = 0;
  std::int32_t scale = 1;
  WaylandOutput told;
  bool xdg_placed = false;
  Owned<wl_output, &wl_output_destroy> output;
  Owned<zxdg_output_v1, &zxdg_output_v1_destroy> xdg;

  static Bound& of(void* data) { return *static_cast<Bound*>(data); }

  void place_by_mode() {
    if (xdg_placed) return;
    const Size size = logical_size(told, scale);
    told.place.width = size.width;
    told.place.height = size.height;
  }
};

WaylandOutputs::WaylandOutputs(WaylandClient& client, std::vector<std::unique_ptr<Bound>> outputs)
    : client_(&client), outputs_(std::move(outputs)) {}
WaylandOutputs::WaylandOutputs(WaylandOutputs&&) noexcept = default;
WaylandOutputs& WaylandOutputs::operator=(WaylandOutputs&&) noexcept = default;
WaylandOutputs::~WaylandOutputs() = default;

Result<WaylandOutputs> WaylandOutputs::read(WaylandClient& client, Nanoseconds deadline) {
  static constexpr wl_output_listener kOutput{
      .geometry =
          [](void* data, wl_output*, std::int32_t x, std::int32_t y, std::int32_t, std::int32_t, std::int32_t,
             const char*, const char*, std::int32_t transform) {
            WaylandOutput& told = Bound::of(data).told;
            told.transform = transform_of(transform);
            if (Bound::of(data).xdg_placed) return;
            told.place.x = x;
            told.place.y = y;
          },
      .mode =
          [](void* data, wl_output*, std::uint32_t flags, std::int32_t width, std::int32_t height, std::int32_t rate) {
            if ((flags & WL_OUTPUT_MODE_CURRENT) == 0) return;
            WaylandOutput& told = Bound::of(data).told;
            told.mode = size_of(width, height);
            told.rate = rate_of(rate);
          },
      .done = [](void* data, wl_output*) { Bound::of(data).place_by_mode(); },
      .scale = [](void* data, wl_output*, std::int32_t factor) { Bound::of(data).scale = factor; },
      .name = [](void* data, wl_output*, const char* name) { Bound::of(data).told.name = name; },
      .description = [](void* data, wl_output*, const char* text) { Bound::of(data).told.description = text; }};
  static constexpr zxdg_output_v1_listener kXdg{
      .logical_position =
          [](void* data, zxdg_output_v1*, std::int32_t x, std::int32_t y) {
            Bound::of(data).told.place.x = x;
            Bound::of(data).told.place.y = y;
          },
      .logical_size =
          [](void* data, zxdg_output_v1*, std::int32_t width, std::int32_t height) {
            const Size size = size_of(width, height);
            Bound::of(data).xdg_placed = !size.empty();
            Bound::of(data).told.place.width = size.width;
            Bound::of(data).told.place.height = size.height;
          },
      .done = [](void*, zxdg_output_v1*) {},
      .name =
          [](void* data, zxdg_output_v1*, const char* name) {
            if (Bound::of(data).told.name.empty()) Bound::of(data).told.name = name;
          },
      .description = [](void*, zxdg_output_v1*, const char*) {}};

  Owned<zxdg_output_manager_v1, &zxdg_output_manager_v1_destroy> manager;
  if (const auto* global = client.find(zxdg_output_manager_v1_interface.name)) {
    manager.reset(client.bind<zxdg_output_manager_v1>(*global, zxdg_output_manager_v1_interface,
                                                      std::min(global->version, kXdgVersion)));
  }
  std::vector<std::unique_ptr<Bound>> outputs;
  for (const WaylandClient::Global& global : client.globals()) {
    if (global.interface != wl_output_interface.name) continue;
    auto bound = std::make_unique<Bound>();
    bound->global = global.name;
    bound->output.reset(client.bind<wl_output>(global, wl_output_interface, std::min(global.version, kOutputVersion)));
    if (!bound->output) return fail_errno(ENOMEM, "look for the compositor's outputs");
    wl_output_add_listener(bound->output.get(), &kOutput, bound.get());
    if (manager) bound->xdg.reset(zxdg_output_manager_v1_get_xdg_output(manager.get(), bound->output.get()));
    if (bound->xdg) zxdg_output_v1_add_listener(bound->xdg.get(), &kXdg, bound.get());
    outputs.push_back(std::move(bound));
  }
  if (auto told = client.roundtrip(deadline); !told) return std::unexpected(std::move(told.error()));
  for (const auto& bound : outputs) {
    bound->place_by_mode();
    if (bound->told.name.empty()) {
      return fail(ErrorKind::Unsupported, "look for the compositor's outputs",
                  "it does not tell their names (wl_output 4 or xdg_output 2)");
    }
  }
  return WaylandOutputs(client, std::move(outputs));
}

const WaylandOutput& WaylandOutputs::at(std::size_t index) const { return outputs_.at(index)->told; }
wl_output* WaylandOutputs::proxy(std::size_t index) const { return outputs_.at(index)->output.get(); }

bool WaylandOutputs::present(std::size_t index) const {
  return std::ranges::any_of(client_->globals(), [&](const WaylandClient::Global& global) {
    return global.name == outputs_.at(index)->global;
  });
}

std::vector<WaylandOutput> WaylandOutputs::all() const {
  std::vector<WaylandOutput> outputs;
  std::ranges::transform(outputs_, std::back_inserter(outputs), [](const auto& bound) { return bound->told; });
  return outputs;
}

Result<std::vector<std::size_t>> choose_outputs(std::string_view source, std::string_view name,
                                                const std::optional<Rect>& region,
                                                std::span<const WaylandOutput> outputs) {
  std::vector<std::string> names;
  for (const WaylandOutput& output : outputs) names.push_back(fmt::format("{}:{}", source, output.name));
  const std::string choices = fmt::format("{}", fmt::join(names, ", "));
  if (outputs.empty()) return fail(ErrorKind::NotFound, "capture an output", "the compositor has none now");
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const bool named = name.empty() || outputs[i].name == name;
    if (named && (!region || !intersect(*region, outputs[i].place).empty())) chosen.push_back(i);
  }
  const bool known =
      name.empty() || std::ranges::any_of(outputs, [&](const WaylandOutput& output) { return output.name == name; });
  if (!known) {
    return fail(ErrorKind::NotFound, "capture an output",
                fmt::format("there is no output {}; there are {}", in_quotes(name), choices));
  }
  if (chosen.empty()) {
    std::vector<std::string> places;
    for (const WaylandOutput& output : outputs) {
      places.push_back(fmt::format("{} is at {}", output.name, region_text(output.place)));
    }
    return fail(ErrorKind::Invalid, "--region",
                fmt::format("nothing is shown at {}: {}", region_text(*region), fmt::join(places, ", ")));
  }
  if (chosen.size() > 1 && !region) {
    return fail(ErrorKind::Invalid, fmt::format("--source {}", source),
                fmt::format("there are several outputs; choose {}, or --region", choices));
  }
  return chosen;
}

}  // namespace zc
