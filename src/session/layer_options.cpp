#include "session/layer_options.h"

#include <algorithm>
#include <cmath>

namespace zc {
namespace {

std::uint32_t even(double edge) {
  return std::max<std::uint32_t>(static_cast<std::uint32_t>(std::lround(edge / 2)) * 2, 2);
}

Size fit(Size picture, double width, double height) {
  const double scale = std::min(width / picture.width, height / picture.height);
  return {even(picture.width * scale), even(picture.height * scale)};
}

Size size_of(const LayerOptions& options, Size picture, Size surface) {
  if (const auto* percent = std::get_if<double>(&options.size)) {
    const double width = surface.width * *percent / 100;
    const double most = surface.height * LayerOptions::kLargestPercent / 100;
    return fit(picture, width, most);
  }
  if (const auto* box = std::get_if<Size>(&options.size)) {
    return fit(picture, std::min(box->width, 2 * surface.width), std::min(box->height, 2 * surface.height));
  }
  if (picture.width <= surface.width && picture.height <= surface.height) return picture;
  return fit(picture, surface.width, surface.height);
}

std::int32_t aligned(std::int64_t from, std::uint32_t length, std::uint32_t edge, std::uint8_t where,
                     std::uint32_t margin) {
  const std::int64_t room = std::int64_t{edge} - length;
  if (where == 0) return static_cast<std::int32_t>(from + margin);
  if (where == 1) return static_cast<std::int32_t>((room / 2) & ~std::int64_t{1});
  return static_cast<std::int32_t>((room - margin) & ~std::int64_t{1});
}

std::int32_t at(const LayerLength& length, std::uint32_t edge) {
  if (!length.percent) return static_cast<std::int32_t>(std::lround(length.value));
  return static_cast<std::int32_t>(std::lround(edge * length.value / 200) * 2);
}

}  // namespace

LayerPlace place_layer(const LayerOptions& options, Size picture, Size surface) {
  LayerPlace place;
  if (picture.empty() || surface.empty()) return place;
  const Size size = size_of(options, picture, surface);
  place.box = {0, 0, size.width, size.height};
  if (const auto* corner = std::get_if<LayerCorner>(&options.at)) {
    place.box.x = aligned(0, size.width, surface.width, corner->across, options.margin);
    place.box.y = aligned(0, size.height, surface.height, corner->down, options.margin);
  } else {
    const auto& point = std::get<LayerPoint>(options.at);
    place.box.x = at(point.x, surface.width);
    place.box.y = at(point.y, surface.height);
  }
  place.opacity = static_cast<std::uint8_t>(std::lround(options.opacity * 255 / 100));
  place.radius = options.radius;
  return place;
}

}  // namespace zc
