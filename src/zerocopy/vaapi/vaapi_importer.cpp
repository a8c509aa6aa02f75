#include "zerocopy/vaapi_importer.h"

#include "base/log.h"
#include "gpu/render_nodes.h"
#include "gpu/vaapi/device.h"
#include "zerocopy/cpu/yuv_coefficients.h"
#include "zerocopy/frames_importer.h"
#include "zerocopy/vaapi/cursor_patch.h"
#include "zerocopy/vaapi/dmabuf_surfaces.h"
#include "zerocopy/vaapi/processor.h"
#include "zerocopy/vaapi/va_trial.h"
#include "zerocopy/vaapi/vaapi_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

extern "C" {
#include <libavutil/frame.h>
}

namespace zc {
namespace {

/// A GPU that takes longer than this for one picture has hung.
constexpr Nanoseconds kPatience = std::chrono::seconds(1);
/// Buffers that a producer keeps for itself: one to paint, one to hand over.
constexpr std::size_t kProducersBuffers = 2;

class VaapiImporter final : public FramesImporter {
 public:
  VaapiImporter(const VaapiImporterOptions& options, std::shared_ptr<const vaapi::Device> device,
                std::vector<FormatOffer::Entry> formats)
      : FramesImporter({.route = "vaapi",
                        .from_cpu = "cpu+vaapi",
                        .from_vulkan = "vulkan+vaapi",
                        .api = "VA-API",
                        .device = "VA-API",
                        .configure = "configure the VA-API importer",
                        .upload = "upload a picture with VA-API"},
                       options.surface_limit, options.strict),
        device_(std::move(device)),
        formats_(std::move(formats)),
        sources_(device_) {}

 private:
  [[nodiscard]] std::shared_ptr<const PictureDevice> device() const override { return device_; }
  [[nodiscard]] std::vector<std::uint64_t> modifiers(PixelFormat format) const override;
  [[nodiscard]] bool reads(PixelFormat format, std::uint64_t modifier) const override;
  [[nodiscard]] bool takes(const PicturePlan& plan) const override { return plan.transform == Transform::Normal; }
  [[nodiscard]] bool draws_cursors() const override { return patch_works_; }
  void keep_linear() override;
  [[nodiscard]] Result<void> make_surfaces() override;
  void drop_surfaces() override;
  void leave_surfaces() override { drop_surfaces(); }
  void drop_sources() override { sources_ = DmabufSurfaces(device_); }
  [[nodiscard]] Result<Surface> take() override { return pool_->take(); }
  [[nodiscard]] std::optional<Result<Surface>> make(Frame& frame, const PicturePlan& plan,
                                                    const CursorPlacement& cursor) override;
  [[nodiscard]] Result<Surface> make_again(const CursorPlacement& cursor) override;

  /// The dmabuf itself, for an encoder to read. nullopt: it must be converted, or its producer needs it.
  [[nodiscard]] std::optional<Surface> hand_through(Frame& frame, const AVFrame& source, const PicturePlan& plan);

