#include "zerocopy/cpu/layer_painter.h"

#include "base/log.h"

#include <algorithm>
#include <cmath>

namespace zc {
namespace {

std::int32_t right_of(const Rect& rect) { return rect.x + static_cast<std::int32_t>(rect.width); }
std::int32_t below(const Rect& rect) { return rect.y + static_cast<std::int32_t>(rect.height); }

/// Calls `visit` with what of `rect` is in the area.
template <class Visit>
void for_each_part(const Damage& area, const Rect& rect, const Visit& visit) {
  if (rect.empty()) return;
  if (area.everything()) return visit(rect);
  for (const Rect& one : area.rects()) {
    const Rect part = intersect(one, rect);
    if (!part.empty()) visit(part);
  }
}

bool visible(const Layer& layer) { return layer.picture != nullptr && layer.picture->has_image(); }

const std::uint16_t* deep_row(const YuvView& view, unsigned plane, std::int64_t y) {
  const YuvView::Plane& p = view.planes.at(plane);
  return reinterpret_cast<const std::uint16_t*>(p.data + static_cast<std::size_t>(y) * p.stride_bytes);
}

template <class Sample>
Sample* row_of(const YuvView& view, unsigned plane, std::int64_t y) {
  const YuvView::Plane& p = view.planes.at(plane);
  return reinterpret_cast<Sample*>(p.data + static_cast<std::size_t>(y) * p.stride_bytes);
}

}  // namespace

void LayerPainter::configure(const SurfaceFormat& target) {
  target_ = target;
  layout_ = yuv_layout(target.format);
  scale_ = DeepScale::of(target);
  const auto most = static_cast<float>((1U << info(target.format).bits) - 1);
  const float chroma = scale_.offset - scale_.deep_offset / scale_.up;
  narrow_ = {Narrow{1 / scale_.up, 0.5F, most, layout_.value_shift},
             Narrow{1 / scale_.up, 0.5F + chroma, most, layout_.value_shift}};
  layers_.clear();
  held_drawn_.clear();
  imprecise_ = Damage::none();
  dirty_ = true;
  const std::size_t width = std::size_t{target.size.width} + 1;
  for (Row& row : rows_) {
    for (auto& samples : row.samples) samples.resize(width);
    row.cover.resize(width);
  }
  cover_.resize(width);
}

Rect LayerPainter::reach_of(const LayerPlace& place) const {
  if (place.opacity == 0 || place.box.empty()) return {};
  return chroma_reach(place.box, target_.size, layout_.subsampled);
}

Rect LayerPainter::held(const Rect& reach) const {
  if (reach.empty()) return reach;
  const std::int32_t x = std::max(reach.x - 2, 0);
  const std::int32_t y = std::max(reach.y - 2, 0);
  return {x, y, reach.width + static_cast<std::uint32_t>(reach.x - x),
          reach.height + static_cast<std::uint32_t>(reach.y - y)};
}

Rect LayerPainter::with_left(const Rect& part) const {
  if (!layout_.subsampled || part.empty() || part.x == 0) return part;
  return {part.x - 1, part.y, part.width + 1, part.height};
}

bool LayerPainter::adopt_order() {
  before_.clear();
  before_.swap(layers_);
  bool reordered = false;
  std::ptrdiff_t last = -1;
  for (const Layer& layer : wanted_) {
    if (!visible(layer)) continue;
    const auto old = std::ranges::find_if(before_, [&](const auto& one) { return one && one->layer.id == layer.id; });
    if (old == before_.end()) {
      layers_.push_back(std::make_unique<Drawn>());
      layers_.back()->pixels.configure(target_);
      continue;
    }
    reordered = reordered || old - before_.begin() < last;
    last = old - before_.begin();
    layers_.push_back(std::move(*old));
  }
  return reordered;
}

void LayerPainter::find_overlaps() {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Drawn& lower = *layers_[i];
    const bool overlapped = std::ranges::any_of(
        layers_.begin() + static_cast<std::ptrdiff_t>(i) + 1, layers_.end(),
        [&](const auto& upper) { return !intersect(held(upper->reach), held(lower.reach)).empty(); });
    if (overlapped && !lower.overlapped) lower.stale = true;
    lower.overlapped = overlapped;
  }
}

