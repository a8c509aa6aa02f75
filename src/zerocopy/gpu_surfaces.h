// What a GPU's importer hands out: surfaces of one format, made one after another.
#pragma once

#include "base/error.h"
#include "media/dmabuf.h"
#include "media/layer.h"
#include "media/surface.h"
#include "zerocopy/converter.h"
#include "zerocopy/cpu/cursor_painter.h"
#include "zerocopy/picture_copier.h"
#include "zerocopy/picture_plan.h"
#include "zerocopy/target.h"
#include "zerocopy/vulkan/cursor_pass.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace zc {

/// The main picture of a surface.
struct MainPicture {
  LayerPicture picture;
  PicturePlan plan;                      ///< where it is drawn
  std::shared_ptr<const Dmabuf> dmabuf;  ///< where it lies; null: in the copy
  const PictureCopy* copy = nullptr;
  [[nodiscard]] bool rgb_dmabuf() const { return dmabuf && rgb_fields(picture.format).valid; }
};

/// What is on a surface.
struct Drawn {
  PicturePlan plan = {};
  CursorPlacement cursor = {};
  std::uint64_t layers = 0;  ///< GpuLayers::version()
  bool layered = false;      ///< there are layers on it
  bool current = false;      ///< no frame has told of a change since that did not make it into a surface
  /// To draw it again: it may stand still while layers move. nullopt: there are none, or it is gone.
  std::optional<MainPicture> main = {};
};

/// Begin, convert, finish, publish; or begin, move_cursor, publish: the newest one is kept for that. One thread. When
/// it dies the GPU is at work on none of it.
class GpuSurfaces {
 public:
  /// What was handed out last.
  struct Newest {
    Surface surface;                       ///< keeps its memory from being taken; empty: nothing was
    const VulkanBuffer* buffer = nullptr;  ///< where the GPU made it; null: the CPU did
    Surface copied_from = {};              ///< what it is a copy of, then
    Drawn drawn = {};
  };

  /// The target's are of that format; `painter` places the cursors.
  [[nodiscard]] static Result<std::unique_ptr<GpuSurfaces>> create(std::shared_ptr<VulkanDevice> device,
                                                                   std::unique_ptr<Target> target,
                                                                   const SurfaceFormat& format,
                                                                   const CursorPainter& painter);

  [[nodiscard]] const Newest& newest() const { return newest_; }
  /// The GPU made it of the newest frame, and so.
  [[nodiscard]] bool shows(const PicturePlan& plan, const CursorPlacement& cursor) const {
    const Drawn& drawn = newest_.drawn;
    return drawn.current && newest_.buffer != nullptr && drawn.plan == plan && drawn.cursor == cursor;
  }
  /// A frame has told of a change that did not make it into a surface.
  void outdated() { newest_.drawn.current = false; }
  /// The newest one's main picture is not where it was any more.
  void forget_main() { newest_.drawn.main.reset(); }
  /// Copies the newest one, which has no layers, for Drawn::main, without its cursor.
  [[nodiscard]] Result<void> keep_main();
  [[nodiscard]] Result<Surface> repeat() const;

  /// As Target::take().
  [[nodiscard]] Result<void> begin();
  /// Errors as Converter::convert()'s. `layers`: what the converter draws of `main` and above it. Sets what comes of it
  /// in `drawn`.
  [[nodiscard]] Result<void> convert(Converter& converter, const MainPicture& main,
                                     std::span<const ConverterLayer> layers, Drawn& drawn);
  /// What the converter did not do itself.
  [[nodiscard]] Result<void> finish(const Converter& converter, const Drawn& drawn);
  /// The newest one with the cursor there.
  [[nodiscard]] Result<void> move_cursor(const CursorPlacement& cursor);
  [[nodiscard]] Result<Surface> publish(const Drawn& drawn);
  /// As Target::retire().
  void retire() { target_->retire(); }
  /// A copy of a picture in host memory; the same surface again where that is the same. As Target::upload().
  [[nodiscard]] Result<Surface> upload(const Surface& picture);

 private:
  GpuSurfaces(std::shared_ptr<VulkanDevice> device, std::unique_ptr<Target> target, const SurfaceFormat& format,
              const CursorPainter& painter, std::unique_ptr<CursorPass> cursor)
      : device_(std::move(device)),
        format_(format),
        painter_(painter),
        target_(std::move(target)),
        cursor_pass_(std::move(cursor)) {}
  /// What is drawn onto the surface begun.
  [[nodiscard]] Result<void> prepare_cursor(const CursorPlacement& cursor, const PicturePlan& plan);
  /// Room for `beneath_`.
  [[nodiscard]] Result<void> make_beneath();
  /// What is there, to be drawn again.
  [[nodiscard]] MainPicture beneath_as_main() const;

  std::shared_ptr<VulkanDevice> device_;
  const SurfaceFormat format_;
  const CursorPainter& painter_;
  std::unique_ptr<Target> target_;
  Newest newest_;
  const VulkanBuffer* begun_ = nullptr;
  PictureCopy beneath_;  ///< the newest surface as it is without layers and cursor
  std::unique_ptr<CursorPass> cursor_pass_;
};

}  // namespace zc
