#include "zerocopy/vaapi/vaapi_target.h"

#include "media/av_log.h"
#include "zerocopy/vaapi/plane_writer.h"
#include "zerocopy/vaapi/surface_memory.h"
#include "zerocopy/vaapi/target_trial.h"
#include "zerocopy/vaapi/vaapi_pool.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <deque>
#include <utility>
#include <vector>

extern "C" {
#include <libavutil/error.h>
#include <libavutil/frame.h>
#include <libavutil/hwcontext.h>
}

namespace zc {
namespace {

/// Of the rows in a buffer that is copied to images: VkPhysicalDeviceLimits::optimalBufferCopyRowPitchAlignment is at
/// most this on desktop GPUs.
constexpr std::size_t kAlignment = 256;
constexpr Size kTrialSize{64, 48};

/// How surfaces are made and written.
struct Way {
  bool in_place = true;
  bool modifiers = true;  ///< the driver chooses from what Vulkan can write
};

class VaapiTarget final : public Target {
 public:
  static Result<std::unique_ptr<VaapiTarget>> create(const std::shared_ptr<VulkanDevice>& vulkan,
                                                     const std::shared_ptr<const vaapi::Device>& device,
                                                     const SurfaceFormat& format, std::size_t limit, const Way& way);
  VaapiTarget(const VaapiTarget&) = delete;
  VaapiTarget& operator=(const VaapiTarget&) = delete;
  ~VaapiTarget() override;

  [[nodiscard]] const SurfaceLayout& layout() const override { return layout_; }
  [[nodiscard]] Result<const VulkanBuffer*> take() override;
  [[nodiscard]] PassTail* tail() override { return writer_.get(); }
  [[nodiscard]] Result<void> run_tail(Nanoseconds timeout) override { return writer_->write(timeout); }
  [[nodiscard]] Result<Surface> publish() override {
    side_ = 1 - side_;
    return std::move(taken_);
  }
  void retire() override { retired_.push_back(std::move(taken_)); }
  [[nodiscard]] Result<Surface> upload(const Surface& picture) override;

 private:
  VaapiTarget(std::shared_ptr<VulkanDevice> vulkan, std::shared_ptr<const vaapi::Device> device,
              std::unique_ptr<VaapiPool> pool, bool in_place)
      : vulkan_(std::move(vulkan)), device_(std::move(device)), pool_(std::move(pool)), in_place_(in_place) {}
  /// Of the surface, imported when it is seen for the first time.
  [[nodiscard]] Result<const SurfaceMemory*> memory_of(const Surface& surface);
  [[nodiscard]] Result<void> make_buffers();

