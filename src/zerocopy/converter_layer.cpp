#include "zerocopy/converter_layer.h"

#include "zerocopy/picture_copier.h"

#include <algorithm>

namespace zc {

PicturePlanes planes_of(const Dmabuf& dmabuf) {
  PicturePlanes planes{};
  for (unsigned i = 0; i < std::min<std::size_t>(dmabuf.plane_count, planes.size()); ++i) {
    planes.at(i) = {dmabuf.planes.at(i).offset_bytes, dmabuf.planes.at(i).stride_bytes};
  }
  return planes;
}

Result<std::optional<LayerGeometry>> ConverterLayer::geometry(LayerMemory memory, const SurfaceFormat& surface) const {
  const PicturePlanes planes = copy != nullptr ? copy->layout.planes : planes_of(**dmabuf);
  if (plan == nullptr) return layer_geometry(picture, place, memory, planes, surface);
  auto made = main_geometry(picture, *plan, memory, planes, surface);
  if (!made) return std::unexpected(std::move(made.error()));
  return *made;
}

}  // namespace zc
