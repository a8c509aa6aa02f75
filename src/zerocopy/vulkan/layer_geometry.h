// What the pass is told of each layer: pure functions.
#pragma once

#include "base/error.h"
#include "media/frame.h"
#include "media/layer.h"
#include "media/surface.h"
#include "zerocopy/picture_plan.h"
#include "zerocopy/surface_layout.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace zc {

/// Layers that one pass draws.
inline constexpr std::size_t kMostLayers = 8;

/// A member of the uniform block of shaders/layers.glsl, field by field.
struct LayerGeometry {
  using Four = std::array<std::int32_t, 4>;
  Four box{}, source{}, steps{}, kind{}, offset{}, stride{}, pitch{}, fields{};
  std::array<float, 4> look{}, red{}, green{}, blue{};
  bool operator==(const LayerGeometry&) const = default;
  /// What a program is compiled for.
  [[nodiscard]] std::int32_t traits() const { return kind[0]; }
};
static_assert(sizeof(LayerGeometry) == 192, "more than std140 packs");

/// The block.
struct LayerTable {
  /// The layers, and beneath them a main picture that does not come as 32-bit RGB.
  static constexpr std::size_t kSlots = kMostLayers + 1;
  LayerGeometry::Four count{};  ///< layers; whether what is beneath is kept; areas; their workgroups
  /// In workgroups of shaders/compose.glsl, apart from each other: left, top, columns, workgroups before its own.
  std::array<LayerGeometry::Four, kSlots> areas{};
  std::array<LayerGeometry, kSlots> layers{};
  bool operator==(const LayerTable&) const = default;
};
/// Invocations of a workgroup of shaders/compose.glsl, {across, down}; each makes 2x2 pixels. Its kInvocations and
/// kRows are what is shared among these.
inline constexpr std::array<std::int32_t, 2> kComposeWorkgroup{64, 4};
/// How many workgroups make what set_areas() found, {across, down}: no driver takes fewer than these at a time.
[[nodiscard]] std::array<std::uint32_t, 2> compose_groups(const LayerTable& table);
/// Where there is something to compose of the first `drawn` layers of the table, lowest first: all but a main picture
/// whose samples are copied.
void set_areas(LayerTable& table, std::size_t drawn, bool keep, Size surface);

/// RGB, and every YUV format there is.
[[nodiscard]] bool is_layer_format(PixelFormat format);

/// A picture to be drawn, without its memory.
struct LayerPicture {
  PixelFormat format = PixelFormat::Unknown;
  Size buffer;  ///< px
  Rect crop;    ///< empty: everything
  Transform transform = Transform::Normal;
  ColourDescription colour;
};
[[nodiscard]] LayerPicture layer_picture(const Frame& frame);

/// Where a picture's rows are in one piece of memory: SurfaceLayout without its rules.
using PicturePlanes = std::array<SurfaceLayout::Plane, 3>;

/// How the samples come to the pass.
enum class LayerMemory : std::uint8_t {
  Bytes,  ///< in a buffer, at PicturePlanes
  Image,  ///< sampled; RGB only
};

/// Of a layer over a surface. nullopt: nothing of it is to be seen there. Invalid: its crop shows nothing, or sizes
/// beyond any picture's. Unsupported: memory in which such a format does not lie.
[[nodiscard]] Result<std::optional<LayerGeometry>> layer_geometry(const LayerPicture& picture, const LayerPlace& place,
                                                                  LayerMemory memory, const PicturePlanes& planes,
                                                                  const SurfaceFormat& surface);
/// Of a main picture, which goes where its plan says, not filtered where that does not scale.
[[nodiscard]] Result<LayerGeometry> main_geometry(const LayerPicture& picture, const PicturePlan& plan,
                                                  LayerMemory memory, const PicturePlanes& planes,
                                                  const SurfaceFormat& surface);

/// Bytes of a buffer to the end of the picture's last row, in whole words.
[[nodiscard]] std::size_t picture_bytes(PixelFormat format, Size size, const PicturePlanes& planes);

}  // namespace zc
