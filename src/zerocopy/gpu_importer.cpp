#include "zerocopy/gpu_importer.h"

#include "base/clock.h"
#include "base/log.h"
#include "gpu/cuda/context.h"
#include "zerocopy/converters.h"
#include "zerocopy/cpu/cursor_painter.h"
#include "zerocopy/cpu/yuv_coefficients.h"
#include "zerocopy/gpu_layers.h"
#include "zerocopy/picture_copier.h"
#include "zerocopy/vulkan/cursor_pass.h"
#include "zerocopy/vulkan/host_target.h"
#include "zerocopy/vulkan/vulkan_device.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

extern "C" {
#include <libavutil/frame.h>
}

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
  /// What is on a surface.
  struct Drawn {
    PicturePlan plan;
    CursorPlacement cursor;
    bool layered = false;  ///< there are layers on it
    bool current = false;  ///< no frame has told of a change since that did not make it into a surface
  };
  /// What was handed out last.
  struct Newest : Drawn {
    Newest() = default;
    Newest(Surface made, const VulkanBuffer* in, std::uint64_t version, const Drawn& drawn)
        : Drawn(drawn), surface(std::move(made)), buffer(in), layers(version) {}
    Surface surface;                       ///< keeps its memory from being taken
    const VulkanBuffer* buffer = nullptr;  ///< where the GPU made it; null: the CPU did
    std::uint64_t layers = 0;              ///< GpuLayers::version()
  };
  /// The main picture of a surface.
  struct Main {
    LayerPicture picture;
    PicturePlan plan;                      ///< where it is drawn
    std::shared_ptr<const Dmabuf> dmabuf;  ///< where it lies; null: in the copy
    const PictureCopy* copy = nullptr;
    [[nodiscard]] bool rgb_dmabuf() const { return dmabuf && rgb_fields(picture.format).valid; }
  };
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
  [[nodiscard]] std::optional<Main> main_of(const Frame& frame, const PicturePlan& plan);
  /// By one way after the other; `plan`: where the frame goes. nullopt: there is no other.
  [[nodiscard]] std::optional<Result<Surface>> draw(const Main& main, const PicturePlan& plan,
                                                    const CursorPlacement& cursor, bool current);
  /// The whole picture. nullopt: the next way is to be tried.
  [[nodiscard]] std::optional<Result<Surface>> convert(Way& way, const Main& main, const PicturePlan& plan,
                                                       const CursorPlacement& cursor, bool current);
  /// Whether layers were drawn, too.
  [[nodiscard]] Result<bool> convert_into(const VulkanBuffer& buffer, Way& way, const Main& main, bool cursor);
  /// Whether this way draws it, layers included; that it does not is told once.
  [[nodiscard]] bool composes(const Way& way, const Main& main);
  /// Cursor and tail, where the converter did not do that itself.
  [[nodiscard]] Result<void> finish(bool cursor);
  /// What became of a surface's work. nullopt: another way may make it.
  [[nodiscard]] std::optional<Error> failed(Way* way, const Dmabuf* dmabuf, const Error& error);
  [[nodiscard]] Result<Surface> publish(const VulkanBuffer& buffer, const Drawn& drawn);
  [[nodiscard]] Result<Surface> redraw(Frame frame);
  /// The newest picture with the layers as they are now.
  [[nodiscard]] Result<Surface> redraw_layers(const CursorPlacement& cursor);
  /// Room for `beneath_`.
  [[nodiscard]] Result<void> make_beneath();
  /// Copies the newest surface, which has no layers, there, without its cursor.
  [[nodiscard]] Result<void> keep_surface();
  /// What is there, to be drawn again.
  [[nodiscard]] Main surface_as_main() const;
  [[nodiscard]] Result<Surface> import_on_host(Frame frame);
  [[nodiscard]] Result<Surface> upload(const Surface& picture);
  /// The newest surface has the layers that there are.
  [[nodiscard]] bool layers_as_drawn() const {
    return newest_.layers == layers_.version() || (!newest_.layered && layers_.empty());
  }
  [[nodiscard]] Result<Surface> repeat() const;
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
  Surface uploaded_from_;           ///< its surface that the newest one is a copy of
  std::optional<Nanoseconds> mapping_from_;

  std::optional<Nanoseconds> stalled_since_;
  std::optional<Nanoseconds> reopen_at_;
  unsigned reopens_ = 0;

  GpuLayers layers_;
  bool told_no_layers_ = false;
  std::optional<Main> kept_;  ///< the newest one, where it can be drawn again: it may stand still while layers move

  // These die one after the other, see drop_gpu().
  std::unique_ptr<PictureCopier> copier_;
  PictureCopy main_copy_;  ///< of a main picture that is in no dmabuf
  PictureCopy beneath_;    ///< the newest surface as it is without layers and cursor
  Newest newest_;
  std::unique_ptr<Target> target_;  ///< null until configured, or when the GPU is lost
  std::unique_ptr<CursorPass> cursor_pass_;
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
  cursor_pass_.reset();
  kept_.reset();
  layers_.drop_copies();
  main_copy_ = {};
  beneath_ = {};
  copier_.reset();
  newest_ = {};
  uploaded_from_ = {};
  target_.reset();
}

