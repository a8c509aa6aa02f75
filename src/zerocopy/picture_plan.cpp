#include "zerocopy/picture_plan.h"

#include "zerocopy/cpu/yuv_coefficients.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include <fmt/format.h>

namespace zc {
namespace {

bool within_one(std::uint32_t a, std::uint32_t b) { return a + 1 >= b && b + 1 >= a; }

}  // namespace

Result<void> check_edges(Size size, std::string_view operation) {
  if (!size.empty() && size.width <= kMaxEdge && size.height <= kMaxEdge) return {};
  return fail(ErrorKind::Invalid, std::string(operation),
              fmt::format("{}x{} is not a size (1 to {} px)", size.width, size.height, kMaxEdge));
}

Result<SurfaceFormat> resolve_target(const SurfaceFormat& target, std::string_view operation) {
  if (auto good = check_edges(target.size, operation); !good) return std::unexpected(std::move(good.error()));
  SurfaceFormat resolved = target;
  if (resolved.colour.matrix == ColourMatrix::Unknown) resolved.colour.matrix = ColourMatrix::BT709;
  if (resolved.colour.range == ColourRange::Unknown) resolved.colour.range = ColourRange::Limited;
  return resolved;
}

Result<PicturePlan> make_picture_plan(PixelFormat format, Size buffer, const Rect& crop, Transform transform,
                                      Size surface) {
  for (const Size size : {buffer, surface}) {
    if (auto good = check_edges(size, "import frame"); !good) return std::unexpected(std::move(good.error()));
  }
  if (static_cast<unsigned>(transform) > static_cast<unsigned>(Transform::Flipped270)) {
    return fail(ErrorKind::Invalid, "import frame", "its transform is unknown");
  }
  PicturePlan plan;
  plan.format = format;
  plan.buffer = buffer;
  const Rect whole{0, 0, buffer.width, buffer.height};
  plan.crop = crop.empty() ? whole : intersect(crop, whole);
  if (plan.crop.empty()) return fail(ErrorKind::Invalid, "import frame", "its crop lies outside the buffer");
  plan.transform = transform;
  plan.shown = swaps_axes(transform) ? Size{plan.crop.height, plan.crop.width} : plan.crop.size();
  plan.surface = surface;
  if (within_one(plan.shown.width, surface.width) && within_one(plan.shown.height, surface.height)) {
    plan.box = {0, 0, surface.width, surface.height};
    plan.content = {std::min(plan.shown.width, surface.width), std::min(plan.shown.height, surface.height)};
    return plan;
  }
  plan.box = letterbox(plan.shown, surface);
  plan.content = plan.box.size();
  plan.scaled = plan.content != plan.shown;
  return plan;
}

Result<PicturePlan> make_picture_plan(const Frame& frame, const SurfaceFormat& surface) {
  auto plan = make_picture_plan(frame.format(), frame.buffer_size(), frame.crop, frame.transform, surface.size);
  if (plan && rgb_fields(plan->format).valid) plan->tone = tone_map(frame.colour, surface.colour);
  if (plan && info(plan->format).yuv) plan->colour = frame.colour;
  return plan;
}

Result<PicturePlan> make_filling_plan(const Frame& frame, Size size, const ColourDescription& colour) {
  auto plan = make_picture_plan(frame, {.size = size, .colour = colour});
  if (!plan) return plan;
  const bool padded = plan->padded();
  plan->box = {0, 0, size.width, size.height};
  if (padded) return plan;
  plan->content = size;
  plan->scaled = plan->shown != size;
  return plan;
}

}  // namespace zc
