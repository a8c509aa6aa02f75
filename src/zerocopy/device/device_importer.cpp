#include "zerocopy/device_importer.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/process_stats.h"
#include "zerocopy/cpu/cursor_painter.h"
#include "zerocopy/cpu_importer.h"
#include "zerocopy/device/cuda_surface_pool.h"
#include "zerocopy/device/route_list.h"
#include "zerocopy/dmabuf_converter.h"
#include "zerocopy/dmabuf_offer.h"
#include "zerocopy/vulkan/cursor_pass.h"

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

class DeviceImporter final : public Importer {
 public:
  DeviceImporter(const DeviceImporterOptions& options, DeviceSetup setup,
                 std::vector<std::unique_ptr<DeviceConverter>> routes, std::unique_ptr<Importer> host,
                 std::shared_ptr<CudaCounters> counters)
      : options_(options),
        setup_(std::move(setup)),
        counters_(counters ? std::move(counters) : std::make_shared<CudaCounters>()),
        host_(std::move(host)),
        routes_(std::move(routes)) {
    say_route(routes_.first());
  }
  DeviceImporter(const DeviceImporter&) = delete;
  DeviceImporter& operator=(const DeviceImporter&) = delete;
  ~DeviceImporter() override { routes_.clear(); }  // before the memory they may still write to

  [[nodiscard]] std::size_t surface_limit() const override { return options_.surface_limit; }
  [[nodiscard]] std::string_view route() const override { return on_host_ ? host_->route() : route_; }
  [[nodiscard]] std::string take_setback() override;
  [[nodiscard]] FormatOffer offer() const override;
  [[nodiscard]] std::uint64_t offer_version() const override {
    return routes_.version() + host_->offer_version() + narrowed_;
  }
  [[nodiscard]] std::shared_ptr<const PictureDevice> device_for(const Frame& frame) const override;
  [[nodiscard]] Result<void> configure(const SurfaceFormat& target) override;
  [[nodiscard]] Result<Surface> import(Frame frame) override;

 private:
  /// What was handed out last.
  struct Newest {
    Surface surface;                       ///< keeps its memory from being taken
    const VulkanBuffer* buffer = nullptr;  ///< its memory; null: the CPU made it
    PicturePlan plan;
    CursorPlacement cursor;
    bool current = false;  ///< no frame has told of a change since that did not make it into a surface
  };

  /// Some dmabufs come in only while surfaces are made in CUDA memory.
  [[nodiscard]] bool host_takes_less() const;
  [[nodiscard]] Result<void> make_pool(bool exportable);
  [[nodiscard]] Result<Surface> import_picture(Frame& frame);
  [[nodiscard]] Result<Surface> import_on_cpu(Frame frame);
  [[nodiscard]] Result<Surface> redraw(Frame frame);
  /// The whole frame by one route. nullopt: the route or the GPU failed, the next way is to be tried.
  [[nodiscard]] std::optional<Result<Surface>> import_by(DeviceConverter& route, Frame& frame, const PicturePlan& plan,
                                                         const CursorPlacement& cursor);
  [[nodiscard]] Result<void> prepare_cursor(const CursorPlacement& cursor, const PicturePlan& plan,
                                            const VulkanBuffer& target);
  [[nodiscard]] Result<Surface> publish(CudaSurfacePool::Taken taken, const PicturePlan& plan,
                                        const CursorPlacement& cursor);
  [[nodiscard]] Result<Surface> upload_picture(const Surface& picture);
  [[nodiscard]] Result<Surface> repeat() const;
  /// The GPU makes no pictures any more: from now on the CPU does.
  void leave_gpu(const Error& error);
  /// CUDA is gone: the CPU's pictures go out as they are, and the encoder that cannot take them is replaced.
  void leave_cuda(const Error& error);
  /// After a failure: no route is left, or the memory they fill is not to be touched any more.
  void check_routes();
  void say_route(std::string_view name) { route_ = fmt::format("{}+cuda", name); }

  DeviceImporterOptions options_;
  DeviceSetup setup_;
  std::shared_ptr<CudaCounters> counters_;
  std::string route_;
  std::unique_ptr<Importer> host_;  ///< when the encoder takes host memory
  bool on_host_ = false;
  std::uint64_t narrowed_ = 0;     ///< how often offer() has become smaller because of on_host_
  bool cursor_unknown_ = false;    ///< host_ has not been told of the cursor
  std::unique_ptr<Importer> cpu_;  ///< makes the pictures that no route makes; null until there is one
  bool cpu_current_ = false;       ///< it has seen every picture so far
  Surface uploaded_from_;          ///< its surface that the newest one is a copy of
  SurfaceFormat target_;
  bool cuda_lost_ = false;  ///< the CPU's pictures go out as they are
  CursorPainter painter_;
  std::optional<CursorState> cursor_;
  std::unique_ptr<CudaSurfacePool> pool_;  ///< null until configured for CUDA
  Newest newest_;
  std::unique_ptr<CursorPass> cursor_pass_;  ///< null until a cursor is seen
  RouteList routes_;                         ///< dies first
};

