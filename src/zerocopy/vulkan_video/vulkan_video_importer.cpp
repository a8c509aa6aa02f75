#include "zerocopy/vulkan_video_importer.h"

#include "base/log.h"
#include "gpu/device_nodes.h"
#include "gpu/vulkan/device.h"
#include "zerocopy/frames_importer.h"
#include "zerocopy/vulkan/conversion_pass.h"
#include "zerocopy/vulkan/cursor_pass.h"
#include "zerocopy/vulkan/dmabuf_sources.h"
#include "zerocopy/vulkan/known_modifiers.h"
#include "zerocopy/vulkan_video/frame_pool.h"
#include "zerocopy/vulkan_video/frame_trial.h"
#include "zerocopy/vulkan_video/frame_writer.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <vector>

namespace zc {
namespace {

/// Of the rows in the buffer a picture is made in: what copies from buffers to images like best
/// (VkPhysicalDeviceLimits::optimalBufferCopyRowPitchAlignment is at most this on desktop GPUs).
constexpr std::size_t kAlignment = 256;

class VulkanVideoImporter final : public FramesImporter {
 public:
  VulkanVideoImporter(const VulkanVideoImporterOptions& options, std::shared_ptr<VulkanDevice> device,
                      std::unique_ptr<ConversionPass> pass, std::unique_ptr<FrameWriter> writer)
      : FramesImporter({.route = "vulkan-video",
                        .from_cpu = "cpu+vulkan-video",
                        .from_vulkan = "vulkan+vulkan-video",
                        .api = "Vulkan",
                        .device = "the Vulkan device",
                        .configure = "configure the Vulkan Video importer",
                        .upload = "upload a picture with Vulkan"},
                       options.surface_limit, options.strict),
        device_(std::move(device)),
        sources_(device_),
        pass_(std::move(pass)),
        writer_(std::move(writer)) {}

 private:
  [[nodiscard]] std::shared_ptr<const PictureDevice> device() const override { return device_->adopted(); }
  [[nodiscard]] std::vector<std::uint64_t> modifiers(PixelFormat format) const override { return known_.of(format); }
  [[nodiscard]] bool reads(PixelFormat format, std::uint64_t modifier) const override {
    return known_.has(format, modifier);
  }
  [[nodiscard]] bool takes(const PicturePlan& plan) const override { return pass_takes(plan); }
  void keep_linear() override { known_.keep_linear(); }
  [[nodiscard]] Result<void> make_surfaces() override;
  void drop_surfaces() override;
  void leave_surfaces() override { pool_.reset(); }
  void drop_sources() override { sources_.trim(); }
  [[nodiscard]] Result<Surface> take() override { return pool_->take(); }
  [[nodiscard]] std::optional<Result<Surface>> make(Frame& frame, const PicturePlan& plan,
                                                    const CursorPlacement& cursor) override;
  [[nodiscard]] Result<Surface> make_again(const CursorPlacement& cursor) override;

  [[nodiscard]] Result<void> prepare_cursor(const CursorPlacement& cursor, const PicturePlan& plan,
                                            const VulkanBuffer& target);
  [[nodiscard]] std::size_t next_side() const { return newest().by_gpu ? 1 - side_ : 0; }
  /// What becomes of the importer, and of the surface that was to be made, when the GPU has failed.
  void failed(const Error& error, Surface taken);

  std::shared_ptr<VulkanDevice> device_;
  std::vector<PixelFormat> tried_{PixelFormat::NV12};  ///< frames of FFmpeg's that hold what is written to them
  SurfaceLayout layout_;                               ///< of the pictures in `made_`
  std::unique_ptr<VulkanFramePool> pool_;              ///< null until configured for Vulkan
  // What the GPU may still work on dies before what it works with.
  DmabufSources sources_;
  KnownModifiers known_{sources_};
  std::array<VulkanBuffer, 2> made_;         ///< where pictures are made: the newest, and the next one
  std::size_t side_ = 0;                     ///< of `made_`, where newest() is, if the GPU made it
  std::unique_ptr<CursorPass> cursor_pass_;  ///< null until a cursor is seen
  std::unique_ptr<ConversionPass> pass_;
  std::unique_ptr<FrameWriter> writer_;
};

void VulkanVideoImporter::drop_surfaces() {
  cursor_pass_.reset();
  made_ = {};
  pool_.reset();
}

Result<void> VulkanVideoImporter::make_surfaces() {
  if (std::ranges::find(tried_, target().format) == tried_.end()) {
    if (auto tried = try_vulkan_frames(device_, target().format); !tried) return tried;
    tried_.push_back(target().format);
  }
  auto pool = VulkanFramePool::create(target(), surface_limit(), *device_->adopted());
  if (!pool) return std::unexpected(std::move(pool.error()));
  pool_ = std::move(*pool);
  layout_ = surface_layout(target().format, target().size, kAlignment);
  if (gpu_left()) return {};
  for (VulkanBuffer& buffer : made_) {
    auto made = VulkanBuffer::create_device(device_, layout_.bytes);
    if (!made) return std::unexpected(std::move(made.error()));
    buffer = std::move(*made);
  }
  return {};
}

std::optional<Result<Surface>> VulkanVideoImporter::make(Frame& frame, const PicturePlan& plan,
                                                         const CursorPlacement& cursor) {
  const auto& dmabuf = std::get<std::shared_ptr<const Dmabuf>>(frame.image);
  const auto source = sources_.find_or_import(dmabuf);
  if (!source) {
    switch (source.error().kind) {
      case ErrorKind::Invalid:
      case ErrorKind::Busy: return std::unexpected(source.error());
      case ErrorKind::Unsupported:
        known_.ask_again();  // one modifier less
        refused(*dmabuf, source.error());
        return std::nullopt;
      default: failed(source.error(), {}); return std::nullopt;
    }
  }
  auto taken = take();
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
  auto done = pass_->run(*source, plan, made_.at(side), layout_, target().colour, device_->patience(),
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
  side_ = side;
  return publish(std::move(*taken), plan, cursor);
}

Result<void> VulkanVideoImporter::prepare_cursor(const CursorPlacement& cursor, const PicturePlan& plan,
                                                 const VulkanBuffer& target) {
  if (cursor.shape == 0) {
    if (cursor_pass_ != nullptr) cursor_pass_->prepare_none();
    return {};
  }
  if (cursor_pass_ == nullptr) {
    auto made = CursorPass::create(device_, layout_, this->target().colour);
    if (!made) return std::unexpected(std::move(made.error()));
    cursor_pass_ = std::move(*made);
  }
  return cursor_pass_->prepare(painter(), cursor, plan, target);
}

Result<Surface> VulkanVideoImporter::make_again(const CursorPlacement& cursor) {
  auto taken = take();
  if (!taken) return taken;
  const std::size_t side = next_side();
  const VulkanBuffer& made = made_.at(side);
  Result<void> drawn = prepare_cursor(cursor, newest().plan, made);
  // A cursor to be taken away was drawn by the pass.
  if (drawn) drawn = cursor_pass_->redraw(made_.at(side_), made, device_->patience());
  if (drawn) {
    writer_->prepare(*taken->av_frame(), made, layout_);
    drawn = writer_->write(device_->patience());
  }
  if (drawn) {
    cursor_pass_->commit();
    side_ = side;
    return publish_again(std::move(*taken), cursor);
  }
  // Without its source the picture cannot be made anew: it stays as it was until the next one comes.
  auto last = repeat();
  failed(drawn.error(), std::move(*taken));
  return last;
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
    if (!strict()) return leave_device(error);
  }
  leave_gpu(error);
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
