#include "zerocopy/gpu_importer.h"

#include "base/clock.h"
#include "base/log.h"
#include "gpu/cuda/context.h"
#include "zerocopy/converters.h"
#include "zerocopy/cpu/cursor_painter.h"
#include "zerocopy/cpu/yuv_coefficients.h"
#include "zerocopy/gpu_layers.h"
#include "zerocopy/gpu_surfaces.h"
#include "zerocopy/picture_copier.h"
#include "zerocopy/vulkan/host_target.h"
#include "zerocopy/vulkan/vulkan_device.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace zc {
namespace {

/// Host surfaces on their way to the GPU: the newest, and the one being made.
constexpr std::size_t kUploadSurfaces = 4;
/// A GPU whose work is not over after so many times its patience is lost; one that works for somebody else, too, may
/// take a while.
constexpr int kHungAfter = 5;
constexpr Nanoseconds kFirstReopen = std::chrono::seconds(1);
constexpr unsigned kMostReopens = 6;
/// How long shared memory is waited for before the CPU reads a discrete GPU's memory, byte by byte over the bus.
constexpr Nanoseconds kMapPatience = std::chrono::seconds(2);

/// What a route is called behind its converter's name.
std::string_view suffix(MemoryKind memory) {
  switch (memory) {
    case MemoryKind::Host: return "";
    case MemoryKind::Cuda: return "+cuda";
    case MemoryKind::Vaapi: return "+vaapi";
    case MemoryKind::Vulkan: return "+vulkan-video";
  }
  return "";
}

class GpuImporter final : public Importer {
 public:
  GpuImporter(Gpu gpu, GpuImporterOptions options)
      : options_(std::move(options)),
        formats_(options_.formats != nullptr ? *options_.formats : own_formats_),
        converters_(options_.implicit_modifiers) {
    adopt(std::move(gpu));
    made_by(converters_.first_name());
  }
  GpuImporter(const GpuImporter&) = delete;
  GpuImporter& operator=(const GpuImporter&) = delete;
  ~GpuImporter() override { drop_gpu(); }

  [[nodiscard]] std::size_t surface_limit() const override { return options_.surface_limit; }
  [[nodiscard]] std::string_view route() const override { return route_; }
  [[nodiscard]] FormatOffer offer() const override { return formats_.offer(monotonic_now()); }
  [[nodiscard]] std::shared_ptr<const PictureDevice> device_for(const Frame& frame) const override;
  [[nodiscard]] Result<void> configure(const SurfaceFormat& target) override;
  void set_layers(std::vector<Layer> layers) override {
    layers_.set(std::move(layers));
    if (host_) host_->set_layers(layers_.all());
  }
  [[nodiscard]] Result<Surface> import(Frame frame) override;

 private:
  using Way = Converters::Way;
  void adopt(Gpu gpu);
  /// In the order in which the GPU may still be at work with them.
  void drop_gpu();
  void forget();
  [[nodiscard]] Result<void> make_surfaces();
  /// What could be asked for, to the table.
  void tell_formats();
  /// A lost GPU is opened again, when it is time.
  void try_again(Nanoseconds now);