void LayerPainter::make(Drawn& drawn, const Open& open) {
  drawn.stale = false;
  if (drawn.reach.empty()) return;
  const Rect solid = drawn.pixels.solid();
  const bool opaque = drawn.pixels.opaque();
  const auto made = open(*drawn.layer.picture, [&](const HostImage& image) {
    return drawn.pixels.make(*drawn.layer.picture, image, drawn.layer.place, drawn.overlapped);
  });
  if (drawn.pixels.solid() != solid || drawn.pixels.opaque() != opaque) drawn.moved = true;
  if (!made && !drawn.failed) {
    logger("zerocopy").warn("layer {} is left out: {}", drawn.layer.id, made.error().message());
  }
  drawn.failed = !made;
  if (drawn.failed) drawn.reach = {};
}

Damage LayerPainter::update(const Open& open) {
  Damage changed = Damage::none();
  if (!std::exchange(dirty_, false)) return changed;
  const auto changes = [&](const Rect& reach) {
    if (!reach.empty()) changed.add(held(reach));
  };
  const bool reordered = adopt_order();
  for (const auto& gone : before_) {
    if (gone) changes(gone->reach);
  }
  before_.clear();
  std::size_t at = 0;
  for (const Layer& layer : wanted_) {
    if (!visible(layer)) continue;
    Drawn& drawn = *layers_.at(at++);
    const bool moved = reordered || !drawn.layer.picture || drawn.layer.place != layer.place;
    if (!moved && drawn.layer.picture == layer.picture) continue;
    changes(drawn.reach);
    drawn.layer = layer;
    drawn.reach = reach_of(layer.place);
    drawn.stale = true;
    drawn.moved = drawn.moved || moved;
    changes(drawn.reach);
  }
  find_overlaps();
  for (const auto& drawn : layers_) {
    if (drawn->stale) make(*drawn, open);
  }
  return changed;
}

template <class Visit>
void LayerPainter::divide(const Rect& part, const Visit& visit, std::size_t first) const {
  if (part.empty()) return;
  for (; first < layers_.size(); ++first) {
    const Drawn& drawn = *layers_[first];
    const Rect hit = drawn.reach.empty() ? Rect{} : intersect(part, drawn.pixels.solid());
    if (hit.empty()) continue;
    visit(hit, true);
    for (const Rect& rest : around(part, hit)) divide(rest, visit, first + 1);
    return;
  }
  visit(part, false);
}

void LayerPainter::keep_beneath(const YuvView& surface, const Damage& area) {
  if (layers_.empty()) return;
  const YuvView& beneath = beneath_.reset(target_.format, target_.size);
  deep_.reset(PixelFormat::I410, target_.size);
  for (const auto& drawn : layers_) {
    for_each_part(area, held(drawn->reach), [&](const Rect& part) { copy_rect(surface, beneath, part); });
  }
}

void LayerPainter::drawn() {
  held_drawn_.clear();
  for (const auto& drawn : layers_) {
    drawn->moved = false;
    if (!drawn->reach.empty()) held_drawn_.push_back(held(drawn->reach));
  }
}