std::string DeviceImporter::take_setback() {
  std::string own = Importer::take_setback();
  const std::string of_route = routes_.take_setback();
  const std::string of_host = host_->take_setback();
  if (!own.empty()) return own;
  return of_route.empty() ? of_host : of_route;
}

FormatOffer DeviceImporter::offer() const {
  FormatOffer offer = host_->offer();
  if (on_host_) return offer;
  // Not the host's dmabufs: once it makes surfaces for CUDA it is the CPU's importer that is behind the routes.
  return with_dmabufs(
      std::move(offer), [this](PixelFormat format) { return routes_.modifiers(format); }, options_.strict);
}

std::shared_ptr<const PictureDevice> DeviceImporter::device_for(const Frame& frame) const {
  const auto* dmabuf = std::get_if<std::shared_ptr<const Dmabuf>>(&frame.image);
  if (dmabuf == nullptr || !*dmabuf) return nullptr;
  const auto plan =
      make_picture_plan(frame.format(), frame.buffer_size(), frame.crop, frame.transform, frame.visible_size());
  return plan && routes_.takes(**dmabuf, *plan) ? setup_.cuda : nullptr;
}

Result<void> DeviceImporter::configure(const SurfaceFormat& target) {
  const bool was_on_host = std::exchange(on_host_, target.memory == MemoryKind::Host);
  if (on_host_) {
    if (!was_on_host && host_takes_less()) ++narrowed_;
    newest_ = {};
    uploaded_from_ = {};
    cursor_pass_.reset();
    cpu_.reset();
    pool_.reset();
    routes_.forget_targets();
    cursor_unknown_ = true;
    return host_->configure(target);
  }
  if (!yuv_layout(target.format).valid) {
    return fail(ErrorKind::Unsupported, "configure the CUDA importer", fmt::format("{} surfaces", name(target.format)));
  }
  const auto resolved = resolve_target(target, "configure the CUDA importer");
  if (!resolved) return std::unexpected(resolved.error());
  if (cuda_lost_) return fail(ErrorKind::Lost, "configure the CUDA importer", "CUDA is gone");
  if (pool_ && target_ == *resolved) return {};
  target_ = *resolved;
  painter_.configure(target_);
  cpu_.reset();
  return make_pool(!routes_.empty());
}

bool DeviceImporter::host_takes_less() const {
  const FormatOffer host = host_->offer();
  return std::ranges::any_of(pixel_formats(), [&](const PixelFormatInfo& format) {
    const auto known = std::ranges::find(host.formats, format.format, &FormatOffer::Entry::format);
    return std::ranges::any_of(routes_.modifiers(format.format), [&](std::uint64_t modifier) {
      return known == host.formats.end() || std::ranges::find(known->modifiers, modifier) == known->modifiers.end();
    });
  });
}

Result<void> DeviceImporter::make_pool(bool exportable) {
  newest_ = {};
  uploaded_from_ = {};
  cursor_pass_.reset();
  routes_.forget_targets();
  pool_.reset();
  auto pool = CudaSurfacePool::create(target_, options_.surface_limit, setup_.cuda,
                                      exportable ? setup_.vulkan : nullptr, counters_);
  if (!pool) return std::unexpected(std::move(pool.error()));
  pool_ = std::move(*pool);
  return {};
}

Result<Surface> DeviceImporter::import(Frame frame) {
  if (frame.cursor) cursor_ = frame.cursor;
  if (on_host_) {
    if (std::exchange(cursor_unknown_, false)) frame.cursor = cursor_;
    return host_->import(std::move(frame));
  }
  if (target_.size.empty()) return fail(ErrorKind::Invalid, "import frame", "the importer has not been configured");
  if (cuda_lost_) return import_on_cpu(std::move(frame));
  if (!frame.has_image()) return redraw(std::move(frame));
  auto surface = import_picture(frame);
  if (!surface) newest_.current = cpu_current_ = false;
  return surface;
}

