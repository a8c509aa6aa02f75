// OpenGL ES beside CUDA: what the driver takes of the other's memory.
#include "gpu/check.h"
#include "gpu/cuda/context.h"
#include "zerocopy/device/cuda_memory.h"
#include "zerocopy/gl/egl_route.h"
#include "zerocopy/gl/gl_pass.h"
#include "zerocopy/gl/registered_buffer.h"

#include <ffnvcodec/dynlink_loader.h>
#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace zc::gpu_check {
namespace {

constexpr Size kSize{1920, 1080};
constexpr std::size_t kAlignment = 512;
constexpr PixelFormat kSource = PixelFormat::BGRx;
constexpr int kFrames = 200;

/// A texture in the driver's own tiling; red comes out as red, as of an imported dmabuf.
Result<GlObject> make_texture(const std::shared_ptr<GlDevice>& device, std::vector<std::byte> bgrx) {
  for (std::size_t i = 0; i + 3 < bgrx.size(); i += 4) std::swap(bgrx[i], bgrx[i + 2]);
  const GlFunctions& gl = device->gl();
  GlObject texture = GlObject::texture(device);
  gl.BindTexture(GL_TEXTURE_2D, texture.get());
  gl.TexStorage2D(GL_TEXTURE_2D, 1, GL_RGBA8, kSize.width, kSize.height);
  gl.TexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
  gl.TexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
  gl.TexSubImage2D(GL_TEXTURE_2D, 0, 0, 0, kSize.width, kSize.height, GL_RGBA, GL_UNSIGNED_BYTE, bgrx.data());
  gl.BindTexture(GL_TEXTURE_2D, 0);
  if (auto made = check_gl(gl, "make a texture"); !made) return std::unexpected(std::move(made.error()));
  return texture;
}

/// What the egl-copy route does after its import: the pass into a buffer that is registered with CUDA, and the copy.
Outcome egl_copy(const Setup& setup) {
  const auto context = cuda::open_context(setup.device->gpu().uuid);
  if (!context) return skipped(context.error().message());
  const auto current = cuda::CurrentContext::push(**context);
  if (!current) return failed(current.error().message());
  auto device = open_gl_device(*setup.device);
  if (!device) return skipped(device.error().message());
  if (auto here = (*device)->make_current(); !here) return failed(here.error().message());

  const std::vector<std::byte> pixels = noise(kSize, 41);
  const SurfaceLayout layout = surface_layout(PixelFormat::NV12, kSize, kAlignment);
  const auto wanted = converted(pixels, kSource, layout);
  if (!wanted) return failed(wanted.error().message());
  const auto plan = make_picture_plan(kSource, kSize, {}, Transform::Normal, kSize);
  if (!plan) return failed(plan.error().message());
  const auto texture = make_texture(*device, pixels);
  if (!texture) return failed(texture.error().message());
  const auto buffer = RegisteredBuffer::create(*device, *context, layout.bytes);
  if (!buffer) return outcome_of(buffer.error());
  const auto target = CudaMemory::allocate(*context, layout.bytes);
  if (!target) return outcome_of(target.error());

  GlPass pass(*device);
  std::vector<double> us;
  for (int i = 0; i < kFrames; ++i) {
    const Nanoseconds started = monotonic_now();
    auto done =
        pass.run({texture->get(), GL_TEXTURE_2D}, *plan, (*buffer)->name(), layout, kBt709Limited, kFrameTimeout);
    if (done) done = (*buffer)->copy_to(target->address(), layout.bytes);
    if (!done) return outcome_of(done.error());
    us.push_back(static_cast<double>((monotonic_now() - started).count()) / 1e3);
  }
  std::vector<std::byte> seen(layout.bytes);
  const cuda::Driver& driver = (*context)->driver();
  if (auto read = driver.check(driver.api().cuMemcpyDtoH(seen.data(), target->address(), seen.size()), "read"); !read) {
    return failed(read.error().message());
  }
  if (const std::size_t wrong = different(seen.data(), wanted->data(), layout); wrong != 0) {
    return failed(fmt::format("CUDA reads {} wrong samples", wrong));
  }
  std::ranges::sort(us);
  Outcome outcome;
  outcome.figures = {{"renderer", (*device)->gpu().renderer},
                     {"wrong_samples", 0},
                     {"frames", kFrames},
                     {"median_us", us.at(us.size() / 2)}};
  return outcome;
}

constexpr std::array kChecks{
    CheckRow{"egl-copy", "OpenGL ES's pass into a buffer that CUDA has registered, and CUDA's copy of it", egl_copy},
};

}  // namespace

std::span<const CheckRow> gl_checks() { return kChecks; }

}  // namespace zc::gpu_check
