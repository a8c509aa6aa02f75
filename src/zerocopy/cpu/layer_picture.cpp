#include "zerocopy/cpu/layer_picture.h"

#include "zerocopy/cpu/libyuv_ops.h"
#include "zerocopy/cpu/tent.h"
#include "zerocopy/cpu/yuv_coefficients.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace zc {
namespace {

constexpr std::size_t kChannels = 4;

/// Straight components of a pixel word, 0 to 1.
struct Unpacked {
  explicit Unpacked(PixelFormat format)
      : fields(rgb_fields(format)),
        layout(fields.layout),
        alpha_shift(layout == RgbLayout::Bytes        ? fields.alpha * 8U
                    : layout == RgbLayout::TenBitHigh ? 0U
                                                      : 30U),
        alpha_mask(layout == RgbLayout::Bytes ? 255 : 3),
        alpha_most(static_cast<float>(alpha_mask)) {
    const unsigned bits = layout == RgbLayout::Bytes ? 8 : 10;
    const unsigned first = layout == RgbLayout::TenBitHigh ? 2 : 0;
    most = static_cast<float>((1U << bits) - 1);
    mask = (1U << bits) - 1;
    shift = {fields.red * bits + first, fields.green * bits + first, fields.blue * bits + first};
  }
  /// Red, green and blue times alpha, and alpha.
  [[nodiscard]] std::array<float, kChannels> operator()(const std::byte* pixel) const {
    std::uint32_t word = 0;
    std::memcpy(&word, pixel, sizeof(word));
    const float alpha = static_cast<float>((word >> alpha_shift) & alpha_mask) / alpha_most;
    const auto one = [&](unsigned at) { return static_cast<float>((word >> at) & mask) / most * alpha; };
    return {one(shift[0]), one(shift[1]), one(shift[2]), alpha};
  }
  RgbFields fields;
  RgbLayout layout;
  float most = 255;
  std::uint32_t mask = 255;
  std::array<unsigned, 3> shift{};
  unsigned alpha_shift;
  std::uint32_t alpha_mask;
  float alpha_most;
};

}  // namespace

std::array<Rect, 4> around(const Rect& all, const Rect& inner) {
  if (inner.empty()) return {all};
  const auto gap = [](std::int64_t from, std::int64_t to) { return static_cast<std::uint32_t>(to - from); };
  const std::int32_t right = inner.x + static_cast<std::int32_t>(inner.width);
  const std::int32_t bottom = inner.y + static_cast<std::int32_t>(inner.height);
  return {{{all.x, all.y, all.width, gap(all.y, inner.y)},
           {all.x, bottom, all.width, gap(bottom, std::int64_t{all.y} + all.height)},
           {all.x, inner.y, gap(all.x, inner.x), inner.height},
           {right, inner.y, gap(right, std::int64_t{all.x} + all.width), inner.height}}};
}

void LayerPicture::configure(const SurfaceFormat& target) {
  target_ = target;
  plan_ = {};
  solid_ = {};
}

Rect LayerPicture::find_solid() const {
  const bool subsampled = yuv_layout(target_.format).subsampled;
  const Rect& box = place_.box;
  if (place_.opacity != 255) return {};
  if (subsampled && (box.x % 2 != 0 || box.y % 2 != 0)) return {};
  const std::uint32_t radius = std::min(place_.radius, std::min(box.width, box.height) / 2);
  if (box.height <= 2 * radius) return {};
  const Rect inner{box.x, box.y + static_cast<std::int32_t>(radius), box.width, box.height - 2 * radius};
  const Rect seen = intersect(inner, {0, 0, target_.size.width, target_.size.height});
  if (!subsampled || seen.empty()) return seen;
  // Whole chroma samples: they take in the pixel to their left, and outside the surface its edge pixel counts on.
  const auto edges = [](std::int32_t begin, std::int32_t end, std::int32_t first, std::int32_t last, std::int32_t size,
                        bool reaches_left) {
    std::int32_t from = begin;
    if (reaches_left && first != 0) from = std::max(begin, 0) + 1;
    from = (from + 1) & ~1;
    const bool to_the_end = end == size && (size % 2 == 0 || last == size);
    const std::int32_t to = to_the_end ? end : end & ~1;
    return std::pair(from, std::max(from, to));
  };
  const auto [width, height] = target_.size;
  const auto far = [](std::int32_t at, std::uint32_t length) { return at + static_cast<std::int32_t>(length); };
  const auto [x0, x1] =
      edges(seen.x, far(seen.x, seen.width), box.x, far(box.x, box.width), static_cast<std::int32_t>(width), true);
  const auto [y0, y1] =
      edges(seen.y, far(seen.y, seen.height), box.y, far(box.y, box.height), static_cast<std::int32_t>(height), false);
  return {x0, y0, static_cast<std::uint32_t>(x1 - x0), static_cast<std::uint32_t>(y1 - y0)};
}