void LayerPainter::paint(const YuvView& surface, const Damage& area, const Beneath* beneath) {
  keep_beneath(surface, area);
  const auto to_deep = [&](const Rect& part) {
    const Rect inside = beneath != nullptr ? intersect(part, beneath->box) : Rect{};
    if (inside != part) expand_to_i410(beneath_.view(), part, deep_.view(), scale_);
    if (inside.empty()) return;
    // From the content's last column and row on, which fill up the box.
    const Rect& content = beneath->content;
    const std::int32_t x = std::min(inside.x, right_of(content) - 1);
    const std::int32_t y = std::min(inside.y, below(content) - 1);
    const Rect filled{x, y, static_cast<std::uint32_t>(right_of(inside) - x),
                      static_cast<std::uint32_t>(below(inside) - y)};
    const Rect exact = intersect(filled, content);
    const Rect pixels{exact.x - content.x, exact.y - content.y, exact.width, exact.height};
    beneath->to_i410.convert(beneath->pixels, pixels, deep_.view().part(content));
    if (filled != exact) extend_edges(deep_.view().part(filled), exact.size());
  };
  for (const auto& drawn : layers_) {
    if (drawn->reach.empty()) continue;
    for (const Rect& part : around(drawn->reach, drawn->pixels.solid())) {
      const Rect seen = with_left(part);
      const Rect hidden = drawn->pixels.hides(part) ? intersect(seen, drawn->layer.place.box) : Rect{};
      for (const Rect& rest : around(seen, hidden)) for_each_part(area, rest, to_deep);
    }
  }
  compose(surface, area);
  drawn();
}

bool LayerPainter::stand_still() const {
  auto before = held_drawn_.begin();
  for (const auto& drawn : layers_) {
    if (drawn->moved) return false;
    if (!drawn->reach.empty() && (before == held_drawn_.end() || *before++ != held(drawn->reach))) return false;
  }
  return before == held_drawn_.end();
}

void LayerPainter::repaint(const YuvView& surface, const Damage& area) {
  const bool still = stand_still();
  for (const Rect& rect : held_drawn_) {
    for_each_part(area, rect, [&](const Rect& part) {
      if (!still) return copy_rect(beneath_.view(), surface, part);
      divide(part, [&](const Rect& rest, bool hidden) {
        if (!hidden) copy_rect(beneath_.view(), surface, rest);
      });
    });
  }
  if (!still) keep_beneath(surface, area);
  for (const auto& drawn : layers_) {
    if (!drawn->moved || drawn->reach.empty()) continue;
    for (const Rect& part : around(drawn->reach, drawn->pixels.solid())) {
      if (part.empty()) continue;
      expand_to_i410(beneath_.view(), with_left(part), deep_.view(), scale_);
      // With the chroma samples to the left and right, which other layers' parts are made of, too.
      imprecise_.add(intersect({part.x - 2, part.y, part.width + 4, part.height},
                               {0, 0, target_.size.width, target_.size.height}));
    }
  }
  compose(surface, area);
  drawn();
}

void LayerPainter::compose(const YuvView& surface, const Damage& area) {
  for_each_part(area, {0, 0, target_.size.width, target_.size.height},
                [&](const Rect& part) { compose(surface, part, layers_.size()); });
}

void LayerPainter::compose(const YuvView& surface, const Rect& rect, std::size_t count) {
  while (count > 0) {
    const Drawn& top = *layers_.at(count - 1);
    const Rect hit = intersect(rect, top.reach);
    if (hit.empty()) {
      --count;
      continue;
    }
    for (const Rect& part : around(rect, hit)) {
      if (!part.empty()) compose(surface, part, count - 1);
    }
    const Rect copied = intersect(hit, top.pixels.solid());
    if (!copied.empty()) {
      const Rect& box = top.layer.place.box;
      const Rect from{copied.x - box.x, copied.y - box.y, copied.width, copied.height};
      copy_rect(top.pixels.flat().part(from), surface.part(copied), {0, 0, copied.width, copied.height});
    }
    for (const Rect& part : around(hit, copied)) {
      if (part.empty()) continue;
      if (!is_strip(part, count)) {
        blend(surface, part, count);
      } else if (layout_.wide) {
        blend_strip<std::uint16_t>(surface, part, top);
      } else {
        blend_strip<std::uint8_t>(surface, part, top);
      }
    }
    return;
  }
}