Result<Surface> DeviceImporter::import_picture(Frame& frame) {
  const auto* held = std::get_if<std::shared_ptr<const Dmabuf>>(&frame.image);
  if (held != nullptr && !*held) return fail(ErrorKind::Invalid, "import frame", "its dmabuf is missing");
  if (held == nullptr && options_.strict) {
    return fail(ErrorKind::Unsupported, "import frame", "it is in shared memory, not a dmabuf");
  }
  const auto plan = make_picture_plan(frame.format(), frame.buffer_size(), frame.crop, frame.transform, target_.size);
  if (!plan) return std::unexpected(plan.error());
  routes_.next_picture();
  DeviceConverter* route = held == nullptr ? nullptr : routes_.find(**held, *plan);
  if (route != nullptr) {
    const auto cursor = painter_.place(cursor_, *plan);
    if (!cursor) return std::unexpected(cursor.error());
    const bool same = newest_.current && newest_.buffer != nullptr && newest_.plan == *plan && frame.damage.nothing();
    if (same && newest_.cursor == *cursor) return repeat();
    while (route != nullptr) {
      if (auto done = import_by(*route, frame, *plan, *cursor)) return std::move(*done);
      // A route that is left for good is not in the list any more; those before it rest, or do not take this.
      route = routes_.find(**held, *plan);
    }
  }
  if (!options_.strict) return import_on_cpu(std::move(frame));
  if (routes_.empty()) return fail(ErrorKind::Lost, "import frame", "no zero-copy route is left");
  return fail(ErrorKind::Unsupported, "import frame", "no zero-copy route takes this picture");
}

std::optional<Result<Surface>> DeviceImporter::import_by(DeviceConverter& route, Frame& frame, const PicturePlan& plan,
                                                         const CursorPlacement& cursor) {
  auto taken = pool_->take();
  if (!taken) {
    if (taken.error().kind == ErrorKind::Busy) return std::unexpected(std::move(taken.error()));
    leave_gpu(taken.error());
    return std::nullopt;
  }
  const CudaSurfacePool::Slot& slot = taken->slot();
  if (auto ready = prepare_cursor(cursor, plan, slot.buffer); !ready) {
    leave_gpu(ready.error());
    return std::nullopt;
  }
  const bool recorded = route.records_cursor();
  const DevicePicture picture{.dmabuf = std::get<std::shared_ptr<const Dmabuf>>(frame.image),
                              .plan = plan,
                              .colour = target_.colour,
                              .target = slot.target,
                              .layout = pool_->layout(),
                              .cursor = recorded ? cursor_pass_.get() : nullptr};
  const bool measuring = routes_.measuring();
  const RouteCost before = measuring ? RouteCost{monotonic_now(), this_thread_cpu_time()} : RouteCost{};
  if (auto done = route.convert(picture); !done) {
    const ErrorKind kind = done.error().kind;
    // A malformed frame, or one whose producer does not finish it, says nothing about the route.
    if (kind == ErrorKind::Invalid || kind == ErrorKind::Busy) return std::unexpected(std::move(done.error()));
    if (kind == ErrorKind::Timeout) pool_->retire(std::move(*taken));
    if (routes_.refused(route, *picture.dmabuf, done.error())) return std::nullopt;
    routes_.failed(route, done.error());
    check_routes();
    return std::nullopt;
  }
  frame.lease.reset();
  if (!recorded && cursor_pass_ != nullptr) {
    if (auto drawn = cursor_pass_->draw(setup_.vulkan->patience()); !drawn) {
      if (drawn.error().kind == ErrorKind::Timeout) pool_->retire(std::move(*taken));
      leave_gpu(drawn.error());
      return fail(ErrorKind::Busy, "import frame", "its cursor could not be drawn: " + drawn.error().message());
    }
  }
  RouteCost cost{};
  if (measuring) cost = {.time = monotonic_now() - before.time, .cpu = this_thread_cpu_time() - before.cpu};
  routes_.succeeded(route, cost);
  say_route(route.route());
  cpu_current_ = false;
  return publish(std::move(*taken), plan, cursor);
}

Result<void> DeviceImporter::prepare_cursor(const CursorPlacement& cursor, const PicturePlan& plan,
                                            const VulkanBuffer& target) {
  if (cursor.shape == 0) {
    if (cursor_pass_ != nullptr) cursor_pass_->prepare_none();
    return {};
  }
  if (cursor_pass_ == nullptr) {
    auto made = CursorPass::create(setup_.vulkan, pool_->layout(), target_.colour);
    if (!made) return std::unexpected(std::move(made.error()));
    cursor_pass_ = std::move(*made);
  }
  return cursor_pass_->prepare(painter_, cursor, plan, target);
}

Result<Surface> DeviceImporter::publish(CudaSurfacePool::Taken taken, const PicturePlan& plan,
                                        const CursorPlacement& cursor) {
  const VulkanBuffer* buffer = &taken.slot().buffer;
  auto surface = pool_->publish(std::move(taken));
  if (!surface) return surface;
  if (cursor_pass_ != nullptr) cursor_pass_->commit();
  newest_ = {.surface = surface->share(), .buffer = buffer, .plan = plan, .cursor = cursor, .current = true};
  if (!newest_.surface) newest_ = {};  // out of memory: start afresh
  uploaded_from_ = {};
  return surface;
}

Result<Surface> DeviceImporter::repeat() const {
  Surface surface = newest_.surface.share();
  if (!surface) return fail_errno(ENOMEM, "hand out a surface");
  return surface;
}

