// A GPU as EGL and OpenGL ES see it: a display without a window system, and a context without a surface.
#pragma once

#include "base/error.h"
#include "base/unique_fd.h"
#include "media/pixel_format.h"
#include "zerocopy/gl/gl_api.h"
#include "zerocopy/vulkan/vulkan_device.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace zc {

/// What a device is wanted for. Each needs its extensions; see GlGpu::missing_for().
enum class GlUse : std::uint8_t {
  Render,        ///< OpenGL ES 3.1
  TiledDmabuf,   ///< dmabufs of any DRM modifier as textures
  SharedMemory,  ///< another API's memory as a buffer, by OPAQUE_FD
};

/// One device, as its driver describes it. A plain value.
struct GlGpu {
  std::string renderer;         ///< "NVIDIA H200/PCIe/SSE2"
  std::string version;          ///< "OpenGL ES 3.2 NVIDIA 580.82.07"
  std::optional<GpuUuid> uuid;  ///< the same in Vulkan and CUDA; nullopt: the driver does not tell
  std::optional<DrmNode> node;  ///< its render node, or its primary node; nullopt: the driver does not tell
  bool software = false;        ///< llvmpipe and its kin
  std::string egl_extensions;   ///< of the display, separated by blanks
  std::vector<std::string> extensions;

  [[nodiscard]] bool has(std::string_view extension) const;
  /// The extensions this use lacks here, separated by commas; empty when it has all.
  [[nodiscard]] std::string missing_for(GlUse use) const;
};

/// Which device is wanted. With neither set: the first.
struct GlChoice {
  std::optional<GpuUuid> uuid = std::nullopt;
  /// Spares asking devices that EGL says are others, which would wake them; those it says nothing of are asked.
  std::optional<DrmNode> render_node = std::nullopt;
  GlUse use = GlUse::Render;
  /// A software renderer is acceptable, whatever UUID it has: Mesa's llvmpipe (OpenGL) and lavapipe (Vulkan) are two
  /// devices to the one who compares UUIDs, though they exchange memory. For tests.
  bool software = false;
};

/// A layout of memory that the driver imports dmabufs in.
struct EglModifier {
  std::uint64_t modifier = 0;
  bool external_only = false;  ///< only as GL_TEXTURE_EXTERNAL_OES
  bool operator==(const EglModifier&) const = default;
};

/// How often what must not happen per frame has happened. Any thread.
struct GlCounters {
  std::atomic<std::uint64_t> images = 0;    ///< dmabufs imported
  std::atomic<std::uint64_t> memories = 0;  ///< targets imported
  std::atomic<std::uint64_t> programs = 0;
};

/// A display and its one context. What is made from it holds it by shared_ptr. The context is current on no thread at
/// first; make_current() binds it to the calling one, where it stays. From then on that thread makes every call.
class GlDevice {
 public:
  /// Through EGL_EXT_platform_device, or GBM on a render node where EGL lacks it. Nothing is printed, nothing opens a
  /// window. Unsupported: each device is named with what it lacks.
  [[nodiscard]] static Result<std::shared_ptr<GlDevice>> open(const GlChoice& choice);
  ~GlDevice();
  GlDevice(const GlDevice&) = delete;
  GlDevice& operator=(const GlDevice&) = delete;

  [[nodiscard]] const EglFunctions& egl() const { return egl_; }
  [[nodiscard]] const GlFunctions& gl() const { return gl_; }
  /// Puts functions of the caller's in between, for tests. Nothing may have been made on the device yet.
  void replace_functions(const EglFunctions& egl, const GlFunctions& gl) {
    egl_ = egl;
    gl_ = gl;
  }
  [[nodiscard]] EGLDisplay display() const { return display_; }
  [[nodiscard]] const GlGpu& gpu() const { return gpu_; }
  [[nodiscard]] GlCounters& counters() { return counters_; }
  /// Bytes one shader storage block may have.
  [[nodiscard]] std::size_t max_storage_bytes() const { return max_storage_bytes_; }
  /// Shader storage blocks and textures that one compute shader may use.
  [[nodiscard]] int max_storage_blocks() const { return max_storage_blocks_; }
  [[nodiscard]] int max_textures() const { return max_textures_; }

  /// Free where it is current already. Unsupported: it is current on another thread.
  [[nodiscard]] Result<void> make_current() const;
  /// The calling thread has no context afterwards, if this one was current.
  void release_current() const;

  /// What eglQueryDmaBufModifiersEXT lists for this format: tiled ones in the driver's order, then LINEAR; at last
  /// INVALID, which EGL_EXT_image_dma_buf_import takes of every format that the driver knows.
  /// External-only ones are left out where no compute shader could sample them (GL_OES_EGL_image_external_essl3).
  [[nodiscard]] std::vector<EglModifier> modifiers(PixelFormat format) const;

 private:
  struct Platform;
  explicit GlDevice(const EglFunctions& egl) : egl_(egl) {}
  [[nodiscard]] static Result<std::vector<Platform>> platforms(const EglFunctions& egl, const GlChoice& choice);
  [[nodiscard]] static Result<std::shared_ptr<GlDevice>> create(const EglFunctions& egl, Platform platform);
  [[nodiscard]] Result<void> make_context();
  void describe();

  EglFunctions egl_;
  GlFunctions gl_;
  std::shared_ptr<void> native_;  ///< what the display stands on: a GBM device; null for EGL's own devices
  EGLDisplay display_ = EGL_NO_DISPLAY;
  bool terminate_ = false;  ///< the display is ours alone, or counts its users
  EGLContext context_ = EGL_NO_CONTEXT;
  GlGpu gpu_;
  std::size_t max_storage_bytes_ = 0;
  GLint max_storage_blocks_ = 0, max_textures_ = 0;
  GlCounters counters_;
};

/// A texture, buffer, program or the like, deleted with this where its device is current, else with the context.
/// Move-only.
class GlObject {
 public:
  using Destroy = void (*)(const GlFunctions&, GLuint);
  GlObject() noexcept = default;
  GlObject(std::shared_ptr<GlDevice> device, GLuint name, Destroy destroy) noexcept
      : device_(std::move(device)), name_(name), destroy_(destroy) {}
  GlObject(GlObject&& other) noexcept { swap(other); }
  GlObject& operator=(GlObject&& other) noexcept {
    GlObject dying(std::move(other));
    swap(dying);
    return *this;
  }
  GlObject(const GlObject&) = delete;
  GlObject& operator=(const GlObject&) = delete;
  ~GlObject();
  [[nodiscard]] GLuint get() const noexcept { return name_; }
  explicit operator bool() const noexcept { return name_ != 0; }

  [[nodiscard]] static GlObject texture(const std::shared_ptr<GlDevice>& device);
  [[nodiscard]] static GlObject buffer(const std::shared_ptr<GlDevice>& device);
  [[nodiscard]] static GlObject framebuffer(const std::shared_ptr<GlDevice>& device);
  [[nodiscard]] static GlObject vertex_array(const std::shared_ptr<GlDevice>& device);
  [[nodiscard]] static GlObject memory_object(const std::shared_ptr<GlDevice>& device);

 private:
  void swap(GlObject& other) noexcept;
  std::shared_ptr<GlDevice> device_;
  GLuint name_ = 0;
  Destroy destroy_ = nullptr;
};

}  // namespace zc
