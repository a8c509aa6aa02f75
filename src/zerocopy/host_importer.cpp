#include "zerocopy/host_importer.h"

#include "base/foreign_memory.h"
#include "zerocopy/cpu/cursor_painter.h"
#include "zerocopy/cpu/device_reader.h"
#include "zerocopy/cpu/dmabuf_mapper.h"
#include "zerocopy/cpu/layer_painter.h"
#include "zerocopy/cpu/libyuv_ops.h"
#include "zerocopy/cpu/picture_converter.h"
#include "zerocopy/cpu/surface_pool.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

namespace zc {
namespace {

/// Best first: what compositors have at hand, then their 10-bit orders, then cameras.
constexpr std::array kOffered = {
    PixelFormat::BGRx,       PixelFormat::BGRA,       PixelFormat::RGBx,       PixelFormat::RGBA,
    PixelFormat::xRGB,       PixelFormat::ARGB,       PixelFormat::xBGR,       PixelFormat::ABGR,
    PixelFormat::xRGB_210LE, PixelFormat::ARGB_210LE, PixelFormat::xBGR_210LE, PixelFormat::ABGR_210LE,
    PixelFormat::RGBx_102LE, PixelFormat::RGBA_102LE, PixelFormat::BGRx_102LE, PixelFormat::BGRA_102LE,
    PixelFormat::NV12,       PixelFormat::I420,       PixelFormat::YUY2,       PixelFormat::UYVY,
    PixelFormat::I422,       PixelFormat::P010,       PixelFormat::I010,       PixelFormat::I444,
    PixelFormat::I410};

class HostImporter final : public Importer {
 public:
  explicit HostImporter(std::size_t surface_limit) : surface_limit_(surface_limit) {}

  [[nodiscard]] std::size_t surface_limit() const override { return surface_limit_; }
  [[nodiscard]] std::string_view route() const override { return "cpu"; }
  [[nodiscard]] FormatOffer offer() const override { return host_offer(); }
  [[nodiscard]] Result<void> configure(const SurfaceFormat& target) override;
  void set_layers(std::vector<Layer> layers) override {
    layered_ = layered_ || !layers.empty();
    layers_.set_layers(std::move(layers));
  }
  [[nodiscard]] Result<Surface> import(Frame frame) override;

 private:
  /// The picture of a frame, readable until this dies.
  struct Readable {
    HostImage image;
    std::optional<DmabufRead> read;
  };
  [[nodiscard]] Result<Readable> open(const Frame& frame);
  /// Makes `plan` the current one; pictures made for another are of no use any more.
  [[nodiscard]] Result<void> adopt(const PicturePlan& plan);
  [[nodiscard]] Result<Surface> import_picture(Frame& frame);
  [[nodiscard]] Result<Surface> redraw();
  /// Takes the layers over that were set last.
  void update_layers();
  /// Brings `buffer` up to date from the producer's pixels.
  [[nodiscard]] Result<void> fill_from(const HostImage& image, const Damage& changed, SurfacePool::Buffer& buffer);
  /// Under a layer that lies over its edge, the picture's last column counts for chroma of the bar beside it, too.
  [[nodiscard]] Damage with_bars(const Damage& changed) const;
  /// Layers may have been drawn over the bars beside the picture.
  void blacken_bars(const Rect& area, const YuvView& surface) const;
  void paint_layers(const HostImage& image, const Damage& area, const YuvView& surface);
  /// Brings `buffer` up to date from the newest surface, which is cheaper when the picture itself has not changed.
  void fill_from_newest(SurfacePool::Buffer& buffer);
  [[nodiscard]] Result<Surface> finish(SurfacePool::Buffer& buffer, const CursorPlacement& cursor);
  [[nodiscard]] Surface repeat() const { return newest_.share(); }

