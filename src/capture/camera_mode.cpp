#include "capture/camera_mode.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <functional>
#include <iterator>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

namespace zc {
namespace {

constexpr double kEnough = 30;
/// 29.97 is 30 to whoever asks for it.
constexpr double kSameRate = 0.99;
/// Of a list of modes in a message.
constexpr std::size_t kMostNamed = 12;

std::string lower(std::string_view text) {
  std::string small(text);
  std::ranges::transform(small, small.begin(), [](unsigned char c) { return std::tolower(c); });
  return small;
}

std::string names_of(std::span<const VideoNode* const> cameras) {
  std::vector<std::string> names;
  for (const VideoNode* camera : cameras) names.push_back(fmt::format("'{}' ({})", camera->name, camera->description));
  return fmt::format("{}", fmt::join(names, ", "));
}

/// One size of one format, as it may be asked for.
struct Mode {
  const OfferedFormat* offered = nullptr;
  Size size;
  Rational rate;  ///< zero: the camera states none
};

/// Raw pictures need no decoder, and a JPEG less of one than a film.
int ease(const OfferedFormat& offered) {
  if (!offered.coded) return 2;
  return *offered.coded == CodedFormat::Mjpeg ? 1 : 0;
}

bool taken(const OfferedFormat& offered, const FormatOffer& offer) {
  if (offered.coded) return offer.shared_memory || !offer.device_memory.empty();
  const auto entry = std::ranges::find(offer.formats, offered.format, &FormatOffer::Entry::format);
  if (entry == offer.formats.end()) return false;
  if (!offered.dmabuf) return offer.shared_memory;
  return offered.modifier && std::ranges::find(entry->modifiers, *offered.modifier) != entry->modifiers.end();
}

bool same_rate(Rational a, Rational b) {
  const double low = std::min(a.value(), b.value());
  return low >= std::max(a.value(), b.value()) * kSameRate;
}

/// Of what the mode has: the wanted one, else the slowest that is enough, else the fastest. nullopt: not the wanted.
std::optional<Rational> rate_of(const OfferedFormat& offered, const CameraSpec& spec, double enough) {
  if (offered.rates.empty()) {
    if (offered.max_rate.zero()) return spec.rate.value_or(Rational{});
    if (spec.rate && spec.rate->value() > offered.max_rate.value()) return std::nullopt;
    if (spec.rate) return spec.rate;
    return offered.max_rate.value() > enough ? Rational{static_cast<std::uint32_t>(enough * 1000), 1000}
                                             : offered.max_rate;
  }
  std::optional<Rational> best;
  for (const Rational rate : offered.rates) {
    if (spec.rate) {
      if (same_rate(rate, *spec.rate)) return rate;
      continue;
    }
    const bool rate_enough = rate.value() >= enough * kSameRate;
    const bool best_enough = best && best->value() >= enough * kSameRate;
    const bool slower = best && rate.value() < best->value();
    if (!best || (rate_enough ? !best_enough || slower : !best_enough && !slower)) best = rate;
  }
  return best;
}

std::vector<Size> sizes_of(const OfferedFormat& offered, const CameraSpec& spec, const FormatOffer& offer) {
  if (!offered.sizes.empty()) {
    if (!spec.size) return offered.sizes;
    const bool has = std::ranges::find(offered.sizes, *spec.size) != offered.sizes.end();
    return has ? std::vector{*spec.size} : std::vector<Size>{};
  }
  const Size least = offered.min_size;
  const Size most = offered.max_size;
  const Size wanted = spec.size.value_or(offer.preferred_size);
  const Size fitting{std::clamp(wanted.width, least.width, std::max(least.width, most.width)),
                     std::clamp(wanted.height, least.height, std::max(least.height, most.height))};
  if (spec.size && fitting != *spec.size) return {};
  return {fitting};
}

/// "1280x720@30, 640x480@30, 1920x1080@5"
std::string modes_text(const VideoNode& camera) {
  std::vector<std::string> words;
  for (const OfferedFormat& offered : camera.modes) {
    const double rate = offered.max_rate.value();
    const std::string suffix = rate > 0 ? fmt::format("@{:.4g}", rate) : std::string();
    std::vector<std::string> sizes;
    for (const Size size : offered.sizes) sizes.push_back(fmt::format("{}x{}{}", size.width, size.height, suffix));
    if (offered.sizes.empty() && !offered.max_size.empty()) {
      sizes.push_back(fmt::format("{}x{} to {}x{}{}", offered.min_size.width, offered.min_size.height,
                                  offered.max_size.width, offered.max_size.height, suffix));
    }
    for (std::string& size : sizes) {
      if (std::ranges::find(words, size) == words.end()) words.push_back(std::move(size));
    }
  }
  if (words.size() > kMostNamed) {
    words.resize(kMostNamed);
    words.emplace_back("...");
  }
  return words.empty() ? "none that it states" : fmt::format("{}", fmt::join(words, ", "));
}

FormatOffer offer_of(const Mode& mode, const FormatOffer& offer) {
  FormatOffer one;
  one.shared_memory = !mode.offered->dmabuf;
  one.device_memory = offer.device_memory;
  if (mode.offered->coded) {
    one.coded = {*mode.offered->coded};
  } else if (mode.offered->dmabuf) {
    one.formats = {{mode.offered->format, {*mode.offered->modifier}}};
  } else {
    one.formats = {{mode.offered->format, {}}};
  }
  if (!mode.size.empty()) one.size = one.preferred_size = mode.size;
  if (!mode.rate.zero()) one.rate = one.preferred_rate = mode.rate;
  return one;
}

}  // namespace

Result<VideoNode> pick_camera(std::span<const VideoNode> nodes, const CameraSpec& spec) {
  constexpr const char* kOperation = "find the camera";
  std::vector<const VideoNode*> cameras;
  for (const VideoNode& node : nodes) {
    if (node.kind == VideoNode::Kind::Camera) cameras.push_back(&node);
  }
  if (cameras.empty()) {
    return fail(ErrorKind::NotFound, kOperation,
                spec.name.empty() ? "PipeWire has no camera"
                                  : fmt::format("none is called '{}': PipeWire has no camera", spec.name));
  }
  if (spec.name.empty()) {
    // Of equals the oldest.
    return **std::ranges::max_element(cameras, [](const VideoNode* a, const VideoNode* b) {
      return std::pair(a->priority, b->id) < std::pair(b->priority, a->id);
    });
  }
  const std::string wanted = lower(spec.name);
  const auto part = [&](const std::string& text) { return lower(text).find(wanted) != std::string::npos; };
  const std::array<std::function<bool(const VideoNode&)>, 3> ways{
      [&](const VideoNode& node) { return node.name == spec.name; },
      [&](const VideoNode& node) { return lower(node.description) == wanted; },
      [&](const VideoNode& node) { return part(node.name) || part(node.description); }};
  for (const auto& fits : ways) {
    std::vector<const VideoNode*> found;
    std::ranges::copy_if(cameras, std::back_inserter(found), [&](const VideoNode* node) { return fits(*node); });
    if (found.size() == 1) return *found.front();
    if (found.size() > 1) {
      return fail(ErrorKind::Invalid, kOperation, fmt::format("'{}' fits several: {}", spec.name, names_of(found)));
    }
  }
  return fail(ErrorKind::NotFound, kOperation,
              fmt::format("none is called '{}'; there are {}", spec.name, names_of(cameras)));
}

Result<std::vector<FormatOffer>> camera_offers(const VideoNode& camera, const CameraSpec& spec,
                                               const FormatOffer& offer) {
  const std::string operation = fmt::format("choose what camera '{}' is to send", camera.description);
  const bool limited = !offer.max_rate.zero() && offer.max_rate.value() < 1000;
  const double enough = spec.rate ? spec.rate->value() : limited ? offer.max_rate.value() : kEnough;
  std::vector<Mode> modes;
  bool any = false;
  for (const OfferedFormat& offered : camera.modes) {
    if (!taken(offered, offer)) continue;
    any = true;
    const auto rate = rate_of(offered, spec, enough);
    if (!rate) continue;
    for (const Size size : sizes_of(offered, spec, offer)) modes.push_back({&offered, size, *rate});
  }
  if (!any) {
    std::vector<std::string_view> names;
    for (const OfferedFormat& offered : camera.modes) {
      if (std::ranges::find(names, name(offered)) == names.end()) names.push_back(name(offered));
    }
    return fail(ErrorKind::Unsupported, operation,
                names.empty() ? "it states no picture format that this program knows"
                              : fmt::format("its formats ({}) are not taken here", fmt::join(names, ", ")));
  }
  if (modes.empty()) {
    return fail(
        ErrorKind::Invalid, operation,
        fmt::format("it has no {}{}; there are {}",
                    spec.size ? fmt::format("{}x{}", spec.size->width, spec.size->height) : "pictures",
                    spec.rate ? fmt::format(" at {:.4g} a second", spec.rate->value()) : "", modes_text(camera)));
  }
  const auto rank = [&](const Mode& mode) {
    // Who states no rate is taken to be fast enough.
    const double often = mode.rate.zero() ? enough : std::min(mode.rate.value() / kSameRate, enough);
    return std::tuple(often, mode.size.area(), -mode.rate.value(), ease(*mode.offered), mode.offered->dmabuf);
  };
  std::ranges::stable_sort(modes, [&](const Mode& a, const Mode& b) { return rank(a) > rank(b); });
  std::vector<FormatOffer> offers;
  for (const Mode& mode : modes) offers.push_back(offer_of(mode, offer));
  return offers;
}

}  // namespace zc
