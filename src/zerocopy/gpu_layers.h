// The layers of a GPU's importer: which there are, and where each one's newest picture lies.
#pragma once

#include "base/error.h"
#include "media/layer.h"
#include "media/surface.h"
#include "zerocopy/converter_layer.h"
#include "zerocopy/converters.h"
#include "zerocopy/picture_copier.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace zc {

/// A dmabuf that the converter reads stays where it is; any other picture is copied once, and a copy is kept as long as
/// its picture is the same object. One thread.
class GpuLayers {
 public:
  void set(std::vector<Layer> layers);
  [[nodiscard]] const std::vector<Layer>& all() const { return layers_; }
  /// Nothing is to be drawn.
  [[nodiscard]] bool empty() const;
  /// Another number when anything about them has changed.
  [[nodiscard]] std::uint64_t version() const { return version_; }
  /// Some picture lies in memory that the CPU reads badly or not at all.
  [[nodiscard]] bool want_gpu() const;

  /// What `way` draws, lowest first: `main` (null: it draws that itself) and the layers. One whose picture does not get
  /// there is left out, which is told once. Valid until the next call. Lost: the GPU is gone.
  [[nodiscard]] Result<std::span<const ConverterLayer>> prepare(const Converters& converters,
                                                                const Converters::Way& way, PictureCopier& copier,
                                                                const SurfaceFormat& surface,
                                                                const ConverterLayer* main);
  /// Lets go of the copies of layers that are gone. Nothing may be running on them.
  void trim();
  /// Of all copies: the GPU has gone.
  void drop_copies() { slots_.clear(); }

 private:
  struct Slot {
    std::uint32_t id = 0;
    std::weak_ptr<const Frame> copied;  ///< the picture that `copy` holds
    PictureCopy copy;
    std::string told;  ///< what was said of it last; empty: all was well
  };
  [[nodiscard]] Slot& slot(std::uint32_t id);
  /// Sets where the picture lies. As prepare() for one layer.
  [[nodiscard]] Result<void> place(ConverterLayer& drawn, const Layer& layer, Slot& slot, const Converters& converters,
                                   const Converters::Way& way, PictureCopier& copier);

  std::vector<Layer> layers_;
  std::uint64_t version_ = 0;
  bool told_too_many_ = false;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::array<ConverterLayer, LayerTable::kSlots> drawn_;
};

}  // namespace zc