void LayerPainter::blend(const YuvView& surface, const Rect& rect, std::size_t count) {
  const std::int32_t step = layout_.subsampled ? 2 : 1;
  for (std::int32_t y = rect.y; y < below(rect); y += step) {
    const auto rows = static_cast<std::size_t>(std::min(step, below(rect) - y));
    for (std::size_t i = 0; i < rows; ++i) load(rows_.at(i), rect, y + static_cast<std::int32_t>(i), count);
    // Beyond the last row of an odd picture it counts on.
    if (step == 2 && rows == 1) load(rows_[1], rect, y, count);
    if (layout_.wide) {
      write<std::uint16_t>(surface, rect, y, rows);
    } else {
      write<std::uint8_t>(surface, rect, y, rows);
    }
  }
}

bool LayerPainter::is_strip(const Rect& rect, std::size_t count) const {
  constexpr std::uint32_t kMost = 4;
  if (!layout_.subsampled || rect.width > kMost || !layers_.at(count - 1)->pixels.hides(rect)) return false;
  return std::ranges::none_of(layers_.begin(), layers_.begin() + static_cast<std::ptrdiff_t>(count) - 1,
                              [&](const auto& lower) { return !intersect(lower->reach, with_left(rect)).empty(); });
}

template <class Sample>
void LayerPainter::blend_strip(const YuvView& surface, const Rect& rect, const Drawn& top) {
  struct Column {
    const std::uint16_t* samples;
    std::size_t stride;
    bool inside;  // the layer's
  };
  const Rect& box = top.layer.place.box;
  const auto column = [&](unsigned component, std::int32_t x) -> Column {
    x = std::clamp(x, 0, right_of(rect) - 1);
    const bool inside = x >= box.x && x < right_of(box);
    const YuvView& from = inside ? top.pixels.deep() : deep_.view();
    const std::int32_t first = inside ? rect.y - box.y : rect.y;
    return {deep_row(from, component, first) + (inside ? x - box.x : x), from.planes.at(component).stride_bytes / 2,
            inside};
  };
  const auto to = [&](unsigned plane, std::int32_t y) { return row_of<Sample>(surface, plane, y); };
  for (std::int32_t x = rect.x; x < right_of(rect); ++x) {
    const Column from = column(0, x);
    if (!from.inside) continue;
    Sample* out = to(0, rect.y) + x;
    for (std::size_t y = 0; y < rect.height; ++y) {
      *out = narrow_[0].to<Sample>(from.samples[y * from.stride]);
      out += surface.planes[0].stride_bytes / sizeof(Sample);
    }
  }
  const std::size_t step = layout_.interleaved ? 2 : 1;
  for (std::int32_t x = rect.x; x < right_of(rect); x += 2) {
    for (unsigned c = 1; c < 3; ++c) {
      const std::array<Column, 3> from{column(c, x - 1), column(c, x), column(c, x + 1)};
      if (!from[0].inside && !from[1].inside && !from[2].inside) continue;
      const unsigned plane = layout_.interleaved ? 1 : c;
      Sample* out = to(plane, rect.y / 2) + static_cast<std::size_t>(x / 2) * step + (layout_.interleaved ? c - 1 : 0);
      for (std::size_t y = 0; y < rect.height; y += 2) {
        unsigned sum = 0;
        for (const std::size_t line : {y, std::min<std::size_t>(y + 1, rect.height - 1)}) {
          const auto at = [line](const Column& one) { return unsigned{one.samples[line * one.stride]}; };
          sum += at(from[0]) + 2 * at(from[1]) + at(from[2]);
        }
        *out = narrow_[1].to<Sample>(static_cast<float>(sum) / 8);
        out += surface.planes.at(plane).stride_bytes / sizeof(Sample);
      }
    }
  }
}