bool LayerPicture::hides(const Rect& part) const {
  if (!opaque()) return false;
  const Rect& box = place_.box;
  const std::int64_t radius = std::min(place_.radius, std::min(box.width, box.height) / 2);
  return part.y >= box.y + radius && std::int64_t{part.y} + part.height <= std::int64_t{box.y} + box.height - radius;
}

Result<void> LayerPicture::make(const Frame& frame, const HostImage& image, const LayerPlace& place, bool whole) {
  solid_ = {};
  auto plan = make_filling_plan(frame, place.box.size(), target_.colour);
  if (!plan) return std::unexpected(std::move(plan.error()));
  if (*plan != plan_ || place.box.size() != place_.box.size() || frame.colour != colour_) {
    plan_ = {};
    SurfaceFormat target{target_.format, place.box.size(), target_.colour, MemoryKind::Host};
    if (auto ready = to_flat_.configure(*plan, target); !ready) return ready;
    target.format = PixelFormat::I410;
    if (auto ready = to_deep_.configure(*plan, target); !ready) return ready;
    plan_ = *plan;
    colour_ = frame.colour;
  }
  place_ = place;
  deep_.reset(PixelFormat::I410, place.box.size());
  if (info(frame.format()).alpha) return make_with_alpha(image);
  alpha_.clear();
  return make_opaque(image, whole);
}

Result<void> LayerPicture::make_opaque(const HostImage& image, bool whole) {
  const Rect solid = find_solid();
  if (solid.empty()) return to_deep_.convert(image, deep_.view());
  const YuvView& flat = flat_.reset(target_.format, place_.box.size());
  if (auto done = to_flat_.convert(image, flat); !done) return done;
  const Rect all{0, 0, place_.box.width, place_.box.height};
  // Chroma to the right of what is copied is made from its last pixels, too.
  const Rect inner{solid.x - place_.box.x, solid.y - place_.box.y, solid.width - std::min(solid.width, 2U),
                   solid.height};
  Damage edges = Damage::none();
  for (const Rect& part : around(all, whole ? Rect{} : inner)) {
    if (!to_deep_.incremental()) {
      expand_to_i410(flat, part, deep_.view(), DeepScale::of(target_));
    } else if (!part.empty()) {
      edges.add(part);
    }
  }
  if (!edges.nothing()) to_deep_.convert(image, edges, deep_.view());
  solid_ = solid;
  return {};
}

