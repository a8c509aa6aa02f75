#include "zerocopy/gpu_surfaces.h"

#include "zerocopy/vulkan/vulkan_device.h"

#include <cerrno>
#include <utility>

extern "C" {
#include <libavutil/frame.h>
}

namespace zc {

Result<std::unique_ptr<GpuSurfaces>> GpuSurfaces::create(std::shared_ptr<VulkanDevice> device,
                                                         std::unique_ptr<Target> target, const SurfaceFormat& format,
                                                         const CursorPainter& painter) {
  auto cursor = CursorPass::create(device, target->layout(), format.colour);
  if (!cursor) return std::unexpected(std::move(cursor.error()));
  return std::unique_ptr<GpuSurfaces>(
      new GpuSurfaces(std::move(device), std::move(target), format, painter, std::move(*cursor)));
}

Result<void> GpuSurfaces::begin() {
  auto buffer = target_->take();
  if (!buffer) return std::unexpected(std::move(buffer.error()));
  begun_ = *buffer;
  return {};
}

Result<void> GpuSurfaces::prepare_cursor(const CursorPlacement& cursor, const PicturePlan& plan) {
  if (cursor.shape != 0) return cursor_pass_->prepare(painter_, cursor, plan, *begun_);
  cursor_pass_->prepare_none();
  return {};
}

Result<void> GpuSurfaces::convert(Converter& converter, const MainPicture& main, std::span<const ConverterLayer> layers,
                                  Drawn& drawn) {
  if (auto prepared = prepare_cursor(drawn.cursor, drawn.plan); !prepared) return prepared;
  const bool rgb = main.rgb_dmabuf();
  drawn.layered = layers.size() > (rgb ? 0U : 1U);
  // The producer's buffer goes back at once: what it shows is kept as the surface has it.
  const bool keep = rgb && drawn.layered;
  if (keep) {
    if (auto made = make_beneath(); !made) return made;
  }
  const bool whole = converter.one_submission();
  const std::shared_ptr<const Dmabuf> none;
  auto done = converter.convert({.dmabuf = rgb ? main.dmabuf : none,
                                 .plan = main.plan,
                                 .colour = format_.colour,
                                 .target = *begun_,
                                 .layout = target_->layout(),
                                 .cursor = whole && drawn.cursor.shape != 0 ? cursor_pass_.get() : nullptr,
                                 .tail = whole ? target_->tail() : nullptr,
                                 .layers = layers,
                                 .beneath = keep ? &beneath_.buffer : nullptr});
  if (!done) return done;
  drawn.main.reset();
  // One in a dmabuf that is not RGB, a camera's, does not stand still: its next picture brings the layers as they are.
  if (keep) {
    drawn.main = beneath_as_main();
  } else if (drawn.layered && !main.dmabuf) {
    drawn.main = main;
  }
  return done;
}

Result<void> GpuSurfaces::finish(const Converter& converter, const Drawn& drawn) {
  if (converter.one_submission()) return {};
  if (drawn.cursor.shape != 0) {
    if (auto done = cursor_pass_->draw(device_->patience()); !done) return done;
  }
  return target_->run_tail(device_->patience());
}

Result<void> GpuSurfaces::move_cursor(const CursorPlacement& cursor) {
  if (auto prepared = prepare_cursor(cursor, newest_.drawn.plan); !prepared) return prepared;
  if (auto done = cursor_pass_->redraw(*newest_.buffer, *begun_, device_->patience()); !done) return done;
  return target_->run_tail(device_->patience());
}

Result<Surface> GpuSurfaces::publish(const Drawn& drawn) {
  auto surface = target_->publish();
  if (!surface) return surface;
  cursor_pass_->commit();
  newest_ = {.surface = surface->share(), .buffer = begun_, .drawn = drawn};
  if (!newest_.surface) newest_ = {};  // out of memory: start afresh
  return surface;
}

Result<Surface> GpuSurfaces::repeat() const {
  Surface surface = newest_.surface.share();
  if (!surface) return fail_errno(ENOMEM, "hand out a surface");
  return surface;
}

Result<Surface> GpuSurfaces::upload(const Surface& picture) {
  // Holding what it was copied from keeps that memory as it is.
  const Surface& from = newest_.copied_from;
  if (from && newest_.surface && from.av_frame()->data[0] == picture.av_frame()->data[0]) return repeat();
  auto surface = target_->upload(picture);
  if (!surface) return surface;
  newest_ = {.surface = surface->share(), .copied_from = picture.share(), .drawn = {.current = true}};
  return surface;
}

Result<void> GpuSurfaces::make_beneath() {
  if (beneath_.buffer) return {};
  auto buffer = VulkanBuffer::create_shared(device_, target_->layout().bytes);
  if (!buffer) return std::unexpected(std::move(buffer.error()));
  beneath_.buffer = std::move(*buffer);
  beneath_.layout = target_->layout();
  return {};
}

Result<void> GpuSurfaces::keep_main() {
  if (auto made = make_beneath(); !made) return made;
  cursor_pass_->prepare_none();
  if (auto copied = cursor_pass_->redraw(*newest_.buffer, beneath_.buffer, device_->patience()); !copied) return copied;
  newest_.drawn.main = beneath_as_main();
  return {};
}

MainPicture GpuSurfaces::beneath_as_main() const {
  const Size size = format_.size;
  MainPicture main{.picture = {}, .plan = {}, .dmabuf = nullptr, .copy = &beneath_};
  main.picture.format = format_.format;
  main.picture.buffer = size;
  main.picture.colour = format_.colour;
  main.plan.format = format_.format;
  main.plan.buffer = main.plan.shown = main.plan.surface = main.plan.content = size;
  main.plan.crop = main.plan.box = {0, 0, size.width, size.height};
  return main;
}

}  // namespace zc
