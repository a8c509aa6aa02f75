// A layer on its way from the importer to a converter.
#pragma once

#include "media/dmabuf.h"
#include "media/layer.h"
#include "zerocopy/picture_plan.h"
#include "zerocopy/vulkan/layer_geometry.h"

#include <memory>
#include <optional>

namespace zc {

struct PictureCopy;

/// A picture above the main one; or the main one itself as the lowest of all, where it does not come as 32-bit RGB in a
/// dmabuf. It lies in a dmabuf that Converter::reads(), or in a copy. Everything lives as long as the call.
struct ConverterLayer {
  LayerPicture picture;
  LayerPlace place;
  const PicturePlan* plan = nullptr;  ///< the main picture's, in place of `place`; null: it is a layer
  const std::shared_ptr<const Dmabuf>* dmabuf = nullptr;
  const PictureCopy* copy = nullptr;

  /// What the pass is told of it, on a surface. As layer_geometry().
  [[nodiscard]] Result<std::optional<LayerGeometry>> geometry(LayerMemory memory, const SurfaceFormat& surface) const;
};

/// Where the planes of a dmabuf are, if they all lie in its first buffer.
[[nodiscard]] PicturePlanes planes_of(const Dmabuf& dmabuf);

}  // namespace zc
