#include "zerocopy/vaapi/cursor_patch.h"

#include "zerocopy/vaapi/va_formats.h"

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

namespace zc {
namespace {

constexpr const char* kOperation = "draw the cursor with VA-API";
constexpr std::uint32_t kLeastEdge = 64;  ///< px

}  // namespace

/// Unmapped when this dies.
class CursorPatch::Mapped {
 public:
  static Result<Mapped> open(const CursorPatch& patch, Size size) {
    Mapped mapped(patch);
    void* data = nullptr;
    if (auto ok = patch.device_->check(
            patch.device_->fn().map_buffer(patch.device_->display(), patch.image_.buf, &data), kOperation);
        !ok) {
      return std::unexpected(std::move(ok.error()));
    }
    mapped.open_ = true;
    mapped.view_.format = patch.format_.format;
    mapped.view_.size = size;
    for (unsigned i = 0; i < info(patch.format_.format).planes; ++i) {
      mapped.view_.planes.at(i) = {static_cast<std::byte*>(data) + patch.image_.offsets[i], patch.image_.pitches[i]};
    }
    return mapped;
  }
  Mapped(Mapped&& other) noexcept
      : patch_(other.patch_), view_(other.view_), open_(std::exchange(other.open_, false)) {}
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;
  Mapped& operator=(Mapped&&) = delete;
  ~Mapped() {
    if (open_) patch_.device_->fn().unmap_buffer(patch_.device_->display(), patch_.image_.buf);
  }
  [[nodiscard]] const YuvView& view() const { return view_; }

 private:
  explicit Mapped(const CursorPatch& patch) : patch_(patch) {}
  const CursorPatch& patch_;
  YuvView view_;
  bool open_ = false;
};

CursorPatch::~CursorPatch() { drop_image(); }

void CursorPatch::drop_image() {
  if (std::exchange(image_made_, false)) device_->fn().destroy_image(device_->display(), image_.image_id);
  size_ = {};
}

Result<void> CursorPatch::make_image(Size least) {
  if (least.width <= size_.width && least.height <= size_.height) return {};
  drop_image();
  const vaapi::Functions& fn = device_->fn();
  std::vector<VAImageFormat> formats(static_cast<std::size_t>(std::max(fn.max_image_formats(device_->display()), 0)));
  int count = 0;
  if (auto ok = device_->check(fn.image_formats(device_->display(), formats.data(), &count), kOperation); !ok) {
    return ok;
  }
  formats.resize(std::min(formats.size(), static_cast<std::size_t>(std::max(count, 0))));
  const std::uint32_t wanted = va_format(format_.format)->fourcc;
  const auto format = std::ranges::find(formats, wanted, &VAImageFormat::fourcc);
  if (format == formats.end()) return fail(ErrorKind::Unsupported, kOperation, "it has no such images");
  const Size size{std::bit_ceil(std::max(least.width, kLeastEdge)), std::bit_ceil(std::max(least.height, kLeastEdge))};
  VAImage made{};
  if (auto ok = device_->check(fn.create_image(device_->display(), &*format, static_cast<int>(size.width),
                                               static_cast<int>(size.height), &made),
                               kOperation);
      !ok) {
    return ok;
  }
  image_ = made;
  image_made_ = true;
  size_ = size;
  return {};
}

Result<void> CursorPatch::get(VASurfaceID surface, const Rect& rect) const {
  return device_->check(
      device_->fn().get_image(device_->display(), surface, rect.x, rect.y, rect.width, rect.height, image_.image_id),
      kOperation);
}

Result<void> CursorPatch::put(VASurfaceID surface, const Rect& rect) const {
  return device_->check(device_->fn().put_image(device_->display(), surface, image_.image_id, 0, 0, rect.width,
                                                rect.height, rect.x, rect.y, rect.width, rect.height),
                        kOperation);
}

Result<void> CursorPatch::draw(VASurfaceID surface, const CursorPainter& painter, const CursorPlacement& placement,
                               const PicturePlan& plan) {
  under_.clear();
  const Rect reach = painter.reach(placement, plan);
  if (reach.empty()) return {};
  if (auto ready = make_image(reach.size()); !ready) return ready;
  if (auto read = get(surface, reach); !read) return read;
  {
    const auto mapped = Mapped::open(*this, reach.size());
    if (!mapped) return std::unexpected(mapped.error());
    const Rect all{0, 0, reach.width, reach.height};
    under_.save(mapped->view(), all);
    where_ = reach;
    // The same drawing, seen from the patch's corner.
    CursorPlacement here = placement;
    here.rect.x -= reach.x;
    here.rect.y -= reach.y;
    PicturePlan around = plan;
    around.box.x -= reach.x;
    around.box.y -= reach.y;
    painter.draw(here, around, mapped->view());
  }
  return put(surface, reach);
}

Result<void> CursorPatch::restore(VASurfaceID copy) {
  if (under_.rect().empty()) return {};
  {
    const auto mapped = Mapped::open(*this, where_.size());
    if (!mapped) return std::unexpected(mapped.error());
    under_.restore(mapped->view());
  }
  return put(copy, where_);
}

}  // namespace zc
