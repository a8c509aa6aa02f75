#include "zerocopy/vulkan_video_importer.h"

#include "base/log.h"
#include "gpu/device_nodes.h"
#include "gpu/vulkan/device.h"
#include "zerocopy/cpu/cursor_painter.h"
#include "zerocopy/cpu/yuv_coefficients.h"
#include "zerocopy/cpu_importer.h"
#include "zerocopy/dmabuf_offer.h"
#include "zerocopy/host_pictures.h"
#include "zerocopy/vulkan/conversion_pass.h"
#include "zerocopy/vulkan/cursor_pass.h"
#include "zerocopy/vulkan/dmabuf_sources.h"
#include "zerocopy/vulkan/known_modifiers.h"
#include "zerocopy/vulkan_video/frame_pool.h"
#include "zerocopy/vulkan_video/frame_trial.h"
#include "zerocopy/vulkan_video/frame_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace zc {
namespace {

constexpr std::string_view kRoute = "vulkan-video";
/// Of the rows in the buffer a picture is made in: what copies from buffers to images like best
/// (VkPhysicalDeviceLimits::optimalBufferCopyRowPitchAlignment is at most this on desktop GPUs).
constexpr std::size_t kAlignment = 256;

class VulkanVideoImporter final : public Importer {
 public:
  VulkanVideoImporter(const VulkanVideoImporterOptions& options, std::shared_ptr<VulkanDevice> device,
                      std::unique_ptr<ConversionPass> pass, std::unique_ptr<FrameWriter> writer)
      : options_(options),
        device_(std::move(device)),
        plain_offer_(make_cpu_importer()->offer()),
        host_(options.strict),
        sources_(device_),
        pass_(std::move(pass)),
        writer_(std::move(writer)) {}

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
    std::size_t side = 0;  ///< of `made_`, where the same picture is
    PicturePlan plan;
    CursorPlacement cursor;
    bool current = false;  ///< no frame has told of a change since that did not make it into a surface
  };

  [[nodiscard]] bool takes(const Dmabuf& dmabuf, const PicturePlan& plan) const;
  [[nodiscard]] Result<void> make_surfaces();
  [[nodiscard]] Result<Surface> import_picture(Frame& frame);
  /// nullopt: the GPU does not make it, the next way is to be tried.
  [[nodiscard]] std::optional<Result<Surface>> import_on_gpu(Frame& frame, const PicturePlan& plan,
                                                             const CursorPlacement& cursor);
  [[nodiscard]] Result<void> prepare_cursor(const CursorPlacement& cursor, const PicturePlan& plan,
                                            const VulkanBuffer& target);
  [[nodiscard]] Result<Surface> redraw(Frame frame);
  [[nodiscard]] Result<Surface> import_on_host(Frame frame);
  [[nodiscard]] Result<Surface> upload(const Surface& picture);
  [[nodiscard]] Result<Surface> publish(Surface surface, std::size_t side, const PicturePlan& plan,
                                        const CursorPlacement& cursor);
  [[nodiscard]] Result<Surface> repeat() const;
  [[nodiscard]] std::size_t next_side() const { return newest_.by_gpu ? 1 - newest_.side : 0; }
  /// What becomes of the importer, and of the surface that was to be made, when the GPU has failed.
  void failed(const Error& error, Surface taken);
  /// The pass makes no pictures any more: from now on they are made in host memory.
  void leave_gpu(const Error& error);
  /// The device is gone: pictures go out in host memory, and the encoder that cannot take them is replaced.
  void leave_device(const Error& error);
  void drop_surfaces();

