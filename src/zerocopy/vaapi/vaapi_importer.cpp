#include "zerocopy/vaapi_importer.h"

#include "base/log.h"
#include "gpu/render_nodes.h"
#include "gpu/vaapi/device.h"
#include "zerocopy/cpu/cursor_painter.h"
#include "zerocopy/cpu/yuv_coefficients.h"
#include "zerocopy/cpu_importer.h"
#include "zerocopy/dmabuf_offer.h"
#include "zerocopy/host_pictures.h"
#include "zerocopy/vaapi/cursor_patch.h"
#include "zerocopy/vaapi/dmabuf_surfaces.h"
#include "zerocopy/vaapi/processor.h"
#include "zerocopy/vaapi/va_trial.h"
#include "zerocopy/vaapi/vaapi_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

extern "C" {
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
}

namespace zc {
namespace {

/// A GPU that takes longer than this for one picture has hung.
constexpr Nanoseconds kPatience = std::chrono::seconds(1);
/// Buffers that a producer keeps for itself: one to paint, one to hand over.
constexpr std::size_t kProducersBuffers = 2;

class VaapiImporter final : public Importer {
 public:
  VaapiImporter(VaapiImporterOptions options, std::shared_ptr<const vaapi::Device> device,
                std::vector<FormatOffer::Entry> formats)
      : options_(std::move(options)),
        device_(std::move(device)),
        formats_(std::move(formats)),
        plain_offer_(make_cpu_importer()->offer()),
        host_(options_.strict),
        sources_(device_) {}

  [[nodiscard]] std::size_t surface_limit() const override { return options_.surface_limit; }
  [[nodiscard]] std::string_view route() const override { return on_host_ ? host_.route() : made_by_; }
  [[nodiscard]] std::string take_setback() override;
  [[nodiscard]] FormatOffer offer() const override;
  [[nodiscard]] std::uint64_t offer_version() const override { return narrowed_ + host_.version(); }
  [[nodiscard]] std::shared_ptr<const PictureDevice> device_for(const Frame& frame) const override;
  [[nodiscard]] Result<void> configure(const SurfaceFormat& target) override;
  [[nodiscard]] Result<Surface> import(Frame frame) override;

 private:
  /// What was handed out last.
  struct Newest {
    Surface surface;  ///< keeps its memory from being taken
    bool by_gpu = false;
    PicturePlan plan;
    CursorPlacement cursor;
    bool current = false;  ///< no frame has told of a change since that did not make it into a surface
  };

  [[nodiscard]] bool gpu_works() const { return !gpu_left_; }
  [[nodiscard]] std::vector<std::uint64_t> modifiers(PixelFormat format) const;
  [[nodiscard]] bool reads(PixelFormat format, std::uint64_t modifier) const;
  [[nodiscard]] bool takes(const Dmabuf& dmabuf, const PicturePlan& plan) const;
  [[nodiscard]] Result<Surface> import_picture(Frame& frame);
  /// nullopt: the GPU does not make it, the next way is to be tried.
  [[nodiscard]] std::optional<Result<Surface>> import_on_gpu(Frame& frame, const PicturePlan& plan,
                                                             const CursorPlacement& cursor);
  /// The dmabuf itself, for an encoder to read. nullopt: it must be converted, or its producer needs it.
  [[nodiscard]] std::optional<Surface> hand_through(Frame& frame, const AVFrame& source, const PicturePlan& plan);
  [[nodiscard]] Result<Surface> redraw(Frame frame);
  [[nodiscard]] Result<Surface> import_on_host(Frame frame);
  [[nodiscard]] Result<Surface> upload(const Surface& picture);
  [[nodiscard]] Result<Surface> publish(Surface surface, const PicturePlan& plan, const CursorPlacement& cursor);
  [[nodiscard]] Result<Surface> repeat() const;
  void refuse(const Dmabuf& dmabuf, const Error& error);
  /// The video processor makes no pictures any more: from now on they are made in host memory.
  void leave_gpu(const Error& error);
  /// VA-API is gone: pictures go out in host memory, and the encoder that cannot take them is replaced.
  void leave_device(const Error& error);