void LayerPainter::load(Row& row, const Rect& rect, std::int32_t y, std::size_t count) {
  const bool left = layout_.subsampled && rect.x > 0;
  const std::size_t first = left ? 0 : 1;  // of the row's arrays
  const std::int64_t begin = std::int64_t{rect.x} - 1 + static_cast<std::int64_t>(first);
  const std::size_t pixels = rect.width + 1 - first;
  for (unsigned c = 0; c < 3; ++c) {
    const std::uint16_t* from = deep_row(deep_.view(), c, y) + begin;
    float* to = row.samples.at(c).data() + first;
    for (std::size_t i = 0; i < pixels; ++i) to[i] = from[i];
  }
  std::fill_n(row.cover.data(), std::size_t{rect.width} + 1, 0.0F);
  for (std::size_t i = 0; i < count; ++i) {
    const Drawn& drawn = *layers_.at(i);
    const Rect& box = drawn.layer.place.box;
    if (drawn.reach.empty() || y < box.y || y - box.y >= std::int64_t{box.height}) continue;
    const std::int64_t from = std::max<std::int64_t>(begin, box.x);
    const std::int64_t to = std::min<std::int64_t>(right_of(rect), std::int64_t{box.x} + box.width);
    if (from >= to) continue;
    const auto length = static_cast<std::size_t>(to - from);
    const auto x = static_cast<std::uint32_t>(from - box.x);
    const auto layer_y = static_cast<std::uint32_t>(y - box.y);
    const auto at = static_cast<std::size_t>(from - rect.x + 1);
    const float* cover = cover_.data();
    drawn.pixels.cover(x, layer_y, length, cover_.data());
    for (unsigned c = 0; c < 3; ++c) {
      const std::uint16_t* above = deep_row(drawn.pixels.deep(), c, layer_y) + x;
      float* samples = row.samples.at(c).data() + at;
      for (std::size_t k = 0; k < length; ++k) samples[k] += (above[k] - samples[k]) * cover[k];
    }
    float* most = row.cover.data() + at;
    for (std::size_t k = 0; k < length; ++k) most[k] = std::max(most[k], cover[k]);
  }
  if (left) return;  // beyond the picture's edge the edge pixel counts on
  for (auto& samples : row.samples) samples[0] = samples[1];
  row.cover[0] = row.cover[1];
}

template <class Sample>
void LayerPainter::write(const YuvView& surface, const Rect& rect, std::int32_t y, std::size_t rows) const {
  const unsigned planes = layout_.subsampled ? 1 : 3;
  for (std::size_t r = 0; r < rows; ++r) {
    const Row& row = rows_.at(r);
    for (unsigned plane = 0; plane < planes; ++plane) {
      Sample* out = row_of<Sample>(surface, plane, y + static_cast<std::int32_t>(r)) + rect.x;
      const float* samples = row.samples.at(plane).data() + 1;
      const float* cover = row.cover.data() + 1;
      const Narrow narrow = narrow_[plane > 0 ? 1 : 0];
      for (std::size_t k = 0; k < rect.width; ++k) out[k] = cover[k] > 0 ? narrow.to<Sample>(samples[k]) : out[k];
    }
  }
  if (layout_.subsampled) write_chroma<Sample>(surface, rect, y);
}

template <class Sample>
void LayerPainter::write_chroma(const YuvView& surface, const Rect& rect, std::int32_t y) const {
  // 1-2-1 across, the mean of two rows: as the picture's own.
  const auto samples = static_cast<std::size_t>((rect.width + 1) / 2);
  const std::size_t step = layout_.interleaved ? 2 : 1;
  for (unsigned c = 1; c < 3; ++c) {
    Sample* out = row_of<Sample>(surface, layout_.interleaved ? 1 : c, y / 2) +
                  static_cast<std::size_t>(rect.x / 2) * step + (layout_.interleaved ? c - 1 : 0);
    for (std::size_t i = 0; i < samples; ++i) {
      const std::size_t k = 2 * i;
      const std::size_t last = std::min<std::size_t>(k + 2, rect.width);
      float sum = 0;
      float cover = 0;
      for (const Row& row : rows_) {
        const std::vector<float>& s = row.samples.at(c);
        sum += s[k] + 2 * s[k + 1] + s[last];
        cover = std::max({cover, row.cover[k], row.cover[k + 1], row.cover[last]});
      }
      if (cover > 0) out[i * step] = narrow_[1].to<Sample>(sum / 8);
    }
  }
}

}  // namespace zc