  [[nodiscard]] Result<Surface> import_picture(Frame& frame);
  /// Busy: work that took too long before is not over yet.
  [[nodiscard]] Result<void> settle();
  /// What the GPU draws of this frame. nullopt: the CPU has to.
  [[nodiscard]] std::optional<MainPicture> main_of(const Frame& frame, const PicturePlan& plan);
  /// By one way after the other. nullopt: there is no other.
  [[nodiscard]] std::optional<Result<Surface>> draw(const MainPicture& main, const Drawn& drawn);
  /// The whole picture. nullopt: the next way is to be tried.
  [[nodiscard]] std::optional<Result<Surface>> convert(Way& way, const MainPicture& main, Drawn drawn);
  /// As GpuLayers::prepare().
  [[nodiscard]] Result<std::span<const ConverterLayer>> layers_for(const Way& way, const MainPicture& main);
  /// Whether this way draws it, layers included; that it does not is told once.
  [[nodiscard]] bool composes(const Way& way, const MainPicture& main);
  /// What became of a surface's work. nullopt: another way may make it.
  [[nodiscard]] std::optional<Result<Surface>> failed(Way* way, const Dmabuf* dmabuf, const Error& error);
  [[nodiscard]] Result<Surface> publish(const Drawn& drawn);
  [[nodiscard]] Result<Surface> redraw(Frame frame);
  /// The newest picture with the layers as they are now.
  [[nodiscard]] Result<Surface> redraw_layers(const CursorPlacement& cursor);
  /// Without its source the picture cannot be made anew: it stays as it was until the next one comes.
  [[nodiscard]] Result<Surface> stays(const Error& error);
  [[nodiscard]] Result<Surface> import_on_host(Frame frame);
  /// The newest surface has the layers that there are.
  [[nodiscard]] bool layers_as_drawn() const {
    const Drawn& drawn = surfaces_->newest().drawn;
    return drawn.layers == layers_.version() || (!drawn.layered && layers_.empty());
  }
  void lose_gpu(const Error& error);
  void made_by(std::string_view converter);

  GpuImporterOptions options_;
  std::shared_ptr<VulkanDevice> device_;  ///< null: lost
  std::shared_ptr<const PictureDevice> encoder_device_;
  MakeTarget make_target_;
  FormatTable own_formats_;
  FormatTable& formats_;
  std::string route_;
  std::string_view maker_;  ///< of route_

  SurfaceFormat format_;
  bool configured_ = false;
  CursorPainter painter_;
  std::optional<CursorState> cursor_;

  std::unique_ptr<Importer> host_;  ///< null until needed since configure()
  bool host_current_ = false;       ///< it has seen every picture so far
  std::optional<Nanoseconds> mapping_from_;

  std::optional<Nanoseconds> stalled_since_;
  std::optional<Nanoseconds> reopen_at_;
  unsigned reopens_ = 0;

  GpuLayers layers_;
  bool told_no_layers_ = false;

