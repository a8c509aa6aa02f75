#pragma once

#include "base/error.h"
#include "capture/capture_buffers.h"
#include "media/frame.h"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace zc {

/// One picture of a part of the desktop that several outputs show, in shared memory: what changes on each of them is
/// copied to its place. Outputs may be turned and have different scales; the finest decides how many pixels there are,
/// and what is coarser is enlarged by repeating pixels. One thread; leases die anywhere.
class DesktopPicture {
 public:
  /// `region`: in logical px of the desktop; `places`: of the outputs there. `format` has four bytes a pixel.
  DesktopPicture(const Rect& region, std::vector<Rect> places, PixelFormat format, std::shared_ptr<const UniqueFd> wake)
      : region_(region), format_(format), wake_(std::move(wake)), parts_(places.size()) {
    for (std::size_t i = 0; i < places.size(); ++i) parts_[i].place = places[i];
  }

  /// The newest picture of an output. Its buffer stays as it is while it is here.
  void show(std::size_t output, HostImage image, BufferLease lease, Transform transform, const Damage& damage);
  /// Whether something has changed since the last compose(), inside of the region, and every output has been shown.
  [[nodiscard]] bool changed() const { return complete_ && !fresh_.nothing(); }

  /// The whole picture, with what has changed since the one before. nullopt: whoever reads them holds all of them.
  /// Unsupported: it would be larger than any encoder takes.
  [[nodiscard]] Result<std::optional<Frame>> compose();

  /// px; empty before every output has been shown.
  [[nodiscard]] Size size() const { return size_; }

 private:
  static constexpr std::size_t kCanvases = CaptureBuffers::kMost;
  struct Part {
    Rect place;  ///< logical
    HostImage image;
    BufferLease lease;  ///< of `image`
    Transform transform = Transform::Normal;
    Rect from;  ///< px of the output as it is seen
    Rect to;    ///< px of the picture
  };
  struct Canvas {
    PictureMemory memory;
    Damage stale = Damage::all();
    std::shared_ptr<Loan> loan;
  };

  void lay_out();
  [[nodiscard]] Damage placed(const Part& part, const Damage& damage) const;
  [[nodiscard]] Result<Canvas*> take();
  void copy(const Part& part, const Rect& rect, std::byte* canvas) const;

  const Rect region_;
  const PixelFormat format_;
  const std::shared_ptr<const UniqueFd> wake_;
  std::vector<Part> parts_;
  std::vector<Canvas> canvases_;
  Size size_;
  std::uint32_t stride_bytes_ = 0;
  bool complete_ = false;
  Damage fresh_ = Damage::none();  ///< since the last compose()
};

}  // namespace zc
