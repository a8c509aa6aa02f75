#include "bench/gl_side.h"

#include "zerocopy/gl/egl_converter.h"
#include "zerocopy/gl/gl_program.h"

namespace zc::bench {
namespace {

constexpr const char* kVertices = R"(#version 310 es
void main() {
  vec2 corner = vec2((gl_VertexID << 1) & 2, gl_VertexID & 2);
  gl_Position = vec4(corner * 2.0 - 1.0, 0.0, 1.0);
}
)";
constexpr const char* kSwap = R"(#version 310 es
precision highp float;
precision highp sampler2D;
layout(binding = 0) uniform sampler2D picture;
out vec4 colour;
void main() { colour = texelFetch(picture, ivec2(gl_FragCoord.xy), 0).bgra; }
)";

}  // namespace

Result<std::unique_ptr<GlSide>> GlSide::create(const VulkanDevice& gpu, Size size, std::span<const std::byte> bgrx) {
  auto device = open_gl_device(gpu);
  if (!device) return std::unexpected(std::move(device.error()));
  if (const std::string missing = (*device)->gpu().missing_for(GlUse::SharedMemory); !missing.empty()) {
    return fail(ErrorKind::Unsupported, "share memory with OpenGL ES", "the driver has no " + missing);
  }
  if (auto current = (*device)->make_current(); !current) return std::unexpected(std::move(current.error()));
  std::unique_ptr<GlSide> self(new GlSide(std::move(*device), size));
  // As an imported dmabuf's: red comes out as red.
  std::vector<std::byte> rgbx(bgrx.begin(), bgrx.end());
  for (std::size_t i = 0; i + 3 < rgbx.size(); i += 4) std::swap(rgbx[i], rgbx[i + 2]);
  auto picture = self->make_texture(rgbx.data());
  if (!picture) return std::unexpected(std::move(picture.error()));
  self->picture_ = std::move(*picture);
  return self;
}

Result<GlObject> GlSide::make_texture(const void* pixels) const {
  const GlFunctions& gl = device_->gl();
  GlObject texture = GlObject::texture(device_);
  const auto width = static_cast<GLsizei>(size_.width);
  const auto height = static_cast<GLsizei>(size_.height);
  gl.BindTexture(GL_TEXTURE_2D, texture.get());
  gl.TexStorage2D(GL_TEXTURE_2D, 1, GL_RGBA8, width, height);
  gl.TexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MIN_FILTER, GL_NEAREST);
  gl.TexParameteri(GL_TEXTURE_2D, GL_TEXTURE_MAG_FILTER, GL_NEAREST);
  if (pixels != nullptr) gl.TexSubImage2D(GL_TEXTURE_2D, 0, 0, 0, width, height, GL_RGBA, GL_UNSIGNED_BYTE, pixels);
  gl.BindTexture(GL_TEXTURE_2D, 0);
  if (auto made = check_gl(gl, "make a texture"); !made) return std::unexpected(std::move(made.error()));
  return texture;
}

Result<void> GlSide::convert(GlPass& pass, const PicturePlan& plan, const VulkanBuffer& target,
                             const SurfaceLayout& layout, Nanoseconds timeout) {
  if (auto current = device_->make_current(); !current) return current;
  const auto buffer = targets_.find_or_import(target);
  if (!buffer) return std::unexpected(buffer.error());
  return pass.run({picture_.get(), GL_TEXTURE_2D}, plan, *buffer, layout, kBt709Limited, timeout);
}

Result<std::unique_ptr<GlBlit>> GlBlit::create(const GlSide& side, const cuda::Driver& driver, CUstream stream) {
  std::unique_ptr<GlBlit> self(new GlBlit(side, driver, stream));
  const GlFunctions& gl = side.device_->gl();
  auto texture = side.make_texture(nullptr);
  if (!texture) return std::unexpected(std::move(texture.error()));
  self->texture_ = std::move(*texture);
  self->framebuffer_ = GlObject::framebuffer(side.device_);
  self->vertices_ = GlObject::vertex_array(side.device_);
  gl.BindFramebuffer(GL_FRAMEBUFFER, self->framebuffer_.get());
  gl.FramebufferTexture2D(GL_FRAMEBUFFER, GL_COLOR_ATTACHMENT0, GL_TEXTURE_2D, self->texture_.get(), 0);
  if (gl.CheckFramebufferStatus(GL_FRAMEBUFFER) != GL_FRAMEBUFFER_COMPLETE) {
    return fail(ErrorKind::Unsupported, "paint into a texture", "the framebuffer is not complete");
  }
  const std::array shaders{GlShaderSource{GL_VERTEX_SHADER, kVertices}, GlShaderSource{GL_FRAGMENT_SHADER, kSwap}};
  auto program = make_gl_program(side.device_, shaders);
  if (!program) return std::unexpected(std::move(program.error()));
  self->program_ = std::move(*program);
  constexpr unsigned kReadOnly = 1;  // CU_GRAPHICS_REGISTER_FLAGS_READ_ONLY
  auto registered = self->check(
      driver.api().cuGraphicsGLRegisterImage(&self->resource_, self->texture_.get(), GL_TEXTURE_2D, kReadOnly),
      "register a texture with CUDA");
  if (!registered) return std::unexpected(std::move(registered.error()));
  return self;
}

GlBlit::~GlBlit() {
  if (resource_ != nullptr) driver_.api().cuGraphicsUnregisterResource(resource_);
}

Result<void> GlBlit::frame(CUdeviceptr to, std::size_t pitch) {
  const GlFunctions& gl = side_.device_->gl();
  gl.BindFramebuffer(GL_FRAMEBUFFER, framebuffer_.get());
  gl.Viewport(0, 0, static_cast<GLsizei>(side_.size_.width), static_cast<GLsizei>(side_.size_.height));
  gl.UseProgram(program_.get());
  gl.BindVertexArray(vertices_.get());
  gl.ActiveTexture(GL_TEXTURE0);
  gl.BindTexture(GL_TEXTURE_2D, side_.picture_.get());
  gl.DrawArrays(GL_TRIANGLES, 0, 3);
  if (auto drawn = check_gl(gl, "paint into a texture"); !drawn) return drawn;
  const CudaFunctions& cu = driver_.api();
  if (auto ok = check(cu.cuGraphicsMapResources(1, &resource_, stream_), "map a texture"); !ok) return ok;
  CUDA_MEMCPY2D copy{};
  auto done = check(cu.cuGraphicsSubResourceGetMappedArray(&copy.srcArray, resource_, 0, 0), "map a texture");
  if (done) {
    copy.srcMemoryType = CU_MEMORYTYPE_ARRAY;
    copy.dstMemoryType = CU_MEMORYTYPE_DEVICE;
    copy.dstDevice = to;
    copy.dstPitch = pitch;
    copy.WidthInBytes = std::size_t{side_.size_.width} * 4;
    copy.Height = side_.size_.height;
    done = check(cu.cuMemcpy2DAsync(&copy, stream_), "copy a texture");
  }
  if (auto ok = check(cu.cuGraphicsUnmapResources(1, &resource_, stream_), "unmap a texture"); !ok) return ok;
  if (!done) return done;
  return check(cu.cuStreamSynchronize(stream_), "wait");
}

}  // namespace zc::bench