  std::shared_ptr<const vaapi::Device> device_;
  std::vector<FormatOffer::Entry> formats_;  ///< that came through a trial, less what was refused since
  DmabufSurfaces sources_;
  std::unique_ptr<VaapiPool> pool_;         ///< null until configured for VA-API
  std::unique_ptr<VaProcessor> processor_;  ///< likewise
  std::unique_ptr<CursorPatch> patch_;      ///< likewise
  bool patch_works_ = true;
  Surface stuck_;  ///< the GPU was writing to it when it was given up
};

std::vector<std::uint64_t> VaapiImporter::modifiers(PixelFormat format) const {
  const auto known = std::ranges::find(formats_, format, &FormatOffer::Entry::format);
  return known == formats_.end() ? std::vector<std::uint64_t>() : known->modifiers;
}

bool VaapiImporter::reads(PixelFormat format, std::uint64_t modifier) const {
  const auto known = std::ranges::find(formats_, format, &FormatOffer::Entry::format);
  return known != formats_.end() && std::ranges::find(known->modifiers, modifier) != known->modifiers.end();
}

void VaapiImporter::keep_linear() {
  for (FormatOffer::Entry& entry : formats_) {
    std::erase_if(entry.modifiers, [](std::uint64_t m) { return m != kModifierLinear; });
  }
}

Result<void> VaapiImporter::make_surfaces() {
  auto pool = VaapiPool::create(target(), surface_limit(), *device_);
  if (!pool) return std::unexpected(std::move(pool.error()));
  pool_ = std::move(*pool);
  if (gpu_left()) return {};
  auto processor = VaProcessor::create(device_, target().size);
  const bool tried = target().format == PixelFormat::NV12 && target().colour == kBt709Limited;
  Result<void> right;
  if (!processor) {
    right = std::unexpected(std::move(processor.error()));
  } else if (!tried) {
    right = try_va_colours(device_, target());
  }
  if (!right) {
    if (strict()) return right;
    leave_gpu(right.error());
    return {};
  }
  processor_ = std::move(*processor);
  patch_ = std::make_unique<CursorPatch>(device_, target());
  return {};
}

void VaapiImporter::drop_surfaces() {
  patch_.reset();
  processor_.reset();
  pool_.reset();
}

std::optional<Result<Surface>> VaapiImporter::make(Frame& frame, const PicturePlan& plan,
                                                   const CursorPlacement& cursor) {
  const auto& dmabuf = std::get<std::shared_ptr<const Dmabuf>>(frame.image);
  const auto source = sources_.find_or_map(dmabuf);
  if (!source) {
    if (source.error().kind != ErrorKind::Unsupported) return std::unexpected(source.error());
    // For every format: else the source tries them one after the other.
    for (FormatOffer::Entry& entry : formats_) std::erase(entry.modifiers, dmabuf->modifier);
    refused(*dmabuf, source.error());
    return std::nullopt;
  }
  if (cursor.shape == 0) {
    if (auto surface = hand_through(frame, **source, plan)) return publish(std::move(*surface), plan, cursor);
  }
  auto taken = take();
  if (!taken) return std::unexpected(std::move(taken.error()));
  const bool rgb = rgb_fields(plan.format).valid;
  ColourDescription colour = frame.colour;
  if (colour.matrix == ColourMatrix::Unknown) colour.matrix = target().colour.matrix;
  if (colour.range == ColourRange::Unknown) colour.range = target().colour.range;
  const VASurfaceID to = va_surface(*taken->av_frame());
  Rect from = plan.crop;
  if (!plan.scaled) {  // an odd picture loses its last column and row rather than be resampled
    from.width = std::min(from.width, plan.content.width);
    from.height = std::min(from.height, plan.content.height);
  }
  const VaProcessor::Job job{.source = va_surface(**source),
                             .from = from,
                             .rgb = rgb,
                             .source_colour = colour,
                             .target = to,
                             .to = plan.box,
                             .colour = target().colour};
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
    if (auto drawn = patch_->draw(to, painter(), cursor, plan); !drawn) {
      patch_works_ = false;
      logger("zerocopy")
          .warn("VA-API does not let the cursor be drawn: pictures that show it are made in host memory ({})",
                drawn.error().message());
      return fail(ErrorKind::Busy, "import frame", "its cursor could not be drawn: " + drawn.error().message());
    }
  }
  return publish(std::move(*taken), plan, cursor);
}

std::optional<Surface> VaapiImporter::hand_through(Frame& frame, const AVFrame& source, const PicturePlan& plan) {
  const Rect whole{0, 0, target().size.width, target().size.height};
  const auto same = [](auto told, auto wanted, auto unknown) { return told == unknown || told == wanted; };
  const bool as_it_is = plan.format == target().format && plan.buffer == target().size && plan.crop == whole &&
                        plan.box == whole && !plan.scaled && frame.lease &&
                        same(frame.colour.matrix, target().colour.matrix, ColourMatrix::Unknown) &&
                        same(frame.colour.range, target().colour.range, ColourRange::Unknown);
  // The newest surface stays out, to be repeated: with too few buffers the producer would wait for it.
  if (!as_it_is || pool_->lent() + kProducersBuffers >= sources_.size()) return std::nullopt;
  auto surface = pool_->lend(source, frame.lease);
  if (!surface) return std::nullopt;
  return std::move(*surface);
}

Result<Surface> VaapiImporter::make_again(const CursorPlacement& cursor) {
  auto taken = take();
  if (!taken) return taken;
  const VASurfaceID to = va_surface(*taken->av_frame());
  const Rect all{0, 0, target().size.width, target().size.height};
  Result<void> done = processor_->run({.source = va_surface(*newest().surface.av_frame()),
                                       .from = all,
                                       .rgb = false,
                                       .source_colour = target().colour,
                                       .target = to,
                                       .to = all,
                                       .colour = target().colour},
                                      kPatience);
  if (!done) {
    // Without its source the picture cannot be made anew: it stays as it was until the next one comes.
    auto last = repeat();
    if (done.error().kind == ErrorKind::Timeout) stuck_ = std::move(*taken);
    if (done.error().kind != ErrorKind::Busy) leave_gpu(done.error());
    return last;
  }
  done = patch_->restore(to);
  patch_->forget();
  if (done && cursor.shape != 0) done = patch_->draw(to, painter(), cursor, newest().plan);
  if (!done) {
    patch_works_ = false;
    logger("zerocopy").warn("VA-API does not let the cursor be drawn any more: {}", done.error().message());
    return repeat();
  }
  return publish_again(std::move(*taken), cursor);
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
