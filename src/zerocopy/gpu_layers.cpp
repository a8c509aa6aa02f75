#include "zerocopy/gpu_layers.h"

#include "base/log.h"

#include <algorithm>
#include <utility>

namespace zc {
namespace {

bool visible(const Layer& layer) { return layer.picture && layer.picture->has_image() && layer.place.opacity != 0; }

bool same(const Layer& a, const Layer& b) { return a.id == b.id && a.place == b.place && a.picture == b.picture; }

/// Whether the two own one object: its address may be another's when it is gone.
bool holds(const std::weak_ptr<const Frame>& kept, const std::shared_ptr<const Frame>& picture) {
  return !kept.owner_before(picture) && !picture.owner_before(kept);
}

}  // namespace

void GpuLayers::set(std::vector<Layer> layers) {
  if (!std::ranges::equal(layers, layers_, same)) ++version_;
  layers_ = std::move(layers);
}

bool GpuLayers::empty() const { return std::ranges::none_of(layers_, visible); }

bool GpuLayers::want_gpu() const {
  return std::ranges::any_of(layers_, [](const Layer& layer) {
    return visible(layer) && !std::holds_alternative<HostImage>(layer.picture->image);
  });
}

GpuLayers::Slot& GpuLayers::slot(std::uint32_t id) {
  const auto known = std::ranges::find(slots_, id, [](const auto& slot) { return slot->id; });
  if (known != slots_.end()) return **known;
  slots_.push_back(std::make_unique<Slot>());
  slots_.back()->id = id;
  return *slots_.back();
}

void GpuLayers::trim() {
  std::erase_if(slots_, [this](const std::unique_ptr<Slot>& slot) {
    return std::ranges::find(layers_, slot->id, &Layer::id) == layers_.end();
  });
}

Result<void> GpuLayers::place(ConverterLayer& drawn, const Layer& layer, Slot& slot, const Converters& converters,
                              const Converters::Way& way, PictureCopier& copier) {
  const Frame& picture = *layer.picture;
  const auto* dmabuf = std::get_if<std::shared_ptr<const Dmabuf>>(&picture.image);
  if (dmabuf != nullptr && *dmabuf && converters.reads(way, (*dmabuf)->format, (*dmabuf)->modifier)) {
    const auto read = way.converter->reads(*dmabuf);
    if (read || read.error().kind == ErrorKind::Lost) {
      drawn.dmabuf = dmabuf;
      return read;
    }
  }
  if (!holds(slot.copied, layer.picture)) {
    slot.copied.reset();
    if (auto copied = copier.copy(picture, slot.copy); !copied) return copied;
    slot.copied = layer.picture;
  }
  drawn.copy = &slot.copy;
  return {};
}

Result<std::span<const ConverterLayer>> GpuLayers::prepare(const Converters& converters, const Converters::Way& way,
                                                           PictureCopier& copier, const SurfaceFormat& surface,
                                                           const ConverterLayer* main) {
  std::size_t count = 0;
  if (main != nullptr) drawn_.at(count++) = *main;
  const std::size_t most = count + kMostLayers;
  for (const Layer& layer : layers_) {
    if (!visible(layer)) continue;
    ConverterLayer drawn{.picture = layer_picture(*layer.picture), .place = layer.place};
    Slot& slot = this->slot(layer.id);
    // Where it goes says whether it is worth bringing over.
    const auto seen = layer_geometry(drawn.picture, drawn.place, LayerMemory::Bytes, {}, surface);
    if (seen && !*seen) continue;
    auto placed = seen ? place(drawn, layer, slot, converters, way, copier) : std::unexpected(seen.error());
    if (!placed) {
      if (placed.error().kind == ErrorKind::Lost) return std::unexpected(std::move(placed.error()));
      std::string text = placed.error().message();
      if (text != slot.told) logger("zerocopy").warn("a layer is left out: {}", text);
      slot.told = std::move(text);
      continue;
    }
    slot.told.clear();
    if (count == most) {
      if (!std::exchange(told_too_many_, true)) {
        logger("zerocopy").warn("only the lowest {} layers are drawn by the GPU", kMostLayers);
      }
      break;
    }
    drawn_.at(count++) = drawn;
  }
  return std::span<const ConverterLayer>(drawn_).first(count);
}

}  // namespace zc