  std::shared_ptr<VulkanDevice> vulkan_;
  std::shared_ptr<const vaapi::Device> device_;
  std::unique_ptr<VaapiPool> pool_;
  bool in_place_;
  SurfaceLayout layout_;
  std::deque<SurfaceMemory> memory_;  ///< of all the pool's surfaces that were taken so far
  Surface taken_;
  std::vector<Surface> retired_;
  std::array<VulkanBuffer, 2> made_;  ///< where pictures for images are made: the newest, and the next one
  std::size_t side_ = 0;              ///< of `made_`, for the next one
  std::unique_ptr<PlaneWriter> writer_;
};

Result<std::unique_ptr<VaapiTarget>> VaapiTarget::create(const std::shared_ptr<VulkanDevice>& vulkan,
                                                         const std::shared_ptr<const vaapi::Device>& device,
                                                         const SurfaceFormat& format, std::size_t limit,
                                                         const Way& way) {
  auto modifiers = way.modifiers ? writable_modifiers(*vulkan, format.format) : std::vector<std::uint64_t>{};
  auto pool = VaapiPool::create(format, limit, *device, std::move(modifiers));
  if (!pool) return std::unexpected(std::move(pool.error()));
  std::unique_ptr<VaapiTarget> self(new VaapiTarget(vulkan, device, std::move(*pool), way.in_place));
  auto writer = PlaneWriter::create(vulkan);
  if (!writer) return std::unexpected(std::move(writer.error()));
  self->writer_ = std::move(*writer);
  // One surface shows what all are like.
  const auto first = self->pool_->take();
  if (!first) return std::unexpected(first.error());
  const auto memory = self->memory_of(*first);
  if (!memory) return std::unexpected(memory.error());
  if ((*memory)->whole) {
    self->layout_ = (*memory)->layout;
  } else {
    self->in_place_ = false;
    if (auto made = self->make_buffers(); !made) return std::unexpected(std::move(made.error()));
  }
  return self;
}

VaapiTarget::~VaapiTarget() {
  writer_.reset();  // waits, bounded
  if (!vulkan_->abandoned()) return;
  // The GPU may still write to these, and whoever got their memory would see it.
  [[maybe_unused]] const auto* immortal = std::make_unique<std::vector<Surface>>(std::move(retired_)).release();
}  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks): meant to be left alive

Result<void> VaapiTarget::make_buffers() {
  layout_ = surface_layout(pool_->format().format, pool_->format().size, kAlignment);
  for (VulkanBuffer& buffer : made_) {
    auto fresh = vulkan_->gpu().missing_for(VulkanUse::Export).empty()
                     ? VulkanBuffer::create_exportable(vulkan_, layout_.bytes)
                     : VulkanBuffer::create_device(vulkan_, layout_.bytes);
    if (!fresh) return std::unexpected(std::move(fresh.error()));
    buffer = std::move(*fresh);
  }
  return {};
}

Result<const SurfaceMemory*> VaapiTarget::memory_of(const Surface& surface) {
  const VASurfaceID id = va_surface(*surface.av_frame());
  const auto known = std::ranges::find(memory_, id, &SurfaceMemory::surface);
  if (known != memory_.end()) return &*known;
  const SurfaceFormat& format = pool_->format();
  auto memory = import_surface(vulkan_, *device_, id, format.format, format.size, in_place_);
  if (memory && !memory_.empty() && memory->layout != layout_ && in_place_) {
    memory = fail(ErrorKind::Unsupported, "import a VA-API surface into Vulkan", "it is laid out like no other");
  }
  if (!memory) {
    // Where others were imported there is no room for one more: one of them comes back.
    if (!memory_.empty() && memory.error().kind != ErrorKind::Lost) memory.error().kind = ErrorKind::Busy;
    return std::unexpected(std::move(memory.error()));
  }
  return &memory_.emplace_back(std::move(*memory));
}

Result<const VulkanBuffer*> VaapiTarget::take() {
  taken_ = {};
  auto taken = pool_->take();
  if (!taken) return std::unexpected(std::move(taken.error()));
  const auto memory = memory_of(*taken);
  if (!memory) return std::unexpected(memory.error());
  taken_ = std::move(*taken);
  const VulkanBuffer* buffer = in_place_ ? &(*memory)->whole : &made_.at(side_);
  writer_->prepare(**memory, *buffer, layout_);
  return buffer;
}

Result<Surface> VaapiTarget::upload(const Surface& picture) {
  taken_ = {};
  auto surface = pool_->take();
  if (!surface) return surface;
  const AvLogCapture log;
  const int code = av_hwframe_transfer_data(surface->av_frame(), picture.av_frame(), 0);
  // That the driver did not take the pixels in the end it says in its log only.
  if (code < 0 || !log.lines().empty()) {
    const ErrorKind kind = code == AVERROR(ENOMEM) ? ErrorKind::Busy : ErrorKind::Lost;
    return std::unexpected(Error{kind, ErrorDomain::FFmpeg, code, "upload a picture with VA-API", log.text()});
  }
  return surface;
}

}  // namespace

Result<std::unique_ptr<Target>> make_vaapi_target(const std::shared_ptr<VulkanDevice>& vulkan,
                                                  const std::shared_ptr<const vaapi::Device>& device,
                                                  const SurfaceFormat& format, std::size_t limit, bool in_place) {
  if (format.format != PixelFormat::NV12 && format.format != PixelFormat::P010) {
    return fail(ErrorKind::Unsupported, "make surfaces in VA-API memory",
                std::string(name(format.format)) + " surfaces");
  }
  SurfaceFormat small = format;
  small.size = kTrialSize;
  Result<void> tried;
  // A driver that knows no list of modifiers, or chooses badly, is left to itself.
  for (const bool modifiers : {true, false}) {
    const Way way{.in_place = in_place, .modifiers = modifiers};
    auto trial = VaapiTarget::create(vulkan, device, small, 1, way);
    tried = trial ? try_target(vulkan, **trial, small) : std::unexpected(std::move(trial.error()));
    if (!tried) continue;
    auto made = VaapiTarget::create(vulkan, device, format, limit, way);
    if (made) return std::move(*made);
    tried = std::unexpected(std::move(made.error()));
  }
  return std::unexpected(std::move(tried.error()));
}

}  // namespace zc
