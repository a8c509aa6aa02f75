#include "zerocopy/gl/gl_pass.h"

#include "zerocopy/cpu/yuv_view.h"
#include "zerocopy/gl/gl_program.h"
#include "zerocopy_shaders/rgb_to_yuv_gles.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace zc {
namespace {

constexpr const char* kWhat = "convert on the GPU";
/// More variants than any stream goes through; a hostile one that changes its format for ever does not grow memory.
constexpr std::size_t kMaxPrograms = 32;
/// The last binding of shaders/layers.glsl.
constexpr int kBeneath = 12;

GLuint groups(std::uint32_t edge, std::uint32_t block, std::int32_t workgroup) {
  const std::uint32_t step = block * static_cast<std::uint32_t>(workgroup);
  return (edge + step - 1) / step;
}

/// What cmake/EmbedGles.cmake leaves to the program.
std::string shader_text(GLenum source, const PassVariant& variant, std::array<std::int32_t, 2> workgroup) {
  const auto constants = pass_constants(variant, workgroup);
  const bool external = source == GL_TEXTURE_EXTERNAL_OES;
  const std::string_view sampler = external ? "samplerExternalOES" : "sampler2D";
  return fmt::format(
      "#version 310 es\n"
      "{}"
      "#define SOURCE_IMAGE\n"
      "{}{}{}"
      "#define SOURCE_SAMPLER {}\n"
      "precision highp float;\n"
      "precision highp int;\n"
      "precision highp sampler2D;\n"
      "precision highp {};\n"
      "layout(local_size_x = {}, local_size_y = {}) in;\n"
      "const int kConstants[{}] = int[{}]({});\n"
      "{}",
      external ? "#extension GL_OES_EGL_image_external_essl3 : require\n" : "",
      variant.scaled ? "#define SCALED\n" : "", variant.layers ? "#define LAYERS\n" : "",
      variant.compose ? "#define COMPOSE\n" : "", sampler, sampler, workgroup[0], workgroup[1], constants.size(),
      constants.size(), fmt::join(constants, ", "), kRgbToYuvGles);
}

}  // namespace

Result<void> GlPass::check(const PicturePlan& plan, const SurfaceLayout& layout, bool main) const {
  if (main && !pass_takes(plan)) {
    return fail(ErrorKind::Unsupported, kWhat, fmt::format("{} pictures shrunk so far", name(plan.format)));
  }
  if (!yuv_layout(layout.format).valid) {
    return fail(ErrorKind::Unsupported, kWhat, fmt::format("{} surfaces", name(layout.format)));
  }
  // An invocation stores eight samples of a plane at once, four where chroma is planar and subsampled.
  for (unsigned i = 0; i < info(layout.format).planes; ++i) {
    if (layout.planes.at(i).stride_bytes % 64 != 0 || layout.planes.at(i).offset_bytes % 64 != 0) {
      return fail(ErrorKind::Invalid, kWhat, "planes of the surface are not on multiples of 64 bytes");
    }
  }
  if (layout.bytes > device_->max_storage_bytes()) {
    return fail(ErrorKind::Unsupported, kWhat,
                fmt::format("buffers over {} bytes, which is this device's limit", device_->max_storage_bytes()));
  }
  return {};
}

Result<GLuint> GlPass::program(GLenum source, const PassVariant& variant) {
  Last& last = last_.at(variant.compose ? 1 : 0);
  if (last.program != 0 && source == last.source && variant == last.variant) return last.program;
  last = {.source = source, .variant = variant};
  const auto& workgroup = variant.compose ? kComposeWorkgroup : options_.workgroup;
  // By the constants: formats that differ in their alpha alone share a program.
  const auto constants = pass_constants(variant, workgroup);
  const auto known = std::ranges::find_if(programs_, [&](const Program& p) {
    return p.source == source && p.scaled == variant.scaled && p.layers == variant.layers &&
           p.compose == variant.compose && p.constants == constants;
  });
  if (known != programs_.end()) return last.program = known->handle.get();
  const std::array shaders{GlShaderSource{GL_COMPUTE_SHADER, shader_text(source, variant, workgroup)}};
  auto made = make_gl_program(device_, shaders);
  if (!made) return std::unexpected(std::move(made.error()));
  programs_.push_back({source, variant.scaled, variant.layers, variant.compose, constants, std::move(*made)});
  return last.program = programs_.back().handle.get();
}

void GlPass::set_geometry(const PassGeometry& geometry) {
  const GlFunctions& gl = device_->gl();
  const bool first = !uniforms_;
  if (first) uniforms_ = GlObject::buffer(device_);
  gl.BindBufferBase(GL_UNIFORM_BUFFER, 0, uniforms_.get());
  if (first) {
    gl.BufferData(GL_UNIFORM_BUFFER, sizeof geometry, &geometry, GL_DYNAMIC_DRAW);
  } else if (geometry != geometry_) {
    gl.BufferSubData(GL_UNIFORM_BUFFER, 0, sizeof geometry, &geometry);
  }
  geometry_ = geometry;
}