void GpuImporter::made_by(std::string_view converter) {
  // Without a target of the GPU's pictures stay in host memory.
  const MemoryKind memory = target_ || !configured_ ? format_.memory : MemoryKind::Host;
  maker_ = converter;
  std::string route = fmt::format("{}{}", converter, suffix(memory));
  if (route != route_) route_ = std::move(route);
}

void GpuImporter::tell_formats() {
  FormatOffer offer = host_offer();
  for (const PixelFormatInfo& format : pixel_formats()) {
    std::vector<std::uint64_t> modifiers = converters_.modifiers(format.format);
    const auto entry = std::ranges::find(offer.formats, format.format, &FormatOffer::Entry::format);
    if (entry != offer.formats.end()) {
      entry->modifiers = std::move(modifiers);
    } else if (!modifiers.empty()) {
      offer.formats.push_back({format.format, std::move(modifiers)});
    }
  }
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
  kept_.reset();
  newest_ = {};
  uploaded_from_ = {};
  cursor_pass_.reset();
  target_.reset();
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
  auto cursor = CursorPass::create(device_, (*target)->layout(), format_.colour);
  if (!cursor) return std::unexpected(std::move(cursor.error()));
  target_ = std::move(*target);
  cursor_pass_ = std::move(*cursor);
  return {};
}

