#include "scene.h"

#include "picture.h"

#include <algorithm>

namespace zc::desktop {
namespace {

void damage_all(wl_surface& surface, Size size) {
  wl_surface_damage_buffer(&surface, 0, 0, static_cast<std::int32_t>(size.width),
                           static_cast<std::int32_t>(size.height));
}

}  // namespace

Result<Scroller> Scroller::create(wl_shm& shm, Size size) {
  const std::size_t stride_bytes = std::size_t{size.width} * 4;
  const Size sheet{size.width, size.height + kPeriodRows};
  auto pool = ShmPool::create(shm, stride_bytes * sheet.height);
  if (!pool) return std::unexpected(pool.error());
  paint_wallpaper(pool->bytes(), sheet);
  std::vector<Owned<wl_buffer>> steps;
  for (std::uint32_t row = 0; row < kPeriodRows; row += kStepRows)
    steps.push_back(pool->buffer(row * stride_bytes, size, stride_bytes));
  return Scroller(std::move(*pool), std::move(steps), size);
}

void Scroller::attach(wl_surface& surface, std::uint32_t step) const {
  wl_surface_attach(&surface, steps_[step % steps_.size()].get(), 0, 0);
  damage_all(surface, size_);
}

const wl_buffer_listener MarkPainter::kListener = {
    .release = [](void* data, wl_buffer*) { static_cast<Slot*>(data)->held = false; }};

Result<std::unique_ptr<MarkPainter>> MarkPainter::create(wl_shm& shm, Size picture) {
  const std::uint32_t cell = mark_cell_px(picture);
  const Size size{std::min(cell * kMarkColumns, picture.width), std::min(cell * kMarkRows, picture.height)};
  const std::size_t stride_bytes = std::size_t{size.width} * 4;
  const std::size_t slot_bytes = stride_bytes * size.height;
  auto pool = ShmPool::create(shm, slot_bytes * std::tuple_size_v<decltype(slots_)>);
  if (!pool) return std::unexpected(pool.error());
  std::unique_ptr<MarkPainter> painter(new MarkPainter(std::move(*pool), picture, size));
  std::size_t offset = 0;
  for (Slot& slot : painter->slots_) {
    slot.buffer = painter->pool_.buffer(offset, size, stride_bytes);
    slot.pixels = painter->pool_.bytes().subspan(offset, slot_bytes);
    wl_buffer_add_listener(slot.buffer.get(), &kListener, &slot);
    offset += slot_bytes;
  }
  return painter;
}

bool MarkPainter::attach(wl_surface& surface, const TestMark& mark) {
  auto* const slot = std::ranges::find(slots_, false, &Slot::held);
  if (slot == slots_.end()) return false;
  paint_mark(slot->pixels, std::size_t{size_.width} * 4, picture_, mark);
  slot->held = true;
  wl_surface_attach(&surface, slot->buffer.get(), 0, 0);
  damage_all(surface, size_);
  return true;
}

Scene::Child Scene::child(const Globals& globals, wl_surface& root, std::int32_t x, std::int32_t y) {
  Child made{Owned<wl_surface>(wl_compositor_create_surface(globals.compositor)), nullptr};
  made.role.reset(wl_subcompositor_get_subsurface(globals.subcompositor, made.surface.get(), &root));
  wl_subsurface_set_position(made.role.get(), x, y);
  return made;
}

Result<Scene> Scene::create(const Globals& globals, wl_surface& root, Mode mode, Size size) {
  auto wallpaper = Scroller::create(*globals.shm, size);
  if (!wallpaper) return std::unexpected(wallpaper.error());
  auto painter = MarkPainter::create(*globals.shm, size);
  if (!painter) return std::unexpected(painter.error());
  Scene scene(mode, std::move(*wallpaper), std::move(*painter));
  if (mode == Mode::Band) {
    auto band = Scroller::create(*globals.shm, {size.width, std::min(kBandRows, size.height)});
    if (!band) return std::unexpected(band.error());
    scene.band_.emplace(std::move(*band));
    scene.band_child_ = child(globals, root, 0, static_cast<std::int32_t>(size.height / 2));
  }
  scene.mark_child_ = child(globals, root, 0, 0);
  return scene;
}

bool Scene::draw(wl_surface& root, const TestMark& mark) {
  if (!painter_->attach(*mark_child_.surface, mark)) return false;
  wl_surface_commit(mark_child_.surface.get());
  if (band_) {
    band_->attach(*band_child_.surface, mark.frame);
    wl_surface_commit(band_child_.surface.get());
  }
  if (mode_ == Mode::Full || !root_drawn_) wallpaper_.attach(root, mode_ == Mode::Full ? mark.frame : 0);
  root_drawn_ = true;
  return true;
}

}  // namespace zc::desktop