  // These die one after the other, see drop_gpu().
  std::unique_ptr<PictureCopier> copier_;
  PictureCopy main_copy_;                  ///< of a main picture that is in no dmabuf
  std::unique_ptr<GpuSurfaces> surfaces_;  ///< null until configured, or when the GPU is lost
  Converters converters_;
};

void GpuImporter::adopt(Gpu gpu) {
  device_ = std::move(gpu.device);
  encoder_device_ = std::move(gpu.encoder_device);
  make_target_ = std::move(gpu.make_target);
  converters_.adopt(std::move(gpu.converters));
  copier_ = std::make_unique<PictureCopier>(device_, std::dynamic_pointer_cast<const cuda::Context>(encoder_device_));
  tell_formats();
}

void GpuImporter::drop_gpu() {
  converters_.clear();  // waits, bounded; what the GPU is still at work with is leaked with the device
  surfaces_.reset();
  layers_.drop_copies();
  main_copy_ = {};
  copier_.reset();
}

void GpuImporter::made_by(std::string_view converter) {
  // Without a target of the GPU's pictures stay in host memory.
  const MemoryKind memory = surfaces_ || !configured_ ? format_.memory : MemoryKind::Host;
  maker_ = converter;
  std::string route = fmt::format("{}{}", converter, suffix(memory));
  if (route != route_) route_ = std::move(route);
}

void GpuImporter::tell_formats() {
  FormatOffer offer = host_offer();
  converters_.add_to(offer);
  if (options_.strict) {
    std::erase_if(offer.formats, [](const FormatOffer::Entry& entry) { return entry.modifiers.empty(); });
    offer.shared_memory = false;
  }
  if (copier_ && copier_->reads(MemoryKind::Cuda) && converters_.pick_composing() != nullptr) {
    offer.device_memory = {MemoryKind::Cuda};
  }
  formats_.set_readable(std::move(offer));
}

std::shared_ptr<const PictureDevice> GpuImporter::device_for(const Frame& frame) const {
  const auto* decoded = std::get_if<std::shared_ptr<const DeviceImage>>(&frame.image);
  if (decoded != nullptr && *decoded) return copier_ && copier_->on_device(**decoded) ? encoder_device_ : nullptr;
  const auto* dmabuf = std::get_if<std::shared_ptr<const Dmabuf>>(&frame.image);
  if (dmabuf == nullptr || !*dmabuf) return nullptr;
  const auto plan =
      make_picture_plan(frame.format(), frame.buffer_size(), frame.crop, frame.transform, frame.visible_size());
  return plan && converters_.read(*plan, (*dmabuf)->modifier) ? encoder_device_ : nullptr;
}

void GpuImporter::forget() {
  if (stalled_since_) {  // what the GPU is still at work with must not go under it
    if (auto settled = converters_.settle(device_->patience()); !settled) lose_gpu(settled.error());
    stalled_since_.reset();
  }
  surfaces_.reset();
  host_.reset();
  host_current_ = false;
  configured_ = false;
  converters_.forget_targets();
}

Result<void> GpuImporter::configure(const SurfaceFormat& target) {
  const std::string operation = "configure the GPU's route";
  if (!yuv_layout(target.format).valid) {
    return fail(ErrorKind::Unsupported, operation, fmt::format("{} surfaces", name(target.format)));
  }
  const auto resolved = resolve_target(target, operation);
  if (!resolved) return std::unexpected(resolved.error());
  if (configured_ && format_ == *resolved) return {};
  forget();
  format_ = *resolved;
  painter_.configure(format_);
  if (device_) {
    if (auto made = make_surfaces(); !made) return made;
  } else if (format_.memory != MemoryKind::Host) {
    return fail(ErrorKind::Lost, operation, "the GPU is gone");
  }
  configured_ = true;
  made_by(maker_);
  return {};
}

Result<void> GpuImporter::make_surfaces() {
  const bool elsewhere = format_.memory != MemoryKind::Host;
  if (elsewhere && (!encoder_device_ || encoder_device_->memory() != format_.memory)) {
    return fail(ErrorKind::Unsupported, "configure the GPU's route",
                fmt::format("surfaces in {} memory", to_string(format_.memory)));
  }
  auto target = elsewhere ? make_target_(format_, options_.surface_limit)
                          : make_host_target(device_, format_, options_.surface_limit);
  if (!target) return std::unexpected(std::move(target.error()));
  auto surfaces = GpuSurfaces::create(device_, std::move(*target), format_, painter_);
  if (!surfaces) return std::unexpected(std::move(surfaces.error()));
  surfaces_ = std::move(*surfaces);
  return {};
}

Result<Surface> GpuImporter::import(Frame frame) {
  if (frame.cursor) cursor_ = frame.cursor;
  if (!configured_) return fail(ErrorKind::Invalid, "import frame", "the importer has not been configured");
  try_again(monotonic_now());
  if (!frame.has_image()) return redraw(std::move(frame));
  auto surface = import_picture(frame);
  if (!surface) {
    if (surfaces_) surfaces_->outdated();
    host_current_ = false;
  }
  return surface;
}

void GpuImporter::try_again(Nanoseconds now) {
  if (!reopen_at_ || now < *reopen_at_) return;
  reopen_at_ = now + kFirstReopen * (1U << reopens_);
  if (reopens_ < kMostReopens) ++reopens_;
  auto gpu = options_.reopen();
  if (!gpu) {
    logger("zerocopy").debug("the GPU is not back: {}", gpu.error().message());
    return;
  }
  adopt(std::move(*gpu));
  // The encoder has gone on with host memory, or is about to.
  format_.memory = MemoryKind::Host;
  if (auto made = make_surfaces(); !made) {
    logger("zerocopy").warn("the GPU is back, but makes no pictures: {}", made.error().message());
    drop_gpu();
    device_.reset();
    if (!options_.strict) tell_formats();
    return;
  }
  logger("zerocopy").info("the GPU is back");
  reopen_at_.reset();
  reopens_ = 0;
}

Result<Surface> GpuImporter::import_picture(Frame& frame) {
  const auto* held = std::get_if<std::shared_ptr<const Dmabuf>>(&frame.image);
  if (held != nullptr && !*held) return fail(ErrorKind::Invalid, "import frame", "its dmabuf is missing");
  const auto* decoded = std::get_if<std::shared_ptr<const DeviceImage>>(&frame.image);
  if (decoded != nullptr && !*decoded) return fail(ErrorKind::Invalid, "import frame", "its picture is missing");
  if (held == nullptr && decoded == nullptr && options_.strict) {
    return fail(ErrorKind::Unsupported, "import frame", "it is in shared memory, not a dmabuf");
  }
  const auto plan = make_picture_plan(frame, format_);
  if (!plan) return std::unexpected(plan.error());
  converters_.begin_picture();
  const bool on_gpu =
      held != nullptr || (decoded != nullptr && copier_ && copier_->on_device(**decoded)) || layers_.want_gpu();
  if (on_gpu && device_) {
    if (auto settled = settle(); !settled) return std::unexpected(std::move(settled.error()));
    const auto cursor = painter_.place(cursor_, *plan);
    if (!cursor) return std::unexpected(cursor.error());
    const bool same = surfaces_ && surfaces_->shows(*plan, *cursor) && layers_as_drawn() && frame.damage.nothing();
    if (same) return surfaces_->repeat();
    if (const auto main = surfaces_ ? main_of(frame, *plan) : std::nullopt) {
      surfaces_->forget_main();
      if (auto done = draw(*main, {.plan = *plan, .cursor = *cursor, .current = true})) {
        frame.lease.reset();
        return std::move(*done);
      }
    }
  }
  if (!options_.strict) return import_on_host(std::move(frame));
  if (device_) return fail(ErrorKind::Unsupported, "import frame", "the GPU does not take this picture");
  return fail(options_.reopen && reopens_ < kMostReopens ? ErrorKind::Busy : ErrorKind::Lost, "import frame",
              "the GPU is gone");
}

std::optional<MainPicture> GpuImporter::main_of(const Frame& frame, const PicturePlan& plan) {
  MainPicture main{.picture = layer_picture(frame), .plan = plan, .dmabuf = nullptr};
  if (const auto* dmabuf = std::get_if<std::shared_ptr<const Dmabuf>>(&frame.image)) {
    main.dmabuf = *dmabuf;
    const std::uint64_t modifier = main.dmabuf->modifier;
    if (!converters_.read(plan, modifier) && formats_.offered(plan.format, modifier, monotonic_now())) {
      converters_.ask_again(plan.format, modifier);  // the refusal has expired
    }
    return main;
  }
  if (converters_.pick_composing() == nullptr) return std::nullopt;
  if (auto copied = copier_->copy(frame, main_copy_); !copied) {
    if (copied.error().kind == ErrorKind::Lost) lose_gpu(copied.error());
    set_failure(copied.error());
    return std::nullopt;
  }
  main.copy = &main_copy_;
  return main;
}

std::optional<Result<Surface>> GpuImporter::draw(const MainPicture& main, const Drawn& drawn) {
  const auto next = [&](const Way* after) {
    return main.dmabuf ? converters_.pick(main.plan, main.dmabuf->modifier, after) : converters_.pick_composing(after);
  };
  for (Way* way = next(nullptr); way != nullptr; way = next(way)) {
    if (!composes(*way, main)) continue;
    if (auto done = convert(*way, main, drawn)) return done;
    if (!surfaces_) break;
  }
  return std::nullopt;
}

bool GpuImporter::composes(const Way& way, const MainPicture& main) {
  if (main.rgb_dmabuf() && layers_.empty()) return true;
  const auto can = way.converter->composes();
  if (!can && !std::exchange(told_no_layers_, true)) {
    logger("zerocopy").warn("{} draws no layers: {}", way.converter->name(), can.error().message());
  }
  return can.has_value();
}

Result<void> GpuImporter::settle() {
  if (!stalled_since_) {
    layers_.trim();
    return {};
  }
  if (auto settled = converters_.settle({}); !settled) {
    if (settled.error().kind == ErrorKind::Timeout &&
        monotonic_now() - *stalled_since_ < device_->patience() * kHungAfter) {
      return fail(ErrorKind::Busy, "import frame", "the GPU is still at work on an earlier picture");
    }
    lose_gpu(settled.error());
    return {};
  }
  logger("zerocopy").info("the GPU goes on");
  stalled_since_.reset();
  return {};
}

std::optional<Result<Surface>> GpuImporter::convert(Way& way, const MainPicture& main, Drawn drawn) {
  if (auto begun = surfaces_->begin(); !begun) return failed(nullptr, nullptr, begun.error());
  const auto layers = layers_for(way, main);
  if (!layers) return failed(&way, main.dmabuf.get(), layers.error());
  drawn.layers = layers_.version();
  if (auto made = surfaces_->convert(*way.converter, main, *layers, drawn); !made) {
    return failed(&way, main.dmabuf.get(), made.error());
  }
  // What comes after the conversion says nothing about the converter.
  if (auto done = surfaces_->finish(*way.converter, drawn); !done) return failed(nullptr, nullptr, done.error());
  if (std::exchange(way.failures, 0) > 0) logger("zerocopy").info("{} works again", way.converter->name());
  made_by(way.converter->name());
  return publish(drawn);
}

Result<std::span<const ConverterLayer>> GpuImporter::layers_for(const Way& way, const MainPicture& main) {
  if (main.rgb_dmabuf()) {
    if (layers_.empty()) return {};
    return layers_.prepare(converters_, way, *copier_, format_, nullptr);
  }
  const ConverterLayer lowest{.picture = main.picture,
                              .place = {},
                              .plan = &main.plan,
                              .dmabuf = main.dmabuf ? &main.dmabuf : nullptr,
                              .copy = main.copy};
  return layers_.prepare(converters_, way, *copier_, format_, &lowest);
}

std::optional<Result<Surface>> GpuImporter::failed(Way* way, const Dmabuf* dmabuf, const Error& error) {
  const Nanoseconds now = monotonic_now();
  switch (error.kind) {
    case ErrorKind::Invalid:
    case ErrorKind::Busy: return std::unexpected(error);  // of the picture, or of this moment
    case ErrorKind::Timeout: {
      if (!stalled_since_) logger("zerocopy").warn("dropped a picture: {}", error.message());
      stalled_since_ = now;
      set_failure(error);
      surfaces_->retire();
      Error dropped = error;
      dropped.kind = ErrorKind::Busy;
      return std::unexpected(std::move(dropped));
    }
    case ErrorKind::Lost: lose_gpu(error); return std::nullopt;
    case ErrorKind::Unsupported:
      if (way == nullptr || dmabuf == nullptr) break;
      logger("zerocopy")
          .warn("{} does not take {} with modifier {:#x}: {}", way->converter->name(), name(dmabuf->format),
                dmabuf->modifier, error.message());
      set_failure(error);
      if (converters_.refuse(*way, dmabuf->format, dmabuf->modifier)) {
        formats_.refuse(dmabuf->format, dmabuf->modifier, error.detail, now);
      }
      return std::nullopt;
    default: break;
  }
  set_failure(error);
  if (way == nullptr) {
    logger("zerocopy").warn("dropped a picture: {}", error.message());
    return std::unexpected(error);
  }
  const auto level = way->failures == 0 ? spdlog::level::warn : spdlog::level::debug;
  logger("zerocopy")
      .log(level, "{} failed and is asked again after {} pictures: {}", way->converter->name(), converters_.rest(*way),
           error.message());
  return std::nullopt;
}

Result<Surface> GpuImporter::publish(const Drawn& drawn) {
  auto surface = surfaces_->publish(drawn);
  if (!surface) return surface;
  host_current_ = false;
  mapping_from_.reset();
  return surface;
}

Result<Surface> GpuImporter::redraw(Frame frame) {
  if (!surfaces_) return import_on_host(std::move(frame));
  const GpuSurfaces::Newest& newest = surfaces_->newest();
  if (!newest.surface) return fail(ErrorKind::NotFound, "import frame", "no picture has come yet");
  if (newest.buffer == nullptr) return import_on_host(std::move(frame));
  const auto cursor = painter_.place(cursor_, newest.drawn.plan);
  if (!cursor) return std::unexpected(cursor.error());
  const bool layers_changed = !layers_as_drawn();
  if (*cursor == newest.drawn.cursor && !layers_changed) return surfaces_->repeat();
  if (auto settled = settle(); !settled) return std::unexpected(std::move(settled.error()));
  if (!surfaces_) return fail(ErrorKind::Busy, "import frame", "the GPU has just gone");
  if (layers_changed) return redraw_layers(*cursor);
  if (auto begun = surfaces_->begin(); !begun) return std::unexpected(std::move(begun.error()));
  if (auto moved = surfaces_->move_cursor(*cursor); !moved) return stays(moved.error());
  Drawn again = newest.drawn;
  again.cursor = *cursor;
  again.layers = layers_.version();
  return publish(again);
}

Result<Surface> GpuImporter::redraw_layers(const CursorPlacement& cursor) {
  const Drawn& newest = surfaces_->newest().drawn;
  if (!newest.main) {
    if (newest.layered) return surfaces_->repeat();  // nobody has the picture beneath: they come with the next one
    if (auto kept = surfaces_->keep_main(); !kept) return stays(kept.error());
  }
  const MainPicture main = *newest.main;
  if (auto done = draw(main, {.plan = newest.plan, .cursor = cursor, .current = newest.current})) {
    return std::move(*done);
  }
  if (!surfaces_) return fail(ErrorKind::Busy, "import frame", "the GPU has just gone");
  return surfaces_->repeat();
}

Result<Surface> GpuImporter::stays(const Error& error) {
  auto last = surfaces_->repeat();
  static_cast<void>(failed(nullptr, nullptr, error));
  return last;
}

Result<Surface> GpuImporter::import_on_host(Frame frame) {
  const bool dmabuf = std::holds_alternative<std::shared_ptr<const Dmabuf>>(frame.image);
  if (dmabuf && device_ && device_->gpu().type == VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU) {
    const Nanoseconds now = monotonic_now();
    if (!mapping_from_) mapping_from_ = now + kMapPatience;
    if (now < *mapping_from_) {
      return fail(ErrorKind::Unsupported, "import frame", "it is in the memory of a GPU that does not read it");
    }
  }
  if (!host_) {
    host_ = make_host_importer(format_.memory == MemoryKind::Host ? options_.surface_limit : kUploadSurfaces);
    SurfaceFormat format = format_;
    format.memory = MemoryKind::Host;
    if (auto configured = host_->configure(format); !configured) return std::unexpected(std::move(configured.error()));
    host_->set_layers(layers_.all());
    host_current_ = false;
  }
  if (!std::exchange(host_current_, true)) frame.damage = Damage::all();
  if (!frame.cursor) frame.cursor = cursor_;
  auto picture = host_->import(std::move(frame));
  if (!picture) {
    host_current_ = false;
    return picture;
  }
  if (surfaces_) {
    auto surface = surfaces_->upload(*picture);
    if (!surface && surface.error().kind != ErrorKind::Lost) return surface;
    if (surface) {
      picture = std::move(surface);
    } else {
      lose_gpu(surface.error());
    }
  }
  made_by("cpu");
  return picture;
}

void GpuImporter::lose_gpu(const Error& error) {
  logger("zerocopy").warn("the GPU is gone{}: {}", options_.reopen ? " and is opened anew" : "", error.message());
  set_failure(error);
  drop_gpu();
  device_.reset();
  host_current_ = false;
  stalled_since_.reset();
  // Where nothing else will do, the source is to go on until the GPU is back.
  if (!options_.strict || !options_.reopen) tell_formats();
  if (options_.reopen) reopen_at_ = monotonic_now() + kFirstReopen;
}

}  // namespace

std::unique_ptr<Importer> make_gpu_importer(Gpu gpu, GpuImporterOptions options) {
  return std::make_unique<GpuImporter>(std::move(gpu), std::move(options));
}

}  // namespace zc
