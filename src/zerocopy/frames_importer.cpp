#include "zerocopy/frames_importer.h"

#include "base/log.h"
#include "zerocopy/cpu/yuv_coefficients.h"
#include "zerocopy/cpu_importer.h"
#include "zerocopy/dmabuf_offer.h"

#include <fmt/format.h>

#include <cerrno>
#include <utility>

namespace zc {

FramesImporter::FramesImporter(const Names& names, std::size_t surface_limit, bool strict)
    : names_(names),
      surface_limit_(surface_limit),
      strict_(strict),
      plain_offer_(make_cpu_importer()->offer()),
      made_by_(names.route),
      host_(strict) {}

std::string FramesImporter::take_setback() {
  const std::string own = Importer::take_setback();
  const std::string of_host = host_.take_setback();
  return own.empty() ? of_host : own;
}

FormatOffer FramesImporter::offer() const {
  if (on_host_ || gpu_left_) return host_.offer().value_or(plain_offer_);
  return with_dmabufs(plain_offer_, [this](PixelFormat format) { return modifiers(format); }, strict_);
}

std::shared_ptr<const PictureDevice> FramesImporter::device_for(const Frame& frame) const {
  const auto* dmabuf = std::get_if<std::shared_ptr<const Dmabuf>>(&frame.image);
  if (dmabuf == nullptr || !*dmabuf) return nullptr;
  const auto plan =
      make_picture_plan(frame.format(), frame.buffer_size(), frame.crop, frame.transform, frame.visible_size());
  return plan && reads(**dmabuf) && takes(*plan) ? device() : nullptr;
}

void FramesImporter::forget() {
  newest_ = {};
  host_.forget();
  configured_ = false;
  drop_surfaces();
}

Result<void> FramesImporter::configure(const SurfaceFormat& target) {
  const bool was_on_host = std::exchange(on_host_, target.memory == MemoryKind::Host);
  if (on_host_) {
    forget();
    if (!was_on_host) {
      drop_sources();
      host_.make_all();
      // It may read fewer layouts than the GPU did.
      if (!gpu_left_) ++narrowed_;
    }
    return host_.configure(target);
  }
  const std::string operation(names_.configure);
  if (target.format != PixelFormat::NV12 && target.format != PixelFormat::P010) {
    return fail(ErrorKind::Unsupported, operation, fmt::format("{} surfaces", name(target.format)));
  }
  const auto resolved = resolve_target(target, operation);
  if (!resolved) return std::unexpected(resolved.error());
  if (device_left_) return fail(ErrorKind::Lost, operation, fmt::format("{} is gone", names_.device));
  if (configured_ && target_ == *resolved) return {};
  forget();
  target_ = *resolved;
  painter_.configure(target_);
  if (auto made = make_surfaces(); !made) {
    drop_surfaces();
    return made;
  }
  configured_ = true;
  return {};
}

Result<Surface> FramesImporter::import(Frame frame) {
  if (frame.cursor) cursor_ = frame.cursor;
  if (on_host_) return host_.import(std::move(frame), cursor_);
  if (device_left_) return import_on_host(std::move(frame));
  if (!configured_) return fail(ErrorKind::Invalid, "import frame", "the importer has not been configured");
  if (!frame.has_image()) return redraw(std::move(frame));
  auto surface = import_picture(frame);
  if (!surface) {
    newest_.current = false;
    host_.missed();
  }
  return surface;
}

Result<Surface> FramesImporter::import_picture(Frame& frame) {
  const auto* held = std::get_if<std::shared_ptr<const Dmabuf>>(&frame.image);
  if (held != nullptr && !*held) return fail(ErrorKind::Invalid, "import frame", "its dmabuf is missing");
  if (held == nullptr && strict_) {
    return fail(ErrorKind::Unsupported, "import frame", "it is in shared memory, not a dmabuf");
  }
  const auto plan = make_picture_plan(frame.format(), frame.buffer_size(), frame.crop, frame.transform, target_.size);
  if (!plan) return std::unexpected(plan.error());
  if (held != nullptr && reads(**held) && takes(*plan)) {
    const auto cursor = painter_.place(cursor_, *plan);
    if (!cursor) return std::unexpected(cursor.error());
    const bool same = newest_.current && newest_.by_gpu && newest_.plan == *plan && frame.damage.nothing();
    if (same && newest_.cursor == *cursor) return repeat();
    if (cursor->shape == 0 || draws_cursors()) {
      if (auto done = make(frame, *plan, *cursor)) return std::move(*done);
    }
  }
  if (!strict_) return import_on_host(std::move(frame));
  if (gpu_left_) return fail(ErrorKind::Lost, "import frame", fmt::format("{} makes no pictures any more", names_.api));
  return fail(ErrorKind::Unsupported, "import frame", fmt::format("{} does not take this picture", names_.api));
}

Result<Surface> FramesImporter::publish(Surface surface, const PicturePlan& plan, const CursorPlacement& cursor) {
  host_.missed();
  made_by_ = names_.route;
  newest_ = {.surface = surface.share(), .by_gpu = true, .plan = plan, .cursor = cursor, .current = true};
  if (!newest_.surface) newest_ = {};  // out of memory: start afresh
  return surface;
}

Result<Surface> FramesImporter::publish_again(Surface surface, const CursorPlacement& cursor) {
  const bool current = newest_.current;
  const PicturePlan plan = newest_.plan;
  auto published = publish(std::move(surface), plan, cursor);
  newest_.current = newest_.current && current;
  return published;
}

Result<Surface> FramesImporter::repeat() const {
  Surface surface = newest_.surface.share();
  if (!surface) return fail_errno(ENOMEM, "hand out a surface");
  return surface;
}

Result<Surface> FramesImporter::redraw(Frame frame) {
  if (!newest_.surface) return fail(ErrorKind::NotFound, "import frame", "no picture has come yet");
  if (!newest_.by_gpu) return import_on_host(std::move(frame));
  const auto cursor = painter_.place(cursor_, newest_.plan);
  if (!cursor) return std::unexpected(cursor.error());
  if (*cursor == newest_.cursor || gpu_left_ || !draws_cursors()) return repeat();
  return make_again(*cursor);
}

Result<Surface> FramesImporter::import_on_host(Frame frame) {
  const auto* held = std::get_if<std::shared_ptr<const Dmabuf>>(&frame.image);
  const bool tiled = held != nullptr && *held && (*held)->modifier != kModifierLinear && reads(**held);
  auto picture = host_.import_as(target_, std::move(frame), cursor_);
  if (!picture && tiled && picture.error().kind == ErrorKind::Unsupported) {
    // Only the GPU reads its layout, and does not take the picture: LINEAR ones, everybody reads.
    keep_linear();
    ++narrowed_;
  }
  if (!picture || device_left_) return picture;
  auto surface = upload(*picture);
  if (surface || surface.error().kind != ErrorKind::Lost || strict_) return surface;
  leave_device(surface.error());
  return picture;
}

Result<Surface> FramesImporter::upload(const Surface& picture) {
  if (!newest_.by_gpu && newest_.surface && host_.uploaded(picture)) return repeat();
  auto taken = take();
  if (!taken) return taken;
  if (auto done = host_.upload(picture, *taken, std::string(names_.upload)); !done) {
    return std::unexpected(std::move(done.error()));
  }
  newest_ = {.surface = taken->share(), .by_gpu = false, .plan = {}, .cursor = {}, .current = true};
  made_by_ = host_.route() == "vulkan" ? names_.from_vulkan : names_.from_cpu;
  return taken;
}

void FramesImporter::refused(const Dmabuf& dmabuf, const Error& error) {
  logger("zerocopy")
      .warn("{} does not take {} with modifier {:#x}: {}", names_.api, name(dmabuf.format), dmabuf.modifier,
            error.detail);
  set_back(error);
  ++narrowed_;
}

void FramesImporter::leave_gpu(const Error& error) {
  logger("zerocopy")
      .warn("{} makes no picture any more{}: {}", names_.api,
            strict_ ? "" : ", they are made in host memory and uploaded", error.message());
  set_back(error);
  gpu_left_ = true;
  ++narrowed_;
  host_.make_all();
}

void FramesImporter::leave_device(const Error& error) {
  logger("zerocopy").warn("{} is gone, pictures stay in host memory: {}", names_.device, error.message());
  set_back(error);
  device_left_ = true;
  if (!std::exchange(gpu_left_, true)) {
    ++narrowed_;
    host_.make_all();
  }
  newest_ = {};
  host_.missed();
  leave_surfaces();
  made_by_ = "cpu";
}

}  // namespace zc