Result<void> GlPass::check_layers(const GlDevice& device) {
  // Target and what is beneath count once for each width they are written in.
  constexpr int kBuffers = LayerTable::kSlots + 6;
  constexpr int kTextures = LayerTable::kSlots + 1;
  if (device.max_storage_blocks() >= kBuffers && device.max_textures() >= kTextures) return {};
  return fail(ErrorKind::Unsupported, "draw layers with OpenGL ES",
              fmt::format("a compute shader uses {} buffers and {} textures at the most, layers take {} and {}",
                          device.max_storage_blocks(), device.max_textures(), kBuffers, kTextures));
}

LayerTable GlPass::bind_layers(const Layers& layers, GLuint target, Size surface) {
  const GlFunctions& gl = device_->gl();
  LayerTable table;
  const std::span<const Layer> drawn = layers.drawn;
  for (std::size_t i = 0; i < drawn.size(); ++i) table.layers.at(i) = drawn[i].geometry;
  set_areas(table, drawn.size(), layers.beneath != 0, surface);
  const bool first = !table_;
  if (first) table_ = GlObject::buffer(device_);
  gl.BindBufferBase(GL_UNIFORM_BUFFER, 2, table_.get());
  if (first) {
    gl.BufferData(GL_UNIFORM_BUFFER, sizeof table, &table, GL_DYNAMIC_DRAW);
  } else {
    gl.BufferSubData(GL_UNIFORM_BUFFER, 0, sizeof table, &table);
  }
  // Every place has to hold something: shaders/layers.glsl has them from 3 and 4 on.
  for (std::size_t i = 0; i < LayerTable::kSlots; ++i) {
    const Layer layer = i < drawn.size() ? drawn[i] : Layer{};
    gl.BindBufferBase(GL_SHADER_STORAGE_BUFFER, static_cast<GLuint>(3 + i), layer.buffer != 0 ? layer.buffer : target);
    gl.ActiveTexture(static_cast<GLenum>(GL_TEXTURE0 + 4 + i));
    gl.BindTexture(GL_TEXTURE_2D, layer.texture);
  }
  gl.ActiveTexture(GL_TEXTURE0);
  gl.BindBufferBase(GL_SHADER_STORAGE_BUFFER, kBeneath, layers.beneath != 0 ? layers.beneath : target);
  return table;
}

Result<void> GlPass::run(const GlPicture& source, const PicturePlan& plan, GLuint target, const SurfaceLayout& layout,
                         const ColourDescription& colour, Nanoseconds timeout, const Layers& layers) {
  const bool main = source.texture != 0 || layers.drawn.empty();
  if (auto fine = check(plan, layout, main); !fine) return fine;
  if (layers.drawn.size() > LayerTable::kSlots) {
    return fail(ErrorKind::Invalid, kWhat, fmt::format("more than {} layers", kMostLayers));
  }
  if (auto settled = fence_.settle(timeout); !settled) return settled;
  PassVariant variant = pass_variant(plan, {}, {.format = layout.format, .size = layout.size, .colour = colour}, true);
  variant.layers = !layers.drawn.empty();
  variant.main = main;
  if (!main) {
    variant.source = PixelFormat::RGBx;
    variant.turned = variant.scaled = false;
  }
  if (programs_.size() + 2 > kMaxPrograms) {  // nothing is running here
    programs_.clear();
    last_ = {};
  }
  const auto beside = program(source.target, variant);
  if (!beside) return std::unexpected(beside.error());
  variant.compose = variant.layers;
  for (std::size_t i = 0; i < layers.drawn.size(); ++i) variant.traits.at(i) = layers.drawn[i].geometry.traits();
  const auto compose = variant.layers ? program(source.target, variant) : Result<GLuint>(0U);
  if (!compose) return std::unexpected(compose.error());
  const GlFunctions& gl = device_->gl();
  gl.ActiveTexture(GL_TEXTURE0);
  // Binding is also what makes another context's or process's changes visible (OpenGL ES 3.1, appendix D).
  gl.BindTexture(source.target, source.texture);
  set_geometry(pass_geometry(plan, {}, layout));
  gl.BindBufferBase(GL_SHADER_STORAGE_BUFFER, 1, target);
  // Each makes blocks of its own, so that neither waits for the other. What takes longer goes first.
  const LayerTable table = variant.layers ? bind_layers(layers, target, layout.size) : LayerTable{};
  if (table.count[3] != 0) {
    const auto [across, down] = compose_groups(table);
    gl.UseProgram(*compose);
    gl.DispatchCompute(across, down, 1);
  }
  gl.UseProgram(*beside);
  gl.DispatchCompute(groups(layout.size.width, kPassBlockWidth, options_.workgroup[0]),
                     groups(layout.size.height, kPassBlockHeight, options_.workgroup[1]), 1);
  gl.MemoryBarrier(GL_ALL_BARRIER_BITS);
  // Errors of these calls come with the wait's own: what was started is waited for in any case.
  return fence_.wait(timeout, options_.spin);
}

}  // namespace zc