  VulkanVideoImporterOptions options_;
  std::shared_ptr<VulkanDevice> device_;
  FormatOffer plain_offer_;            ///< every format there is, in shared memory
  std::string_view made_by_ = kRoute;  ///< how the newest picture came to be
  std::uint64_t narrowed_ = 0;         ///< how often offer() has become smaller
  bool gpu_left_ = false;
  bool device_left_ = false;
  bool on_host_ = false;  ///< configured for host memory
  HostPictures host_;
  SurfaceFormat target_;
  std::vector<PixelFormat> tried_{PixelFormat::NV12};  ///< frames of FFmpeg's that hold what is written to them
  SurfaceLayout layout_;                               ///< of the pictures in `made_`
  CursorPainter painter_;
  std::optional<CursorState> cursor_;
  std::unique_ptr<VulkanFramePool> pool_;  ///< null until configured for Vulkan
  Newest newest_;
  // What the GPU may still work on dies before what it works with.
  DmabufSources sources_;
  KnownModifiers known_{sources_};
  std::array<VulkanBuffer, 2> made_;         ///< where pictures are made: the newest, and the next one
  std::unique_ptr<CursorPass> cursor_pass_;  ///< null until a cursor is seen
  std::unique_ptr<ConversionPass> pass_;
  std::unique_ptr<FrameWriter> writer_;
};

std::string VulkanVideoImporter::take_setback() {
  std::string own = Importer::take_setback();
  std::string of_host = host_.take_setback();
  return own.empty() ? of_host : own;
}

FormatOffer VulkanVideoImporter::offer() const {
  if (on_host_ || gpu_left_) return host_.offer().value_or(plain_offer_);
  return with_dmabufs(plain_offer_, [this](PixelFormat format) { return known_.of(format); }, options_.strict);
}

bool VulkanVideoImporter::takes(const Dmabuf& dmabuf, const PicturePlan& plan) const {
  return pass_takes(plan) && known_.has(dmabuf.format, dmabuf.modifier);
}

std::shared_ptr<const PictureDevice> VulkanVideoImporter::device_for(const Frame& frame) const {
  const auto* dmabuf = std::get_if<std::shared_ptr<const Dmabuf>>(&frame.image);
  if (gpu_left_ || dmabuf == nullptr || !*dmabuf) return nullptr;
  const auto plan =
      make_picture_plan(frame.format(), frame.buffer_size(), frame.crop, frame.transform, frame.visible_size());
  return plan && takes(**dmabuf, *plan) ? device_->adopted() : nullptr;
}

void VulkanVideoImporter::drop_surfaces() {
  newest_ = {};
  host_.forget();
  cursor_pass_.reset();
  made_ = {};
  pool_.reset();
}

Result<void> VulkanVideoImporter::configure(const SurfaceFormat& target) {
  const bool was_on_host = std::exchange(on_host_, target.memory == MemoryKind::Host);
  if (on_host_) {
    drop_surfaces();
    if (!was_on_host) {
      sources_.trim();
      host_.make_all();
      // It may read fewer layouts than the GPU did.
      if (!gpu_left_) ++narrowed_;
    }
    return host_.configure(target);
  }
  constexpr const char* kOperation = "configure the Vulkan Video importer";
  if (target.format != PixelFormat::NV12 && target.format != PixelFormat::P010) {
    return fail(ErrorKind::Unsupported, kOperation, fmt::format("{} surfaces", name(target.format)));
  }
  const auto resolved = resolve_target(target, kOperation);
  if (!resolved) return std::unexpected(resolved.error());
  if (device_left_) return fail(ErrorKind::Lost, kOperation, "the device is gone");
  if (pool_ && target_ == *resolved) return {};
  drop_surfaces();
  target_ = *resolved;
  painter_.configure(target_);
  return make_surfaces();
}

Result<void> VulkanVideoImporter::make_surfaces() {
  if (std::ranges::find(tried_, target_.format) == tried_.end()) {
    if (auto tried = try_vulkan_frames(device_, target_.format); !tried) return tried;
    tried_.push_back(target_.format);
  }
  auto pool = VulkanFramePool::create(target_, options_.surface_limit, *device_->adopted());
  if (!pool) return std::unexpected(std::move(pool.error()));
  pool_ = std::move(*pool);
  layout_ = surface_layout(target_.format, target_.size, kAlignment);
  if (gpu_left_) return {};
  for (VulkanBuffer& buffer : made_) {
    auto made = VulkanBuffer::create_device(device_, layout_.bytes);
    if (!made) {
      pool_.reset();
      return std::unexpected(std::move(made.error()));
    }
    buffer = std::move(*made);
  }
  return {};
}