Result<Surface> DeviceImporter::redraw(Frame frame) {
  if (!newest_.surface) return fail(ErrorKind::NotFound, "import frame", "no picture has come yet");
  if (newest_.buffer == nullptr) return import_on_cpu(std::move(frame));
  const auto cursor = painter_.place(cursor_, newest_.plan);
  if (!cursor) return std::unexpected(cursor.error());
  if (*cursor == newest_.cursor) return repeat();
  auto taken = pool_->take();
  if (!taken) return std::unexpected(std::move(taken.error()));
  const VulkanBuffer& target = taken->slot().buffer;
  Result<void> drawn = prepare_cursor(*cursor, newest_.plan, target);
  // A cursor to be taken away was drawn by the pass.
  if (drawn) drawn = cursor_pass_->redraw(*newest_.buffer, target, setup_.vulkan->patience());
  if (drawn) {
    const bool current = newest_.current;
    auto surface = publish(std::move(*taken), newest_.plan, *cursor);
    newest_.current = newest_.current && current;
    return surface;
  }
  // Without its source the picture cannot be made anew: it stays as it was until the next one comes.
  auto last = repeat();
  if (drawn.error().kind == ErrorKind::Timeout) pool_->retire(std::move(*taken));
  leave_gpu(drawn.error());
  return last;
}

Result<Surface> DeviceImporter::import_on_cpu(Frame frame) {
  if (!cpu_) {
    cpu_ = make_cpu_importer(kUploadSurfaces);
    SurfaceFormat format = target_;
    format.memory = MemoryKind::Host;
    if (auto configured = cpu_->configure(format); !configured) return std::unexpected(std::move(configured.error()));
    cpu_current_ = false;
  }
  if (!cpu_current_) {
    frame.damage = Damage::all();
    uploaded_from_ = {};
  }
  if (!frame.cursor) frame.cursor = cursor_;
  cpu_current_ = true;
  auto picture = cpu_->import(std::move(frame));
  if (!picture || cuda_lost_) return picture;
  auto surface = upload_picture(*picture);
  if (surface || surface.error().kind != ErrorKind::Lost || options_.strict) return surface;
  leave_cuda(surface.error());
  return picture;
}

Result<Surface> DeviceImporter::upload_picture(const Surface& picture) {
  // The CPU's importer gives the same surface again when nothing has changed; holding it keeps its memory as it is.
  const bool same = uploaded_from_ && newest_.buffer == nullptr && newest_.surface &&
                    uploaded_from_.av_frame()->data[0] == picture.av_frame()->data[0];
  if (same) return repeat();
  if (!pool_) return fail(ErrorKind::Lost, "import frame", "there is no CUDA memory any more");
  auto taken = pool_->take();
  if (!taken) return std::unexpected(std::move(taken.error()));
  if (auto copied = upload(*setup_.cuda, picture, pool_->layout(), taken->slot()); !copied) {
    return std::unexpected(std::move(copied.error()));
  }
  counters_->uploads.fetch_add(1, std::memory_order_relaxed);
  auto surface = pool_->publish(std::move(*taken));
  if (!surface) return surface;
  newest_ = {.surface = surface->share(), .buffer = nullptr, .plan = {}, .cursor = {}, .current = true};
  uploaded_from_ = picture.share();
  say_route("cpu");
  return surface;
}

void DeviceImporter::leave_gpu(const Error& error) {
  logger("zerocopy")
      .warn("no picture is made on the GPU any more{}: {}",
            options_.strict ? "" : ", the CPU goes on and copies each there", error.message());
  set_back(error);
  routes_.clear();
  check_routes();
}

void DeviceImporter::leave_cuda(const Error& error) {
  logger("zerocopy").warn("CUDA is gone, pictures stay in host memory: {}", error.message());
  set_back(error);
  cuda_lost_ = true;
  routes_.clear();
  newest_ = {};
  uploaded_from_ = {};
  cursor_pass_.reset();
  pool_.reset();
  route_ = "cpu";
}

void DeviceImporter::check_routes() {
  if (!routes_.empty() && !setup_.vulkan->abandoned()) return;
  routes_.clear();
  // Memory of CUDA's own from now on: nothing depends on Vulkan any more. On failure take() says so each time.
  if (auto made = make_pool(false); !made) logger("zerocopy").warn("{}", made.error().message());
}

}  // namespace

std::unique_ptr<Importer> make_device_importer(const DeviceImporterOptions& options, const DeviceSetup& setup,
                                               std::vector<std::unique_ptr<DeviceConverter>> routes,
                                               std::unique_ptr<Importer> host, std::shared_ptr<CudaCounters> counters) {
  return std::make_unique<DeviceImporter>(options, setup, std::move(routes), std::move(host), std::move(counters));
}

}  // namespace zc