Result<Surface> GpuImporter::import(Frame frame) {
  if (frame.cursor) cursor_ = frame.cursor;
  if (!configured_) return fail(ErrorKind::Invalid, "import frame", "the importer has not been configured");
  try_again(monotonic_now());
  if (!frame.has_image()) return redraw(std::move(frame));
  auto surface = import_picture(frame);
  if (!surface) newest_.current = host_current_ = false;
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
    const bool same = newest_.current && newest_.buffer != nullptr && newest_.plan == *plan && layers_as_drawn() &&
                      frame.damage.nothing();
    if (same && newest_.cursor == *cursor) return repeat();
    if (const auto main = device_ ? main_of(frame, *plan) : std::nullopt) {
      kept_.reset();
      if (auto done = draw(*main, *plan, *cursor, true)) {
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

std::optional<GpuImporter::Main> GpuImporter::main_of(const Frame& frame, const PicturePlan& plan) {
  Main main{.picture = layer_picture(frame), .plan = plan, .dmabuf = nullptr};
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

std::optional<Result<Surface>> GpuImporter::draw(const Main& main, const PicturePlan& plan,
                                                 const CursorPlacement& cursor, bool current) {
  const auto next = [&](const Way* after) {
    return main.dmabuf ? converters_.pick(main.plan, main.dmabuf->modifier, after) : converters_.pick_composing(after);
  };
  for (Way* way = next(nullptr); way != nullptr; way = next(way)) {
    if (!composes(*way, main)) continue;
    if (auto done = convert(*way, main, plan, cursor, current)) return done;
    if (!device_) break;
  }
  return std::nullopt;
}

bool GpuImporter::composes(const Way& way, const Main& main) {
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

std::optional<Result<Surface>> GpuImporter::convert(Way& way, const Main& main, const PicturePlan& plan,
                                                    const CursorPlacement& cursor, bool current) {
  auto buffer = target_->take();
  if (!buffer) {
    if (auto error = failed(nullptr, nullptr, buffer.error())) return std::unexpected(std::move(*error));
    return std::nullopt;
  }
  const bool drawn = cursor.shape != 0;
  Result<void> done;
  if (drawn) {
    done = cursor_pass_->prepare(painter_, cursor, plan, **buffer);
  } else {
    cursor_pass_->prepare_none();
  }
  bool converted = false;
  bool layered = false;
  if (done) {
    const auto into = convert_into(**buffer, way, main, drawn);
    converted = into.has_value();
    if (into) layered = *into;
    if (!into) done = std::unexpected(into.error());
  }
  if (done && !way.converter->one_submission()) done = finish(drawn);
  if (!done) {
    // What comes after the conversion says nothing about the converter.
    auto error = failed(converted ? nullptr : &way, main.dmabuf.get(), done.error());
    if (error) return std::unexpected(std::move(*error));
    return std::nullopt;
  }
  if (std::exchange(way.failures, 0) > 0) logger("zerocopy").info("{} works again", way.converter->name());
  made_by(way.converter->name());
  // One in a dmabuf that is not RGB, a camera's, does not stand still: its next picture brings the layers as they are.
  if (layered && main.rgb_dmabuf()) {
    kept_ = surface_as_main();
  } else if (layered && !main.dmabuf) {
    kept_ = main;
  }
  return publish(**buffer, {.plan = plan, .cursor = cursor, .layered = layered, .current = current});
}

Result<bool> GpuImporter::convert_into(const VulkanBuffer& buffer, Way& way, const Main& main, bool cursor) {
  std::span<const ConverterLayer> layers;
  const bool rgb = main.rgb_dmabuf();
  if (!rgb || !layers_.empty()) {
    const ConverterLayer lowest{.picture = main.picture,
                                .place = {},
                                .plan = &main.plan,
                                .dmabuf = main.dmabuf ? &main.dmabuf : nullptr,
                                .copy = main.copy};
    const auto prepared = layers_.prepare(converters_, way, *copier_, format_, rgb ? nullptr : &lowest);
    if (!prepared) return std::unexpected(prepared.error());
    layers = *prepared;
  }
  const bool layered = layers.size() > (rgb ? 0U : 1U);
  // The producer's buffer goes back at once: what it shows is kept as the surface has it.
  const bool keep = rgb && layered;
  if (keep) {
    if (auto made = make_beneath(); !made) return std::unexpected(std::move(made.error()));
  }
  const bool whole = way.converter->one_submission();
  const std::shared_ptr<const Dmabuf> none;
  auto done = way.converter->convert({.dmabuf = rgb ? main.dmabuf : none,
                                      .plan = main.plan,
                                      .colour = format_.colour,
                                      .target = buffer,
                                      .layout = target_->layout(),
                                      .cursor = whole && cursor ? cursor_pass_.get() : nullptr,
                                      .tail = whole ? target_->tail() : nullptr,
                                      .layers = layers,
                                      .beneath = keep ? &beneath_.buffer : nullptr});
  if (!done) return std::unexpected(std::move(done.error()));
  return layered;
}

Result<void> GpuImporter::finish(bool cursor) {
  if (cursor) {
    if (auto drawn = cursor_pass_->draw(device_->patience()); !drawn) return drawn;
  }
  return target_->run_tail(device_->patience());
}

std::optional<Error> GpuImporter::failed(Way* way, const Dmabuf* dmabuf, const Error& error) {
  const Nanoseconds now = monotonic_now();
  switch (error.kind) {
    case ErrorKind::Invalid:
    case ErrorKind::Busy: return error;  // of the picture, or of this moment
    case ErrorKind::Timeout: {
      if (!stalled_since_) logger("zerocopy").warn("dropped a picture: {}", error.message());
      stalled_since_ = now;
      set_failure(error);
      target_->retire();
      Error dropped = error;
      dropped.kind = ErrorKind::Busy;
      return dropped;
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
    return error;
  }
  const auto level = way->failures == 0 ? spdlog::level::warn : spdlog::level::debug;
  logger("zerocopy")
      .log(level, "{} failed and is asked again after {} pictures: {}", way->converter->name(), converters_.rest(*way),
           error.message());
  return std::nullopt;
}

Result<Surface> GpuImporter::publish(const VulkanBuffer& buffer, const Drawn& drawn) {
  auto surface = target_->publish();
  if (!surface) return surface;
  cursor_pass_->commit();
  newest_ = {surface->share(), &buffer, layers_.version(), drawn};
  if (!newest_.surface) newest_ = {};  // out of memory: start afresh
  if (!newest_.layered) kept_.reset();
  uploaded_from_ = {};
  host_current_ = false;
  mapping_from_.reset();
  return surface;
}

Result<Surface> GpuImporter::repeat() const {
  Surface surface = newest_.surface.share();
  if (!surface) return fail_errno(ENOMEM, "hand out a surface");
  return surface;
}

Result<Surface> GpuImporter::redraw(Frame frame) {
  if (!target_) return import_on_host(std::move(frame));
  if (!newest_.surface) return fail(ErrorKind::NotFound, "import frame", "no picture has come yet");
  if (newest_.buffer == nullptr) return import_on_host(std::move(frame));
  const auto cursor = painter_.place(cursor_, newest_.plan);
  if (!cursor) return std::unexpected(cursor.error());
  const bool layers_changed = !layers_as_drawn();
  if (*cursor == newest_.cursor && !layers_changed) return repeat();
  if (auto settled = settle(); !settled) return std::unexpected(std::move(settled.error()));
  if (device_ && layers_changed) return redraw_layers(*cursor);
  if (!device_) return fail(ErrorKind::Busy, "import frame", "the GPU has just gone");
  auto buffer = target_->take();
  if (!buffer) return std::unexpected(std::move(buffer.error()));
  Result<void> drawn;
  if (cursor->shape != 0) {
    drawn = cursor_pass_->prepare(painter_, *cursor, newest_.plan, **buffer);
  } else {
    cursor_pass_->prepare_none();
  }
  if (drawn) drawn = cursor_pass_->redraw(*newest_.buffer, **buffer, device_->patience());
  if (drawn) drawn = target_->run_tail(device_->patience());
  if (drawn) {
    Drawn again = newest_;
    again.cursor = *cursor;
    return publish(**buffer, again);
  }
  // Without its source the picture cannot be made anew: it stays as it was until the next one comes.
  auto last = repeat();
  static_cast<void>(failed(nullptr, nullptr, drawn.error()));
  return last;
}

Result<Surface> GpuImporter::redraw_layers(const CursorPlacement& cursor) {
  if (!kept_) {
    if (newest_.layered) return repeat();  // nobody has the picture beneath any more: they come with the next one
    if (auto kept = keep_surface(); !kept) {
      auto last = repeat();
      static_cast<void>(failed(nullptr, nullptr, kept.error()));
      return last;
    }
  }
  const Main main = *kept_;
  const PicturePlan plan = newest_.plan;
  if (auto done = draw(main, plan, cursor, newest_.current)) return std::move(*done);
  if (!device_) return fail(ErrorKind::Busy, "import frame", "the GPU has just gone");
  return repeat();
}

Result<void> GpuImporter::make_beneath() {
  const SurfaceLayout& layout = target_->layout();
  if (beneath_.layout == layout && beneath_.buffer) return {};
  beneath_ = {};
  auto buffer = VulkanBuffer::create_shared(device_, layout.bytes);
  if (!buffer) return std::unexpected(std::move(buffer.error()));
  beneath_.buffer = std::move(*buffer);
  beneath_.layout = layout;
  return {};
}

Result<void> GpuImporter::keep_surface() {
  if (auto made = make_beneath(); !made) return made;
  cursor_pass_->prepare_none();
  if (auto copied = cursor_pass_->redraw(*newest_.buffer, beneath_.buffer, device_->patience()); !copied) return copied;
  kept_ = surface_as_main();
  return {};
}

GpuImporter::Main GpuImporter::surface_as_main() const {
  const Size size = format_.size;
  Main main{.picture = {}, .plan = {}, .dmabuf = nullptr, .copy = &beneath_};
  main.picture.format = format_.format;
  main.picture.buffer = size;
  main.picture.colour = format_.colour;
  main.plan.format = format_.format;
  main.plan.buffer = main.plan.shown = main.plan.surface = main.plan.content = size;
  main.plan.crop = main.plan.box = {0, 0, size.width, size.height};
  return main;
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
  if (!std::exchange(host_current_, true)) {
    frame.damage = Damage::all();
    uploaded_from_ = {};
  }
  if (!frame.cursor) frame.cursor = cursor_;
  auto picture = host_->import(std::move(frame));
  if (!picture) {
    host_current_ = false;
    return picture;
  }
  auto surface = target_ ? upload(*picture) : std::move(picture);
  if (!surface) {
    if (surface.error().kind != ErrorKind::Lost) return surface;
    lose_gpu(surface.error());
    surface = std::move(picture);
  }
  made_by("cpu");
  return surface;
}

Result<Surface> GpuImporter::upload(const Surface& picture) {
  // The same surface again, when nothing has changed; holding it keeps its memory as it is.
  const bool same = uploaded_from_ && newest_.buffer == nullptr && newest_.surface &&
                    uploaded_from_.av_frame()->data[0] == picture.av_frame()->data[0];
  if (same) return repeat();
  auto surface = target_->upload(picture);
  if (!surface) return surface;
  newest_ = {};
  newest_.surface = surface->share();
  newest_.current = true;
  kept_.reset();
  uploaded_from_ = picture.share();
  return surface;
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