  VaapiImporterOptions options_;
  std::shared_ptr<const vaapi::Device> device_;
  std::vector<FormatOffer::Entry> formats_;  ///< that came through a trial, less what was refused since
  FormatOffer plain_offer_;                  ///< every format there is, in shared memory
  std::string_view made_by_ = "vaapi";       ///< how the newest picture came to be
  std::uint64_t narrowed_ = 0;               ///< how often offer() has become smaller
  bool gpu_left_ = false;
  bool device_left_ = false;
  bool on_host_ = false;  ///< configured for host memory
  HostPictures host_;
  SurfaceFormat target_;
  CursorPainter painter_;
  std::optional<CursorState> cursor_;
  DmabufSurfaces sources_;
  std::unique_ptr<VaapiPool> pool_;         ///< null until configured for VA-API
  std::unique_ptr<VaProcessor> processor_;  ///< likewise
  std::unique_ptr<CursorPatch> patch_;      ///< likewise
  bool patch_works_ = true;
  Surface stuck_;  ///< the GPU was writing to it when it was given up
  Newest newest_;
};

std::string VaapiImporter::take_setback() {
  std::string own = Importer::take_setback();
  std::string of_host = host_.take_setback();
  return own.empty() ? of_host : own;
}

FormatOffer VaapiImporter::offer() const {
  if (on_host_ || gpu_left_) return host_.offer().value_or(plain_offer_);
  return with_dmabufs(plain_offer_, [this](PixelFormat format) { return modifiers(format); }, options_.strict);
}

std::vector<std::uint64_t> VaapiImporter::modifiers(PixelFormat format) const {
  const auto known = std::ranges::find(formats_, format, &FormatOffer::Entry::format);
  return known == formats_.end() ? std::vector<std::uint64_t>() : known->modifiers;
}

bool VaapiImporter::reads(PixelFormat format, std::uint64_t modifier) const {
  const auto known = std::ranges::find(formats_, format, &FormatOffer::Entry::format);
  return known != formats_.end() && std::ranges::find(known->modifiers, modifier) != known->modifiers.end();
}

bool VaapiImporter::takes(const Dmabuf& dmabuf, const PicturePlan& plan) const {
  return plan.transform == Transform::Normal && reads(dmabuf.format, dmabuf.modifier);
}

std::shared_ptr<const PictureDevice> VaapiImporter::device_for(const Frame& frame) const {
  const auto* dmabuf = std::get_if<std::shared_ptr<const Dmabuf>>(&frame.image);
  if (!gpu_works() || dmabuf == nullptr || !*dmabuf) return nullptr;
  const auto plan =
      make_picture_plan(frame.format(), frame.buffer_size(), frame.crop, frame.transform, frame.visible_size());
  return plan && takes(**dmabuf, *plan) ? device_ : nullptr;
}

Result<void> VaapiImporter::configure(const SurfaceFormat& target) {
  const bool was_on_host = std::exchange(on_host_, target.memory == MemoryKind::Host);
  if (on_host_) {
    newest_ = {};
    patch_.reset();
    processor_.reset();
    pool_.reset();
    if (!was_on_host) {
      sources_ = DmabufSurfaces(device_);
      host_.make_all();
      // It may read fewer layouts than the GPU did.
      if (!gpu_left_) ++narrowed_;
    }
    return host_.configure(target);
  }
  if (target.format != PixelFormat::NV12 && target.format != PixelFormat::P010) {
    return fail(ErrorKind::Unsupported, "configure the VA-API importer",
                fmt::format("{} surfaces", name(target.format)));
  }
  const auto resolved = resolve_target(target, "configure the VA-API importer");
  if (!resolved) return std::unexpected(resolved.error());
  if (device_left_) return fail(ErrorKind::Lost, "configure the VA-API importer", "VA-API is gone");
  if (pool_ && target_ == *resolved) return {};
  newest_ = {};
  host_.forget();
  patch_.reset();
  processor_.reset();
  target_ = *resolved;
  painter_.configure(target_);
  auto pool = VaapiPool::create(target_, options_.surface_limit, *device_);
  if (!pool) return std::unexpected(std::move(pool.error()));
  pool_ = std::move(*pool);
  if (gpu_left_) return {};
  auto processor = VaProcessor::create(device_, target_.size);
  const bool tried = target_.format == PixelFormat::NV12 && target_.colour == kBt709Limited;
  Result<void> right;
  if (!processor) {
    right = std::unexpected(std::move(processor.error()));
  } else if (!tried) {
    right = try_va_colours(device_, target_);
  }
  if (!right) {
    if (options_.strict) return right;
    leave_gpu(right.error());
    return {};
  }
  processor_ = std::move(*processor);
  patch_ = std::make_unique<CursorPatch>(device_, target_);
  return {};
}

Result<Surface> VaapiImporter::import(Frame frame) {
  if (frame.cursor) cursor_ = frame.cursor;
  if (on_host_) return host_.import(std::move(frame), cursor_);
  if (target_.size.empty()) return fail(ErrorKind::Invalid, "import frame", "the importer has not been configured");
  if (device_left_) return import_on_host(std::move(frame));
  if (!frame.has_image()) return redraw(std::move(frame));
  auto surface = import_picture(frame);
  if (!surface) {
    newest_.current = false;
    host_.missed();
  }
  return surface;
}

Result<Surface> VaapiImporter::import_picture(Frame& frame) {
  const auto* held = std::get_if<std::shared_ptr<const Dmabuf>>(&frame.image);
  if (held != nullptr && !*held) return fail(ErrorKind::Invalid, "import frame", "its dmabuf is missing");
  if (held == nullptr && options_.strict) {
    return fail(ErrorKind::Unsupported, "import frame", "it is in shared memory, not a dmabuf");
  }
  const auto plan = make_picture_plan(frame.format(), frame.buffer_size(), frame.crop, frame.transform, target_.size);
  if (!plan) return std::unexpected(plan.error());
  if (gpu_works() && held != nullptr && takes(**held, *plan)) {
    const auto cursor = painter_.place(cursor_, *plan);
    if (!cursor) return std::unexpected(cursor.error());
    const bool same = newest_.current && newest_.by_gpu && newest_.plan == *plan && frame.damage.nothing();
    if (same && newest_.cursor == *cursor) return repeat();
    if (cursor->shape == 0 || patch_works_) {
      if (auto done = import_on_gpu(frame, *plan, *cursor)) return std::move(*done);
    }
  }
  if (options_.strict) {
    if (gpu_left_) return fail(ErrorKind::Lost, "import frame", "VA-API makes no pictures any more");
    return fail(ErrorKind::Unsupported, "import frame", "VA-API does not take this picture");
  }
  return import_on_host(std::move(frame));
}

std::optional<Result<Surface>> VaapiImporter::import_on_gpu(Frame& frame, const PicturePlan& plan,
                                                            const CursorPlacement& cursor) {
  const auto& dmabuf = std::get<std::shared_ptr<const Dmabuf>>(frame.image);
  const auto source = sources_.find_or_map(dmabuf);
  if (!source) {
    if (source.error().kind != ErrorKind::Unsupported) return std::unexpected(source.error());
    refuse(*dmabuf, source.error());
    return std::nullopt;
  }
  if (cursor.shape == 0) {
    if (auto surface = hand_through(frame, **source, plan)) return publish(std::move(*surface), plan, cursor);
  }
  auto taken = pool_->take();
  if (!taken) return std::unexpected(std::move(taken.error()));
  const bool rgb = rgb_fields(plan.format).valid;
  ColourDescription colour = frame.colour;
  if (colour.matrix == ColourMatrix::Unknown) colour.matrix = target_.colour.matrix;
  if (colour.range == ColourRange::Unknown) colour.range = target_.colour.range;
  const VASurfaceID target = va_surface(*taken->av_frame());
  Rect from = plan.crop;
  if (!plan.scaled) {  // an odd picture loses its last column and row rather than be resampled
    from.width = std::min(from.width, plan.content.width);
    from.height = std::min(from.height, plan.content.height);
  }
  const VaProcessor::Job job{.source = va_surface(**source),
                             .from = from,
                             .rgb = rgb,
                             .source_colour = colour,
                             .target = target,
                             .to = plan.box,
                             .colour = target_.colour};
  if (auto done = processor_->run(job, kPatience); !done) {
    if (done.error().kind == ErrorKind::Busy) return std::unexpected(std::move(done.error()));
    // A GPU that hangs may still write to the surface: nobody else gets it.
    if (done.error().kind == ErrorKind::Timeout) stuck_ = std::move(*taken);
    leave_gpu(done.error());
    return std::nullopt;
  }
  frame.lease.reset();
  patch_->forget();
  if (cursor.shape != 0) {
    if (auto drawn = patch_->draw(target, painter_, cursor, plan); !drawn) {
      patch_works_ = false;
      logger("zerocopy")
          .warn("VA-API does not let the cursor be drawn: pictures that show it are made in host memory ({})",
                drawn.error().message());
      return fail(ErrorKind::Busy, "import frame", "its cursor could not be drawn: " + drawn.error().message());
    }
  }
  made_by_ = "vaapi";
  return publish(std::move(*taken), plan, cursor);
}

std::optional<Surface> VaapiImporter::hand_through(Frame& frame, const AVFrame& source, const PicturePlan& plan) {
  const Rect whole{0, 0, target_.size.width, target_.size.height};
  const auto same = [](auto told, auto wanted, auto unknown) { return told == unknown || told == wanted; };
  const bool as_it_is = plan.format == target_.format && plan.buffer == target_.size && plan.crop == whole &&
                        plan.box == whole && !plan.scaled && frame.lease &&
                        same(frame.colour.matrix, target_.colour.matrix, ColourMatrix::Unknown) &&
                        same(frame.colour.range, target_.colour.range, ColourRange::Unknown);
  // The newest surface stays out, to be repeated: with too few buffers the producer would wait for it.
  if (!as_it_is || pool_->lent() + kProducersBuffers >= sources_.size()) return std::nullopt;
  auto surface = pool_->lend(source, frame.lease);
  if (!surface) return std::nullopt;
  made_by_ = "vaapi";
  return std::move(*surface);
}

Result<Surface> VaapiImporter::publish(Surface surface, const PicturePlan& plan, const CursorPlacement& cursor) {
  host_.missed();
  newest_ = {.surface = surface.share(), .by_gpu = true, .plan = plan, .cursor = cursor, .current = true};
  if (!newest_.surface) newest_ = {};  // out of memory: start afresh
  return surface;
}

Result<Surface> VaapiImporter::repeat() const {
  Surface surface = newest_.surface.share();
  if (!surface) return fail_errno(ENOMEM, "hand out a surface");
  return surface;
}

Result<Surface> VaapiImporter::redraw(Frame frame) {
  if (!newest_.surface) return fail(ErrorKind::NotFound, "import frame", "no picture has come yet");
  if (!newest_.by_gpu) return import_on_host(std::move(frame));
  const auto cursor = painter_.place(cursor_, newest_.plan);
  if (!cursor) return std::unexpected(cursor.error());
  if (*cursor == newest_.cursor || !gpu_works() || !patch_works_) return repeat();
  auto taken = pool_->take();
  if (!taken) return std::unexpected(std::move(taken.error()));
  const VASurfaceID target = va_surface(*taken->av_frame());
  const Rect all{0, 0, target_.size.width, target_.size.height};
  Result<void> done = processor_->run({.source = va_surface(*newest_.surface.av_frame()),
                                       .from = all,
                                       .rgb = false,
                                       .source_colour = target_.colour,
                                       .target = target,
                                       .to = all,
                                       .colour = target_.colour},
                                      kPatience);
  if (!done) {
    // Without its source the picture cannot be made anew: it stays as it was until the next one comes.
    auto last = repeat();
    if (done.error().kind == ErrorKind::Timeout) stuck_ = std::move(*taken);
    if (done.error().kind != ErrorKind::Busy) leave_gpu(done.error());
    return last;
  }
  done = patch_->restore(target);
  patch_->forget();
  if (done && cursor->shape != 0) done = patch_->draw(target, painter_, *cursor, newest_.plan);
  if (!done) {
    patch_works_ = false;
    logger("zerocopy").warn("VA-API does not let the cursor be drawn any more: {}", done.error().message());
    return repeat();
  }
  const bool current = newest_.current;
  auto surface = publish(std::move(*taken), newest_.plan, *cursor);
  newest_.current = newest_.current && current;
  return surface;
}

Result<Surface> VaapiImporter::import_on_host(Frame frame) {
  const auto* held = std::get_if<std::shared_ptr<const Dmabuf>>(&frame.image);
  const bool tiled = held != nullptr && *held && (*held)->modifier != kModifierLinear;
  auto picture = host_.import_as(target_, std::move(frame), cursor_);
  if (!picture && tiled && picture.error().kind == ErrorKind::Unsupported && gpu_works()) {
    // Only the GPU reads its layout, and does not take the picture: LINEAR ones, everybody reads.
    bool fewer = false;
    for (FormatOffer::Entry& entry : formats_) {
      fewer = std::erase_if(entry.modifiers, [](std::uint64_t m) { return m != kModifierLinear; }) != 0 || fewer;
    }
    if (fewer) ++narrowed_;
  }
  if (!picture || device_left_) return picture;
  auto surface = upload(*picture);
  if (surface || surface.error().kind != ErrorKind::Lost || options_.strict) return surface;
  leave_device(surface.error());
  return picture;
}

Result<Surface> VaapiImporter::upload(const Surface& picture) {
  if (!newest_.by_gpu && newest_.surface && host_.uploaded(picture)) return repeat();
  auto taken = pool_->take();
  if (!taken) return taken;
  if (auto done = host_.upload(picture, *taken, "upload a picture with VA-API"); !done) {
    return std::unexpected(std::move(done.error()));
  }
  newest_ = {.surface = taken->share(), .by_gpu = false, .plan = {}, .cursor = {}, .current = true};
  made_by_ = host_.route() == "vulkan" ? "vulkan+vaapi" : "cpu+vaapi";
  return taken;
}

void VaapiImporter::refuse(const Dmabuf& dmabuf, const Error& error) {
  logger("zerocopy")
      .warn("VA-API does not take {} with modifier {:#x}: {}", name(dmabuf.format), dmabuf.modifier, error.detail);
  set_back(error);
  // For every format: else the source tries them one after the other.
  for (FormatOffer::Entry& entry : formats_) std::erase(entry.modifiers, dmabuf.modifier);
  ++narrowed_;
}

void VaapiImporter::leave_gpu(const Error& error) {
  logger("zerocopy")
      .warn("VA-API makes no picture any more{}: {}",
            options_.strict ? "" : ", they are made in host memory and uploaded", error.message());
  set_back(error);
  gpu_left_ = true;
  ++narrowed_;
  host_.make_all();
}

void VaapiImporter::leave_device(const Error& error) {
  logger("zerocopy").warn("VA-API is gone, pictures stay in host memory: {}", error.message());
  set_back(error);
  device_left_ = true;
  if (!std::exchange(gpu_left_, true)) ++narrowed_;
  newest_ = {};
  host_.missed();
  patch_.reset();
  processor_.reset();
  pool_.reset();
  made_by_ = "cpu";
}

}  // namespace

Result<std::unique_ptr<Importer>> make_vaapi_importer(const VaapiImporterOptions& options) {
  constexpr const char* kOperation = "find a card with VA-API";
  std::vector<std::string> nodes{""};
  if (!options.device) nodes = render_nodes();
  if (nodes.empty()) {
    return fail(ErrorKind::Unsupported, kOperation, "there is no render node (/dev/dri/renderD*)");
  }
  std::string reasons;
  for (const std::string& node : nodes) {
    const auto refuse = [&](const std::string& why) { reasons += (reasons.empty() ? "" : "; ") + why; };
    auto device =
        options.device ? Result<std::shared_ptr<const vaapi::Device>>(options.device) : vaapi::Device::open(node);
    if (!device) {
      refuse(device.error().message());
      continue;
    }
    if (!(*device)->encodes()) {
      refuse((*device)->vendor() + " encodes nothing");
      continue;
    }
    auto tried = try_va_imports(*device);
    if (tried.formats.empty()) {
      refuse((*device)->vendor() + ": " + (tried.reason.empty() ? "it imports no dmabufs" : tried.reason));
      continue;
    }
    logger("zerocopy").info("VA-API: {} ({})", (*device)->vendor(), (*device)->render_node());
    return std::make_unique<VaapiImporter>(options, std::move(*device), std::move(tried.formats));
  }
  return fail(ErrorKind::Unsupported, kOperation, reasons);
}

}  // namespace zc