Result<void> LayerPicture::make_with_alpha(const HostImage& image) {
  const HostImage::Plane& plane = image.planes[0];
  RgbView pixels{plane.data + static_cast<std::size_t>(plan_.crop.y) * plane.stride_bytes +
                     static_cast<std::size_t>(plan_.crop.x) * 4,
                 plane.stride_bytes, plan_.crop.size()};
  if (plan_.transform != Transform::Normal) {
    turned_.resize(plan_.shown.area() * 4);
    const std::size_t stride = std::size_t{plan_.shown.width} * 4;
    if (auto done = turn_pixels(pixels, plan_.transform, turned_.data(), stride); !done) return done;
    pixels = {turned_.data(), stride, plan_.shown};
  }
  const auto [width, height] = place_.box.size();
  const Unpacked unpacked(image.format);
  const std::size_t row_values = width * kChannels;
  columns_.assign(row_values * pixels.size.height, 0.0F);
  for (std::uint32_t x = 0; x < width; ++x) {
    const Tent tent(x, width, pixels.size.width);
    for (std::int64_t from = tent.first; from <= tent.last; ++from) {
      const float weight = tent.weight(from);
      for (std::size_t y = 0; y < pixels.size.height; ++y) {
        const auto value = unpacked(pixels.data + y * pixels.stride_bytes + tent.clamped(from) * 4);
        float* sum = columns_.data() + y * row_values + x * kChannels;
        for (std::size_t c = 0; c < kChannels; ++c) sum[c] += weight * value[c];
      }
    }
  }
  const YuvMatrix matrix = yuv_matrix(target_.colour, DeepScale::kBits);
  alpha_.resize(place_.box.size().area());
  // See DeepScale: RGB has its own.
  const bool rgb = target_.colour.matrix == ColourMatrix::Rgb && info(target_.format).bits == 8;
  const float most = rgb ? 1020.0F / 1023 : 1;
  std::vector<float>& sums = row_;
  sums.resize(row_values);
  for (std::uint32_t y = 0; y < height; ++y) {
    const Tent tent(y, height, pixels.size.height);
    std::ranges::fill(sums, 0.0F);
    for (std::int64_t from = tent.first; from <= tent.last; ++from) {
      const float weight = tent.weight(from);
      const float* row = columns_.data() + tent.clamped(from) * row_values;
      for (std::size_t i = 0; i < row_values; ++i) sums[i] += weight * row[i];
    }
    std::array<std::uint16_t*, 3> out{};
    for (unsigned i = 0; i < 3; ++i) {
      const YuvView::Plane& plane_out = deep_.view().planes.at(i);
      out.at(i) = reinterpret_cast<std::uint16_t*>(plane_out.data + y * plane_out.stride_bytes);
    }
    for (std::uint32_t x = 0; x < width; ++x) {
      const float* sum = sums.data() + x * kChannels;
      const float alpha = sum[3];
      alpha_[std::size_t{y} * width + x] = alpha;
      const float scale = alpha > 0 ? most / alpha : 0;
      const auto sample = [&](const std::array<double, 3>& weights, double offset) {
        const double value = (weights[0] * sum[0] + weights[1] * sum[1] + weights[2] * sum[2]) * scale + offset;
        return static_cast<std::uint16_t>(std::lround(std::clamp(value, 0.0, 1023.0)));
      };
      out[0][x] = sample(matrix.luma, matrix.luma_offset);
      out[1][x] = sample(matrix.cb, matrix.chroma_offset);
      out[2][x] = sample(matrix.cr, matrix.chroma_offset);
    }
  }
  return {};
}

void LayerPicture::cover(std::uint32_t x, std::uint32_t y, std::size_t count, float* out) const {
  const auto [width, height] = place_.box.size();
  const float opacity = static_cast<float>(place_.opacity) / 255;
  if (alpha_.empty()) {
    std::fill_n(out, count, opacity);
  } else {
    const float* alpha = alpha_.data() + std::size_t{y} * width + x;
    for (std::size_t i = 0; i < count; ++i) out[i] = alpha[i] * opacity;
  }
  const std::uint32_t radius = std::min(place_.radius, std::min(width, height) / 2);
  if (radius == 0 || (y >= radius && y < height - radius)) return;
  const double r = radius;
  const double dy = y < radius ? r - (y + 0.5) : y + 0.5 - (height - r);
  const auto corner = [&](std::size_t i, double dx) {
    out[i] *= static_cast<float>(std::clamp(r + 0.5 - std::hypot(dx, dy), 0.0, 1.0));
  };
  const std::size_t end = x + count;
  for (std::size_t at = x; at < std::min<std::size_t>(end, radius); ++at) {
    corner(at - x, r - (static_cast<double>(at) + 0.5));
  }
  for (std::size_t at = std::max<std::size_t>(x, width - radius); at < end; ++at) {
    corner(at - x, static_cast<double>(at) + 0.5 - (width - r));
  }
}

}  // namespace zc