Result<Surface> VulkanVideoImporter::import(Frame frame) {
  if (frame.cursor) cursor_ = frame.cursor;
  if (on_host_) return host_.import(std::move(frame), cursor_);
  if (!pool_ && !device_left_) {
    return fail(ErrorKind::Invalid, "import frame", "the importer has not been configured");
  }
  if (device_left_) return import_on_host(std::move(frame));
  if (!frame.has_image()) return redraw(std::move(frame));
  auto surface = import_picture(frame);
  if (!surface) {
    newest_.current = false;
    host_.missed();
  }
  return surface;
}

Result<Surface> VulkanVideoImporter::import_picture(Frame& frame) {
  const auto* held = std::get_if<std::shared_ptr<const Dmabuf>>(&frame.image);
  if (held != nullptr && !*held) return fail(ErrorKind::Invalid, "import frame", "its dmabuf is missing");
  if (held == nullptr && options_.strict) {
    return fail(ErrorKind::Unsupported, "import frame", "it is in shared memory, not a dmabuf");
  }
  const auto plan = make_picture_plan(frame.format(), frame.buffer_size(), frame.crop, frame.transform, target_.size);
  if (!plan) return std::unexpected(plan.error());
  if (!gpu_left_ && held != nullptr && takes(**held, *plan)) {
    const auto cursor = painter_.place(cursor_, *plan);
    if (!cursor) return std::unexpected(cursor.error());
    const bool same = newest_.current && newest_.by_gpu && newest_.plan == *plan && frame.damage.nothing();
    if (same && newest_.cursor == *cursor) return repeat();
    if (auto done = import_on_gpu(frame, *plan, *cursor)) return std::move(*done);
  }
  if (options_.strict) {
    if (gpu_left_) return fail(ErrorKind::Lost, "import frame", "Vulkan makes no pictures any more");
    return fail(ErrorKind::Unsupported, "import frame", "Vulkan does not take this picture");
  }
  return import_on_host(std::move(frame));
}

std::optional<Result<Surface>> VulkanVideoImporter::import_on_gpu(Frame& frame, const PicturePlan& plan,
                                                                  const CursorPlacement& cursor) {
  const auto& dmabuf = std::get<std::shared_ptr<const Dmabuf>>(frame.image);
  const auto source = sources_.find_or_import(dmabuf);
  if (!source) {
    switch (source.error().kind) {
      case ErrorKind::Invalid:
      case ErrorKind::Busy: return std::unexpected(source.error());
      case ErrorKind::Unsupported:
        logger("zerocopy")
            .warn("Vulkan does not take {} with modifier {:#x}: {}", name(dmabuf->format), dmabuf->modifier,
                  source.error().detail);
        known_.ask_again();  // one modifier less
        ++narrowed_;
        return std::nullopt;
      default: failed(source.error(), {}); return std::nullopt;
    }
  }
  auto taken = pool_->take();
  if (!taken) {
    if (taken.error().kind == ErrorKind::Busy) return std::unexpected(std::move(taken.error()));
    failed(taken.error(), {});
    return std::nullopt;
  }
  const std::size_t side = next_side();
  if (auto ready = prepare_cursor(cursor, plan, made_.at(side)); !ready) {
    failed(ready.error(), std::move(*taken));
    return std::nullopt;
  }
  writer_->prepare(*taken->av_frame(), made_.at(side), layout_);
  auto done = pass_->run(*source, plan, made_.at(side), layout_, target_.colour, device_->patience(),
                         cursor.shape == 0 ? nullptr : cursor_pass_.get(), *writer_);
  if (done || pass_->pending()) writer_->submitted();
  if (!done) {
    const ErrorKind kind = done.error().kind;
    // A malformed frame, or one whose producer does not finish it, says nothing about the GPU.
    if (kind == ErrorKind::Invalid || kind == ErrorKind::Busy) return std::unexpected(std::move(done.error()));
    failed(done.error(), std::move(*taken));
    return std::nullopt;
  }
  frame.lease.reset();
  if (cursor_pass_ != nullptr) cursor_pass_->commit();
  made_by_ = kRoute;
  return publish(std::move(*taken), side, plan, cursor);
}