  std::size_t surface_limit_;
  std::unique_ptr<SurfacePool> pool_;  ///< null until configured
  PictureConverter converter_;
  DmabufMapper mapper_;
  DeviceReader device_reader_;
  CursorPainter painter_;
  PicturePlan plan_;  ///< of the newest picture; its surface is empty when there is none
  std::optional<CursorState> cursor_;
  LayerPainter layers_;
  bool layered_ = false;                  ///< there have been layers
  Damage layers_moved_ = Damage::none();  ///< surface px: not in newest_ yet
  RgbToYuv to_i410_;                      ///< of the picture beneath them; empty for camera formats
  Damage missed_ = Damage::none();        ///< surface px: told by frames whose picture has not made it into a surface
  Surface newest_;                        ///< what was handed out last; keeps its buffer from being taken
  SurfacePool::Buffer* newest_buffer_ = nullptr;
  CursorPlacement newest_cursor_;
};

Result<void> HostImporter::configure(const SurfaceFormat& target) {
  if (target.memory != MemoryKind::Host) {
    return fail(ErrorKind::Unsupported, "configure the CPU route",
                fmt::format("surfaces in {} memory", to_string(target.memory)));
  }
  if (!yuv_layout(target.format).valid) {
    return fail(ErrorKind::Unsupported, "configure the CPU route",
                fmt::format("{} surfaces (valid: NV12, I420, P010, I010, I444, I410)", name(target.format)));
  }
  const auto resolved = resolve_target(target, "configure the CPU route");
  if (!resolved) return std::unexpected(resolved.error());
  if (pool_ && pool_->format() == *resolved) return {};
  plan_ = {};
  painter_.configure(*resolved);
  layers_.configure(*resolved);
  layers_moved_ = Damage::none();
  newest_ = {};
  newest_buffer_ = nullptr;
  newest_cursor_ = {};
  missed_ = Damage::all();
  pool_ = std::make_unique<SurfacePool>(*resolved, surface_limit_);
  return {};
}

Result<Surface> HostImporter::import(Frame frame) {
  if (!pool_) return fail(ErrorKind::Invalid, "import frame", "the importer has not been configured");
  if (frame.cursor) cursor_ = std::move(frame.cursor);
  if (!frame.has_image()) return redraw();
  auto surface = import_picture(frame);
  // Whatever a refused frame told about its changes is unknown now.
  if (!surface && surface.error().kind != ErrorKind::Busy) missed_ = Damage::all();
  return surface;
}

Result<HostImporter::Readable> HostImporter::open(const Frame& frame) {
  Readable readable;
  if (const auto* host = std::get_if<HostImage>(&frame.image)) {
    readable.image = *host;
  } else if (const auto* device = std::get_if<std::shared_ptr<const DeviceImage>>(&frame.image)) {
    if (!*device) return fail(ErrorKind::Invalid, "import frame", "its picture is missing");
    auto image = device_reader_.read(**device);
    if (!image) return std::unexpected(std::move(image.error()));
    readable.image = *image;
  } else if (std::holds_alternative<CodedImage>(frame.image)) {
    return fail(ErrorKind::Unsupported, "import frame", "it is coded");
  } else {
    const auto& dmabuf = std::get<std::shared_ptr<const Dmabuf>>(frame.image);
    if (!dmabuf) return fail(ErrorKind::Invalid, "import frame", "its dmabuf is missing");
    auto image = mapper_.map(dmabuf);
    if (!image) return std::unexpected(std::move(image.error()));
    readable.image = std::move(*image);
  }
  if (auto valid = validate(readable.image); !valid) return std::unexpected(std::move(valid.error()));
  return readable;
}

Result<void> HostImporter::adopt(const PicturePlan& plan) {
  if (plan_ == plan) return {};
  plan_ = {};
  if (auto ready = converter_.configure(plan, pool_->format()); !ready) return ready;
  to_i410_ = {};
  if (rgb_fields(plan.format).valid) {
    auto deep = RgbToYuv::create(plan.format, PixelFormat::I410, pool_->format().colour);
    if (!deep) return std::unexpected(std::move(deep.error()));
    to_i410_ = *deep;
  }
  plan_ = plan;
  missed_ = Damage::all();
  newest_ = {};
  newest_buffer_ = nullptr;
  pool_->forget_contents();
  return {};
}

Result<Surface> HostImporter::import_picture(Frame& frame) {
  auto readable = open(frame);
  if (!readable) return std::unexpected(std::move(readable.error()));
  const auto plan = make_picture_plan(frame, pool_->format());
  if (!plan) return std::unexpected(plan.error());
  if (auto adopted = adopt(*plan); !adopted) return std::unexpected(std::move(adopted.error()));

  missed_.add(layered_ ? with_bars(converter_.affected(frame.damage)) : converter_.affected(frame.damage));
  update_layers();
  missed_.add(layers_moved_);
  missed_.add(layers_.take_imprecise());
  const auto cursor = painter_.place(cursor_, plan_);
  if (!cursor) return std::unexpected(cursor.error());
  const bool unchanged = newest_ && missed_.nothing();
  if (unchanged && *cursor == newest_cursor_) return repeat();

  auto buffer = pool_->take();
  if (!buffer) return std::unexpected(std::move(buffer.error()));
  if (unchanged) {
    fill_from_newest(**buffer);
  } else {
    if (const auto* dmabuf = std::get_if<std::shared_ptr<const Dmabuf>>(&frame.image)) {
      auto read = DmabufRead::begin(*dmabuf);
      if (!read) return std::unexpected(std::move(read.error()));
      readable->read.emplace(std::move(*read));
    }
    const std::uint64_t torn = ForeignMemory::torn_so_far();
    auto filled = fill_from(readable->image, missed_, **buffer);
    if (filled && ForeignMemory::torn_so_far() != torn) {
      filled = fail(ErrorKind::Invalid, "import frame", "its memory was cut short while it was read");
    }
    if (!filled) {
      (*buffer)->filled = false;
      return std::unexpected(std::move(filled.error()));
    }
    pool_->mark_changed(missed_, **buffer);
    missed_ = Damage::none();
    layers_moved_ = Damage::none();
  }
  readable->read.reset();
  frame.lease.reset();
  return finish(**buffer, *cursor);
}

Result<Surface> HostImporter::redraw() {
  if (!newest_) return fail(ErrorKind::NotFound, "import frame", "no picture has come yet");
  const auto cursor = painter_.place(cursor_, plan_);
  if (!cursor) return std::unexpected(cursor.error());
  update_layers();
  if (layers_moved_.nothing() && *cursor == newest_cursor_) return repeat();
  auto buffer = pool_->take();
  if (!buffer) return std::unexpected(std::move(buffer.error()));
  fill_from_newest(**buffer);
  if (!layers_moved_.nothing()) {
    layers_.repaint((*buffer)->view, layers_moved_);
    pool_->mark_changed(layers_moved_, **buffer);
    layers_moved_ = Damage::none();
  }
  return finish(**buffer, *cursor);
}

void HostImporter::update_layers() {
  layers_moved_.add(layers_.update([this](const Frame& frame, const LayerPainter::Read& read) -> Result<void> {
    const auto readable = open(frame);
    if (!readable) return std::unexpected(readable.error());
    std::optional<DmabufRead> bracket;
    if (const auto* dmabuf = std::get_if<std::shared_ptr<const Dmabuf>>(&frame.image)) {
      auto begun = DmabufRead::begin(*dmabuf);
      if (!begun) return std::unexpected(std::move(begun.error()));
      bracket.emplace(std::move(*begun));
    }
    const std::uint64_t torn = ForeignMemory::torn_so_far();
    auto done = read(readable->image);
    if (done && ForeignMemory::torn_so_far() != torn) {
      return fail(ErrorKind::Invalid, "import frame", "its memory was cut short while it was read");
    }
    return done;
  }));
}

Result<void> HostImporter::fill_from(const HostImage& image, const Damage& changed, SurfacePool::Buffer& buffer) {
  Damage area = buffer.stale;
  area.add(changed);
  const std::uint64_t whole = plan_.box.size().area();
  const bool all =
      !buffer.filled || area.everything() || !converter_.incremental() || damage_area(area, whole) >= whole / 8 * 7;
  if (all) {
    const bool clean = buffer.filled && !layered_;
    if (!clean && plan_.barred()) fill_bars(buffer.view, plan_.box, pool_->format().colour);
    if (auto done = converter_.convert(image, buffer.view.part(plan_.box)); !done) return done;
    area = Damage::all();
  } else {
    buffer.under.restore(buffer.view);
    for (const Rect& rect : area.rects()) {
      if (layered_ && plan_.barred()) blacken_bars(rect, buffer.view);
    }
    converter_.convert(image, area, buffer.view);
  }
  paint_layers(image, area, buffer.view);
  buffer.under.clear();
  buffer.stale = Damage::none();
  buffer.filled = true;
  return {};
}

Damage HostImporter::with_bars(const Damage& changed) const {
  const std::int64_t edge = std::int64_t{plan_.box.x} + plan_.box.width;
  if (changed.everything() || edge >= plan_.surface.width) return changed;
  Damage wider = Damage::none();
  for (Rect rect : changed.rects()) {
    if (std::int64_t{rect.x} + rect.width == edge) rect.width += 2;
    wider.add(intersect(rect, {0, 0, plan_.surface.width, plan_.surface.height}));
  }
  return wider;
}

void HostImporter::blacken_bars(const Rect& area, const YuvView& surface) const {
  for (const Rect& part : around(area, intersect(area, plan_.box))) fill_black(surface, part, pool_->format().colour);
}

void HostImporter::paint_layers(const HostImage& image, const Damage& area, const YuvView& surface) {
  if (!layered_) return;
  if (!converter_.incremental() || !layers_.any()) return layers_.paint(surface, area, nullptr);
  const Rect content{plan_.box.x, plan_.box.y, plan_.content.width, plan_.content.height};
  const LayerPainter::Beneath beneath{converter_.pixels(image), content, plan_.box, to_i410_};
  layers_.paint(surface, area, &beneath);
}

void HostImporter::fill_from_newest(SurfacePool::Buffer& buffer) {
  const YuvView& newest = newest_buffer_->view;
  if (!buffer.filled || buffer.stale.everything()) {
    copy_rect(newest, buffer.view, {0, 0, newest.size.width, newest.size.height});
  } else {
    buffer.under.restore(buffer.view);
    for (const Rect& rect : buffer.stale.rects()) copy_rect(newest, buffer.view, rect);
  }
  // The newest surface has its cursor drawn in; the samples beneath are the picture.
  newest_buffer_->under.restore(buffer.view);
  buffer.under.clear();
  buffer.stale = Damage::none();
  buffer.filled = true;
}

Result<Surface> HostImporter::finish(SurfacePool::Buffer& buffer, const CursorPlacement& cursor) {
  if (cursor.shape != 0) {
    const Rect reach = painter_.reach(cursor, plan_);
    buffer.under.reserve(buffer.view.format, {cursor.rect.width + 4, cursor.rect.height + 4});
    buffer.under.save(buffer.view, reach);
    painter_.draw(cursor, plan_, buffer.view);
  }
  auto surface = pool_->publish(buffer);
  newest_ = surface ? surface->share() : Surface{};
  if (!newest_) {
    // Out of memory. The surface before is not the newest picture any more, so start afresh.
    newest_buffer_ = nullptr;
    missed_ = Damage::all();
    return fail_errno(ENOMEM, "hand out a surface");
  }
  newest_buffer_ = &buffer;
  newest_cursor_ = cursor;
  return surface;
}

}  // namespace

FormatOffer host_offer() {
  FormatOffer offer;
  for (const PixelFormat format : kOffered) offer.formats.push_back({format, {}});
  return offer;
}

std::unique_ptr<Importer> make_host_importer(std::size_t surface_limit) {
  return std::make_unique<HostImporter>(surface_limit);
}

}  // namespace zc
