#pragma once

#include "base/clock.h"
#include "base/error.h"
#include "zerocopy/gl/dmabuf_textures.h"
#include "zerocopy/gl/gl_fence.h"
#include "zerocopy/vulkan/layer_geometry.h"
#include "zerocopy/vulkan/pass_geometry.h"

#include <array>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace zc {

/// A picture above the main one, in the memory that its geometry was made for.
struct GlLayer {
  LayerGeometry geometry{};
  GLuint texture = 0;  ///< GL_TEXTURE_2D
  GLuint buffer = 0;   ///< where there is no texture
};

/// As PassLayers.
struct GlLayers {
  std::span<const GlLayer> drawn;
  GLuint beneath = 0;
};

/// ConversionPass in OpenGL ES: one compute dispatch that samples a texture and writes a surface, from the same shader
/// text. Waits for its end on the caller's thread. The context's thread makes every call; after warm-up (the first
/// picture of each variant) nothing is allocated.
class GlPass {
 public:
  struct Options {
    /// Invocations, {across, down}.
    std::array<std::int32_t, 2> workgroup{4, 8};
    /// Ask for the end this long before going to sleep: costs CPU time, saves the wake-up.
    Nanoseconds spin{};
  };
  using Layer = GlLayer;
  using Layers = GlLayers;
  GlPass(const std::shared_ptr<GlDevice>& device, const Options& options)
      : device_(device), options_(options), fence_(device) {}
  explicit GlPass(const std::shared_ptr<GlDevice>& device) : GlPass(device, Options{}) {}
  GlPass(const GlPass&) = delete;
  GlPass& operator=(const GlPass&) = delete;
  ~GlPass() = default;

  /// Converts one picture into the GL buffer `target` and waits at most `timeout` for it. `colour` is the target's.
  /// Unsupported: see pass_takes(), or a buffer beyond the device's limits. Lost: the GPU was reset. Timeout: not over
  /// yet; source and target stay in use, and every later call waits for it first. `layers`: as ConversionPass::run(),
  /// where check_layers() says so; then a source without a texture is black.
  [[nodiscard]] Result<void> run(const GlPicture& source, const PicturePlan& plan, GLuint target,
                                 const SurfaceLayout& layout, const ColourDescription& colour, Nanoseconds timeout,
                                 const Layers& layers = {});
  /// Unsupported: a compute shader of this device uses fewer buffers or textures than layers take.
  [[nodiscard]] static Result<void> check_layers(const GlDevice& device);
  /// Waits for what run() left behind with Timeout. Timeout: it still is not over.
  [[nodiscard]] Result<void> settle(Nanoseconds timeout) { return fence_.settle(timeout); }
  [[nodiscard]] bool pending() const { return fence_.pending(); }

 private:
  struct Program {
    GLenum source = 0;
    bool scaled = false;
    bool layers = false;
    bool compose = false;
    std::array<std::int32_t, kPassConstants> constants{};
    GlObject handle;
  };
  [[nodiscard]] Result<void> check(const PicturePlan& plan, const SurfaceLayout& layout, bool main) const;
  [[nodiscard]] Result<GLuint> program(GLenum source, const PassVariant& variant);
  void set_geometry(const PassGeometry& geometry);
  /// What was told of them.
  LayerTable bind_layers(const Layers& layers, GLuint target, Size surface);

  std::shared_ptr<GlDevice> device_;
  Options options_;
  std::vector<Program> programs_;
  /// The stream's, frame after frame, and which of programs_ is for it.
  struct Last {
    GLenum source = 0;
    PassVariant variant;
    GLuint program = 0;
  };
  std::array<Last, 2> last_;  ///< [compose]
  GlObject uniforms_;         ///< holds geometry_
  PassGeometry geometry_{};
  GlObject table_;  ///< LayerTable of the layers being drawn
  GlFence fence_;
};

}  // namespace zc