Result<void> VulkanVideoImporter::prepare_cursor(const CursorPlacement& cursor, const PicturePlan& plan,
                                                 const VulkanBuffer& target) {
  if (cursor.shape == 0) {
    if (cursor_pass_ != nullptr) cursor_pass_->prepare_none();
    return {};
  }
  if (cursor_pass_ == nullptr) {
    auto made = CursorPass::create(device_, layout_, target_.colour);
    if (!made) return std::unexpected(std::move(made.error()));
    cursor_pass_ = std::move(*made);
  }
  return cursor_pass_->prepare(painter_, cursor, plan, target);
}

Result<Surface> VulkanVideoImporter::publish(Surface surface, std::size_t side, const PicturePlan& plan,
                                             const CursorPlacement& cursor) {
  host_.missed();
  newest_ = {.surface = surface.share(), .by_gpu = true, .side = side, .plan = plan, .cursor = cursor, .current = true};
  if (!newest_.surface) newest_ = {};  // out of memory: start afresh
  return surface;
}

Result<Surface> VulkanVideoImporter::repeat() const {
  Surface surface = newest_.surface.share();
  if (!surface) return fail_errno(ENOMEM, "hand out a surface");
  return surface;
}

Result<Surface> VulkanVideoImporter::redraw(Frame frame) {
  if (!newest_.surface) return fail(ErrorKind::NotFound, "import frame", "no picture has come yet");
  if (!newest_.by_gpu) return import_on_host(std::move(frame));
  const auto cursor = painter_.place(cursor_, newest_.plan);
  if (!cursor) return std::unexpected(cursor.error());
  if (*cursor == newest_.cursor || gpu_left_) return repeat();
  auto taken = pool_->take();
  if (!taken) return std::unexpected(std::move(taken.error()));
  const std::size_t side = next_side();
  const VulkanBuffer& target = made_.at(side);
  Result<void> drawn = prepare_cursor(*cursor, newest_.plan, target);
  // A cursor to be taken away was drawn by the pass.
  if (drawn) drawn = cursor_pass_->redraw(made_.at(newest_.side), target, device_->patience());
  if (drawn) {
    writer_->prepare(*taken->av_frame(), target, layout_);
    drawn = writer_->write(device_->patience());
  }
  if (drawn) {
    cursor_pass_->commit();
    const bool current = newest_.current;
    auto surface = publish(std::move(*taken), side, newest_.plan, *cursor);
    newest_.current = newest_.current && current;
    return surface;
  }
  // Without its source the picture cannot be made anew: it stays as it was until the next one comes.
  auto last = repeat();
  failed(drawn.error(), std::move(*taken));
  return last;
}

Result<Surface> VulkanVideoImporter::import_on_host(Frame frame) {
  const auto* held = std::get_if<std::shared_ptr<const Dmabuf>>(&frame.image);
  const std::shared_ptr<const Dmabuf> dmabuf = held == nullptr ? nullptr : *held;
  const bool offered =
      !gpu_left_ && dmabuf && dmabuf->modifier != kModifierLinear && known_.has(dmabuf->format, dmabuf->modifier);
  auto picture = host_.import_as(target_, std::move(frame), cursor_);
  if (!picture && offered && picture.error().kind == ErrorKind::Unsupported) {
    // Only the GPU reads its layout, and does not take the picture: LINEAR ones, everybody reads.
    known_.keep_linear();
    ++narrowed_;
  }
  if (!picture || device_left_) return picture;
  auto surface = upload(*picture);
  if (surface || surface.error().kind != ErrorKind::Lost || options_.strict) return surface;
  leave_device(surface.error());
  return picture;
}

