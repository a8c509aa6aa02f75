#include "zerocopy/vulkan/layer_geometry.h"

#include "zerocopy/cpu/yuv_coefficients.h"
#include "zerocopy/cpu/yuv_view.h"

#include <fmt/format.h>

#include <algorithm>

namespace zc {
namespace {

constexpr const char* kWhat = "draw a layer";
/// Places beyond this are nobody's, and sums of them stay far from overflow.
constexpr std::int64_t kFarthest = std::int64_t{1} << 24;

// The numbers of shaders/layers.glsl.
enum Trait : std::int32_t {
  kDrawn = 1,
  kImage = 2,
  kYuv = 4,
  kPaired = 8,
  kAlpha = 16,
  kScaled = 32,
  kRound = 64,
  kToned = 128,
  kTurned = 256,
  kWide = 512,
  kHalved = 1024,
  kHalvedDown = 2048
};
enum Direct : std::int32_t { kConvert = 0, kSame = 1, kToEight = 2, kToTen = 3 };

/// Where a component's samples are: in which plane, from which byte of it on, how far apart.
struct Samples {
  unsigned plane;
  std::int32_t first, pitch;
};
std::array<Samples, 3> samples_of(PixelFormat format) {
  switch (format) {
    case PixelFormat::YUY2: return {{{0, 0, 2}, {0, 1, 4}, {0, 3, 4}}};
    case PixelFormat::UYVY: return {{{0, 1, 2}, {0, 0, 4}, {0, 2, 4}}};
    default: break;
  }
  const YuvLayout layout = yuv_layout(format);
  const std::int32_t bytes = layout.wide ? 2 : 1;
  if (layout.interleaved) return {{{0, 0, bytes}, {1, 0, 2 * bytes}, {1, bytes, 2 * bytes}}};
  return {{{0, 0, bytes}, {1, 0, bytes}, {2, 0, bytes}}};
}

bool is_yuv(PixelFormat format) { return yuv_layout(format).valid || info(format).yuv; }

/// What nobody said is the surface's own, where that is YUV.
ColourDescription known(ColourDescription colour, const ColourDescription& surface) {
  const ColourDescription& said = surface.matrix == ColourMatrix::Rgb ? kBt709Limited : surface;
  if (colour.matrix == ColourMatrix::Unknown) colour.matrix = said.matrix;
  if (colour.range == ColourRange::Unknown) colour.range = said.range;
  return colour;
}

/// Rows that make red, green and blue from 0 to 1 of code values.
void set_matrix(LayerGeometry& g, const ColourDescription& colour, unsigned bits) {
  const YuvMatrix m = yuv_matrix(colour, bits);
  // The inverse of {luma, cb, cr} by cofactors.
  const auto& [a, b, c] = std::array{m.luma, m.cb, m.cr};
  const auto cross = [](const std::array<double, 3>& p, const std::array<double, 3>& q) {
    return std::array{p[1] * q[2] - p[2] * q[1], p[2] * q[0] - p[0] * q[2], p[0] * q[1] - p[1] * q[0]};
  };
  const std::array columns{cross(b, c), cross(c, a), cross(a, b)};
  const double determinant = a[0] * columns[0][0] + a[1] * columns[0][1] + a[2] * columns[0][2];
  const std::array offsets{m.luma_offset, m.chroma_offset, m.chroma_offset};
  const std::array rows{&g.red, &g.green, &g.blue};
  for (std::size_t row = 0; row < 3; ++row) {
    double offset = 0;
    for (std::size_t column = 0; column < 3; ++column) {
      const double weight = columns.at(column).at(row) / determinant;
      rows.at(row)->at(column) = static_cast<float>(weight);
      offset -= weight * offsets.at(column);
    }
    (*rows.at(row))[3] = static_cast<float>(offset);
  }
}

Result<void> set_memory(LayerGeometry& g, const LayerPicture& picture, LayerMemory memory,
                        const PicturePlanes& planes) {
  const PixelFormatInfo& format = info(picture.format);
  if (const RgbFields fields = rgb_fields(picture.format); fields.valid) {
    if (memory == LayerMemory::Image) g.kind[0] |= kImage;
    if (format.alpha) g.kind[0] |= kAlpha;
    if (fields.layout == RgbLayout::Bytes) {
      g.fields = {8 * fields.red, 8 * fields.green, 8 * fields.blue, 8 * fields.alpha};
      g.red = {255, 255, 255, 255};
    } else {
      const bool high = fields.layout == RgbLayout::TenBitHigh;
      const std::int32_t low = high ? 2 : 0;
      g.fields = {low + 10 * fields.red, low + 10 * fields.green, low + 10 * fields.blue, high ? 0 : 30};
      g.red = {1023, 1023, 1023, 3};
    }
    for (std::size_t i = 0; i < 4; ++i) g.green.at(i) = 1 / g.red.at(i);
    g.offset[0] = static_cast<std::int32_t>(planes[0].offset_bytes);
    g.stride[0] = static_cast<std::int32_t>(planes[0].stride_bytes);
    g.pitch[0] = 4;
    return {};
  }
  if (!is_yuv(picture.format)) {
    return fail(ErrorKind::Unsupported, kWhat, fmt::format("{} pictures", format.name));
  }
  const YuvLayout layout = yuv_layout(picture.format);
  if (memory == LayerMemory::Image) {
    return fail(ErrorKind::Unsupported, kWhat, fmt::format("{} pictures that are not linear", format.name));
  }
  g.kind[0] |= kYuv;
  if (layout.wide) g.kind[0] |= kWide;
  const auto samples = samples_of(picture.format);
  for (std::size_t i = 0; i < 3; ++i) {
    const SurfaceLayout::Plane& plane = planes.at(samples.at(i).plane);
    if (layout.wide && (plane.offset_bytes | plane.stride_bytes) % 2 != 0) {
      return fail(ErrorKind::Invalid, kWhat, "its 16-bit samples are at odd addresses");
    }
    g.offset.at(i) = static_cast<std::int32_t>(plane.offset_bytes) + samples.at(i).first;
    g.stride.at(i) = static_cast<std::int32_t>(plane.stride_bytes);
    g.pitch.at(i) = samples.at(i).pitch;
  }
  g.offset[3] = static_cast<std::int32_t>(layout.value_shift);
  const SurfaceLayout::Plane& chroma = planes.at(samples[1].plane);
  const auto pair = static_cast<std::size_t>(g.pitch[1]);
  const bool together = samples[1].plane == samples[2].plane;
  if (together && (chroma.offset_bytes | chroma.stride_bytes) % pair == 0) g.kind[0] |= kPaired;
  const std::uint32_t halved = layout.valid ? format.chroma_shift_x : 1U;  // the others are 4:2:2
  if (halved != 0) g.kind[0] |= kHalved;
  if (format.chroma_shift_y != 0) g.kind[0] |= kHalvedDown;
  g.stride[3] = static_cast<std::int32_t>((picture.buffer.width + halved) >> halved) - 1;
  return {};
}

/// Whether the surface's samples are the picture's own, but for their bits.
Direct direct_copy(const LayerGeometry& g, const LayerPicture& picture, const SurfaceFormat& surface) {
  const YuvLayout from = yuv_layout(picture.format);
  const YuvLayout to = yuv_layout(surface.format);
  const ColourDescription colour = known(picture.colour, surface.colour);
  const bool fits = from.valid && from.subsampled && to.subsampled && g.kind[2] == 0 &&
                    picture.transform == Transform::Normal && g.look[0] == 1 && g.look[1] == 1 &&
                    ((g.box[0] | g.box[1] | g.source[0] | g.source[1]) & 1) == 0 &&
                    colour.matrix == surface.colour.matrix && colour.range == surface.colour.range;
  if (!fits) return kConvert;
  if (from.wide == to.wide) return kSame;
  if (from.wide) return kToEight;
  return colour.range == ColourRange::Limited ? kToTen : kConvert;
}

/// A picture in a box.
struct Placed {
  std::array<std::int64_t, 4> box{};  ///< left, top, right, bottom
  std::array<float, 2> ratio{1, 1};   ///< a pixel off is not filtered, see PicturePlan::content
};

Result<LayerGeometry> geometry(const LayerPicture& picture, const PicturePlan& plan, const Placed& placed,
                               const LayerPlace& place, LayerMemory memory, const PicturePlanes& planes,
                               const SurfaceFormat& surface) {
  LayerGeometry g;
  for (std::size_t i = 0; i < 4; ++i) g.box.at(i) = static_cast<std::int32_t>(placed.box.at(i));
  const auto source_of = [&](std::int32_t x, std::int32_t y) {
    const Rect at = source_rect(plan.transform, plan.crop.size(), {x, y, 1, 1});
    return Point{plan.crop.x + at.x, plan.crop.y + at.y};
  };
  const Point origin = source_of(0, 0);
  const Point right = source_of(1, 0);
  const Point below = source_of(0, 1);
  g.source = {origin.x, origin.y, static_cast<std::int32_t>(plan.shown.width),
              static_cast<std::int32_t>(plan.shown.height)};
  g.steps = {right.x - origin.x, right.y - origin.y, below.x - origin.x, below.y - origin.y};
  const std::uint32_t half = std::min(place.box.width, place.box.height) / 2;
  g.look = {placed.ratio[0], placed.ratio[1], static_cast<float>(place.opacity) / 255.0F,
            static_cast<float>(std::min(place.radius, half))};
  g.kind[2] = static_cast<std::int32_t>(tone_map(picture.colour, surface.colour));
  g.kind[0] = kDrawn | (g.kind[2] != 0 ? kToned : 0) | (g.look[0] != 1 || g.look[1] != 1 ? kScaled : 0) |
              (g.look[3] > 0 ? kRound : 0) | (picture.transform != Transform::Normal ? kTurned : 0);
  if (auto set = set_memory(g, picture, memory, planes); !set) return std::unexpected(std::move(set.error()));
  if (place.opacity == 255 && (g.kind[0] & kAlpha) == 0) g.kind[1] = 1;
  if (is_yuv(picture.format)) set_matrix(g, known(picture.colour, surface.colour), info(picture.format).bits);
  return g;
}

}  // namespace

bool is_layer_format(PixelFormat format) { return rgb_fields(format).valid || is_yuv(format); }

LayerPicture layer_picture(const Frame& frame) {
  return {.format = frame.format(),
          .buffer = frame.buffer_size(),
          .crop = frame.crop,
          .transform = frame.transform,
          .colour = frame.colour};
}

Result<std::optional<LayerGeometry>> layer_geometry(const LayerPicture& picture, const LayerPlace& place,
                                                    LayerMemory memory, const PicturePlanes& planes,
                                                    const SurfaceFormat& surface) {
  const Rect visible = intersect(place.box, {0, 0, surface.size.width, surface.size.height});
  if (place.opacity == 0 || visible.empty()) return std::nullopt;
  Placed placed;
  placed.box = {place.box.x, place.box.y, std::int64_t{place.box.x} + place.box.width,
                std::int64_t{place.box.y} + place.box.height};
  if (std::ranges::any_of(placed.box, [](std::int64_t edge) { return edge > kFarthest || edge < -kFarthest; })) {
    return fail(ErrorKind::Invalid, kWhat, "its place reaches too far");
  }
  const auto plan = make_picture_plan(picture.format, picture.buffer, picture.crop, picture.transform, surface.size);
  if (!plan) return std::unexpected(plan.error());
  const Size box = place.box.size();
  const auto near = [](std::uint32_t a, std::uint32_t b) { return a <= b + 1 && b <= a + 1; };
  if (!near(plan->shown.width, box.width) || !near(plan->shown.height, box.height)) {
    placed.ratio = {static_cast<float>(plan->shown.width) / static_cast<float>(box.width),
                    static_cast<float>(plan->shown.height) / static_cast<float>(box.height)};
  }
  auto made = geometry(picture, *plan, placed, place, memory, planes, surface);
  if (!made) return std::unexpected(std::move(made.error()));
  return *made;
}

Result<LayerGeometry> main_geometry(const LayerPicture& picture, const PicturePlan& plan, LayerMemory memory,
                                    const PicturePlanes& planes, const SurfaceFormat& surface) {
  Placed placed;
  placed.box = {plan.box.x, plan.box.y, plan.box.x + std::int64_t{plan.box.width},
                plan.box.y + std::int64_t{plan.box.height}};
  if (plan.scaled) {
    placed.ratio = {static_cast<float>(plan.shown.width) / static_cast<float>(plan.box.width),
                    static_cast<float>(plan.shown.height) / static_cast<float>(plan.box.height)};
  }
  auto made = geometry(picture, plan, placed, {.box = plan.box}, memory, planes, surface);
  if (made) made->kind[3] = direct_copy(*made, picture, surface);
  return made;
}

void set_areas(LayerTable& table, std::size_t drawn, bool keep, Size surface) {
  std::array<Rect, LayerTable::kSlots> areas{};
  std::size_t count = 0;
  const std::int32_t across = 2 * kComposeWorkgroup[0];
  const std::int32_t down = 2 * kComposeWorkgroup[1];
  for (const LayerGeometry& g : std::span(table.layers).first(drawn)) {
    if (g.kind[3] != kConvert) continue;
    // The chroma on its right takes in its last column.
    const std::int32_t left = std::max(g.box[0], 0) / across;
    const std::int32_t top = std::max(g.box[1], 0) / down;
    const std::int32_t right = std::min(g.box[2], static_cast<std::int32_t>(surface.width) - 1) / across + 1;
    const std::int32_t bottom = std::min(g.box[3] - 1, static_cast<std::int32_t>(surface.height) - 1) / down + 1;
    Rect area{left, top, static_cast<std::uint32_t>(right - left), static_cast<std::uint32_t>(bottom - top)};
    // With those that it overlaps it becomes one.
    for (std::size_t i = 0; i < count;) {
      if (intersect(areas.at(i), area).empty()) {
        ++i;
        continue;
      }
      area = bounding(areas.at(i), area);
      areas.at(i) = areas.at(--count);
      i = 0;
    }
    areas.at(count++) = area;
  }
  std::int32_t groups = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Rect& area = areas.at(i);
    table.areas.at(i) = {area.x, area.y, static_cast<std::int32_t>(area.width), groups};
    groups += static_cast<std::int32_t>(area.width * area.height);
  }
  table.count = {static_cast<std::int32_t>(drawn), keep ? 1 : 0, static_cast<std::int32_t>(count), groups};
}

std::array<std::uint32_t, 2> compose_groups(const LayerTable& table) {
  constexpr std::uint32_t kMost = 32768;
  const auto groups = static_cast<std::uint32_t>(table.count[3]);
  return {std::min(groups, kMost), (groups + kMost - 1) / kMost};
}

std::size_t picture_bytes(PixelFormat format, Size size, const PicturePlanes& planes) {
  std::size_t end = 0;
  for (unsigned i = 0; i < info(format).planes; ++i) {
    const SurfaceLayout::Plane& plane = planes.at(i);
    end = std::max(end, plane.offset_bytes + plane.stride_bytes * (plane_height(format, i, size.height) - 1) +
                            row_bytes(format, i, size.width));
  }
  return (end + 3) / 4 * 4;
}

}  // namespace zc