Result<Surface> VulkanVideoImporter::upload(const Surface& picture) {
  if (!newest_.by_gpu && newest_.surface && host_.uploaded(picture)) return repeat();
  auto taken = pool_->take();
  if (!taken) return taken;
  if (auto done = host_.upload(picture, *taken, "upload a picture with Vulkan"); !done) {
    return std::unexpected(std::move(done.error()));
  }
  newest_ = {.surface = taken->share(), .by_gpu = false, .side = 0, .plan = {}, .cursor = {}, .current = true};
  made_by_ = host_.route() == "vulkan" ? "vulkan+vulkan-video" : "cpu+vulkan-video";
  return taken;
}

void VulkanVideoImporter::failed(const Error& error, Surface taken) {
  const bool stuck = error.kind == ErrorKind::Timeout;
  if (stuck) {
    leave_alive(std::move(taken));
    // They wait a while for their work, then nothing on the device is freed any more.
    writer_.reset();
    pass_.reset();
    cursor_pass_.reset();
  }
  // FFmpeg's own work on a GPU that hangs would wait without a bound.
  if (stuck || error.kind == ErrorKind::Lost) {
    if (!options_.strict) return leave_device(error);
  }
  leave_gpu(error);
}

void VulkanVideoImporter::leave_gpu(const Error& error) {
  logger("zerocopy")
      .warn("Vulkan makes no picture any more{}: {}",
            options_.strict ? "" : ", they are made in host memory and uploaded", error.message());
  set_back(error);
  gpu_left_ = true;
  ++narrowed_;
  host_.make_all();
}

void VulkanVideoImporter::leave_device(const Error& error) {
  logger("zerocopy").warn("the Vulkan device is gone, pictures stay in host memory: {}", error.message());
  set_back(error);
  device_left_ = true;
  if (!std::exchange(gpu_left_, true)) {
    ++narrowed_;
    host_.make_all();
  }
  newest_ = {};
  pool_.reset();
  made_by_ = "cpu";
}

struct OpenedDevice {
  std::shared_ptr<VulkanDevice> device;
  std::unique_ptr<ConversionPass> pass;
  std::unique_ptr<FrameWriter> writer;
};

Result<OpenedDevice> prepare(std::shared_ptr<VulkanDevice> device) {
  if (const std::string missing = device->gpu().missing_for(VulkanUse::LinearDmabuf); !missing.empty()) {
    return fail(ErrorKind::Unsupported, "import dmabufs into Vulkan", device->gpu().name + " has no " + missing);
  }
  auto pass = ConversionPass::create(device);
  if (!pass) return std::unexpected(std::move(pass.error()));
  auto writer = FrameWriter::create(device);
  if (!writer) return std::unexpected(std::move(writer.error()));
  if (auto tried = try_vulkan_frames(device, PixelFormat::NV12); !tried)
    return std::unexpected(std::move(tried.error()));
  return OpenedDevice{std::move(device), std::move(*pass), std::move(*writer)};
}

}  // namespace

Result<std::unique_ptr<Importer>> make_vulkan_video_importer(const VulkanVideoImporterOptions& options) {
  if (!options.device && !has_gpu_node()) {
    return fail(ErrorKind::Unsupported, "open a GPU", "there is none: no /dev/dri/renderD* and no /dev/nvidia0");
  }
  Result<std::shared_ptr<VulkanDevice>> device = options.device;
  if (!options.device) device = find_vulkan_video_device();
  if (!device) return std::unexpected(std::move(device.error()));
  auto ready = prepare(std::move(*device));
  if (!ready) return std::unexpected(std::move(ready.error()));
  const VulkanGpu& gpu = ready->device->gpu();
  logger("zerocopy").info("Vulkan Video: {} ({})", gpu.name, gpu.driver);
  return std::make_unique<VulkanVideoImporter>(options, std::move(ready->device), std::move(ready->pass),
                                               std::move(ready->writer));
}

}  // namespace zc
