#include "zerocopy/gl/gl_device.h"

#include "media/dmabuf.h"
#include "zerocopy/gl/gbm_device.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

namespace zc {
namespace {

struct UseRow {
  std::string_view egl;  ///< of the display
  std::string_view gl;
  GlUse use;
};
constexpr std::array kNeeds = {
    UseRow{"EGL_KHR_surfaceless_context", "", GlUse::Render},
    UseRow{"EGL_EXT_image_dma_buf_import", "", GlUse::TiledDmabuf},
    UseRow{"EGL_EXT_image_dma_buf_import_modifiers", "", GlUse::TiledDmabuf},
    UseRow{"", "GL_OES_EGL_image", GlUse::TiledDmabuf},
    UseRow{"", "GL_EXT_memory_object", GlUse::SharedMemory},
    UseRow{"", "GL_EXT_memory_object_fd", GlUse::SharedMemory},
};

constexpr EGLint kMaxDevices = 64;

std::string text(const char* string) { return string == nullptr ? std::string() : std::string(string); }

std::optional<DrmNode> node_of_file(const char* path) {
  struct stat status{};
  if (path == nullptr || ::stat(path, &status) != 0 || !S_ISCHR(status.st_mode)) return std::nullopt;
  return DrmNode{static_cast<std::int64_t>(major(status.st_rdev)), static_cast<std::int64_t>(minor(status.st_rdev))};
}

/// By its UUID, or by its node where the driver does not tell the UUID.
bool is_chosen(const GlGpu& gpu, const GlChoice& choice) {
  if (!choice.uuid) return true;
  if (gpu.uuid) return gpu.uuid == choice.uuid;
  return gpu.node.has_value() && gpu.node == choice.render_node;
}

}  // namespace

/// One display that could be opened.
struct GlDevice::Platform {
  std::string name;  ///< for messages
  EGLenum platform = 0;
  void* native = nullptr;
  std::shared_ptr<void> owner;  ///< of `native`
  std::optional<DrmNode> node;
  bool software = false;
};

bool GlGpu::has(std::string_view extension) const {
  return std::ranges::find(extensions, extension) != extensions.end();
}

std::string GlGpu::missing_for(GlUse use) const {
  std::string missing;
  for (const UseRow& row : kNeeds) {
    if (row.use != use) continue;
    const bool there = row.gl.empty() ? lists_extension(egl_extensions.c_str(), row.egl) : has(row.gl);
    if (there) continue;
    missing += fmt::format("{}{}", missing.empty() ? "" : ", ", row.gl.empty() ? row.egl : row.gl);
  }
  return missing;
}

Result<std::vector<GlDevice::Platform>> GlDevice::platforms(const EglFunctions& egl, const GlChoice& choice) {
  const char* client = egl.QueryString(EGL_NO_DISPLAY, EGL_EXTENSIONS);
  if (egl.GetPlatformDisplayEXT == nullptr || !lists_extension(client, "EGL_EXT_platform_base")) {
    return fail(ErrorKind::Unsupported, "open EGL", "it has no EGL_EXT_platform_base");
  }
  std::vector<Platform> found;
  const bool enumerates =
      lists_extension(client, "EGL_EXT_device_base") || lists_extension(client, "EGL_EXT_device_enumeration");
  if (enumerates && lists_extension(client, "EGL_EXT_platform_device") && egl.QueryDevicesEXT != nullptr &&
      egl.QueryDeviceStringEXT != nullptr) {
    std::array<EGLDeviceEXT, kMaxDevices> devices{};
    EGLint count = 0;
    if (egl.QueryDevicesEXT(kMaxDevices, devices.data(), &count) == EGL_FALSE) return fail_egl(egl, "list EGL devices");
    for (EGLint i = 0; i < count; ++i) {
      EGLDeviceEXT device = devices.at(static_cast<std::size_t>(i));
      const char* extensions = egl.QueryDeviceStringEXT(device, EGL_EXTENSIONS);
      Platform p{fmt::format("EGL device {}", i), EGL_PLATFORM_DEVICE_EXT, device, nullptr, std::nullopt};
      p.software = lists_extension(extensions, "EGL_MESA_device_software");
      if (lists_extension(extensions, "EGL_EXT_device_drm_render_node")) {
        p.node = node_of_file(egl.QueryDeviceStringEXT(device, EGL_DRM_RENDER_NODE_FILE_EXT));
      }
      found.push_back(std::move(p));
    }
  }
  if (found.empty() && lists_extension(client, "EGL_KHR_platform_gbm")) {
    for (GbmDevice& gbm : open_gbm_devices()) {
      found.push_back({std::move(gbm.path), EGL_PLATFORM_GBM_KHR, gbm.device.get(), std::move(gbm.device), gbm.node});
    }
  }
  if (found.empty()) return fail(ErrorKind::Unsupported, "open EGL", "it lists no device and there is no render node");
  std::erase_if(found,
                [&](const Platform& p) { return choice.render_node && p.node && *p.node != *choice.render_node; });
  // A render node without a GPU (vgem) is none for a software renderer either: Mesa crashes when it is initialised.
  const bool soft = choice.software && std::ranges::any_of(found, &Platform::software);
  std::erase_if(found, [&](const Platform& p) { return p.software != soft; });
  if (found.empty()) return fail(ErrorKind::Unsupported, "open EGL", "none of its devices is the one that is wanted");
  return found;
}

Result<std::shared_ptr<GlDevice>> GlDevice::open(const GlChoice& choice) {
  const auto egl = load_egl();
  if (!egl) return std::unexpected(egl.error());
  auto candidates = platforms(*egl, choice);
  if (!candidates) return std::unexpected(std::move(candidates.error()));
  std::string reasons;
  for (Platform& candidate : *candidates) {
    const std::string name = candidate.name;
    auto device = create(*egl, std::move(candidate));
    std::string reason;
    if (!device) {
      reason = device.error().message();
    } else {
      const GlGpu& gpu = (*device)->gpu();
      if (gpu.software && !choice.software) reason = gpu.renderer + " is a software renderer";
      if (!gpu.software && !is_chosen(gpu, choice)) reason = gpu.renderer + " is another GPU";
      for (const GlUse use : {GlUse::Render, choice.use}) {
        const std::string missing = gpu.missing_for(use);
        if (reason.empty() && !missing.empty()) reason = gpu.renderer + " has no " + missing;
      }
      if (reason.empty()) return device;
    }
    reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", name, reason);
  }
  return fail(ErrorKind::Unsupported, "open a GPU for OpenGL ES", reasons);
}

Result<std::shared_ptr<GlDevice>> GlDevice::create(const EglFunctions& egl, Platform platform) {
  std::shared_ptr<GlDevice> self(new GlDevice(egl));
  self->native_ = std::move(platform.owner);
  self->gpu_.node = platform.node;
  // All users in the process share an EGL device's display, and eglTerminate() ends it for all of them, unless it
  // counts (EGL_KHR_display_reference). One that does not count stays initialised; a GBM device is nobody else's.
  const bool counts = platform.platform == EGL_PLATFORM_DEVICE_EXT &&
                      lists_extension(egl.QueryString(EGL_NO_DISPLAY, EGL_EXTENSIONS), "EGL_KHR_display_reference");
  const std::array<EGLint, 3> counting{EGL_TRACK_REFERENCES_KHR, EGL_TRUE, EGL_NONE};
  self->display_ = egl.GetPlatformDisplayEXT(platform.platform, platform.native, counts ? counting.data() : nullptr);
  if (self->display_ == EGL_NO_DISPLAY) return fail_egl(egl, "open an EGL display");
  EGLint major = 0;
  EGLint minor = 0;
  if (egl.Initialize(self->display_, &major, &minor) == EGL_FALSE) return fail_egl(egl, "initialise EGL");
  self->terminate_ = counts || self->native_ != nullptr;
  self->gpu_.egl_extensions = text(egl.QueryString(self->display_, EGL_EXTENSIONS));
  if (auto made = self->make_context(); !made) return std::unexpected(std::move(made.error()));
  auto gl = load_gl(egl);
  if (!gl) return std::unexpected(std::move(gl.error()));
  self->gl_ = *gl;
  if (auto current = self->make_current(); !current) return std::unexpected(std::move(current.error()));
  self->describe();
  auto described = check_gl(self->gl_, "ask the driver what it is");
  self->release_current();
  if (!described) return std::unexpected(std::move(described.error()));
  return self;
}

Result<void> GlDevice::make_context() {
  if (egl_.BindAPI(EGL_OPENGL_ES_API) == EGL_FALSE) return fail_egl(egl_, "choose OpenGL ES");
  const auto has = [&](std::string_view name) { return lists_extension(gpu_.egl_extensions.c_str(), name); };
  EGLConfig config = EGL_NO_CONFIG_KHR;
  if (!has("EGL_KHR_no_config_context")) {
    constexpr std::array<EGLint, 5> kWanted{EGL_SURFACE_TYPE, EGL_PBUFFER_BIT, EGL_RENDERABLE_TYPE, EGL_OPENGL_ES3_BIT,
                                            EGL_NONE};
    EGLint count = 0;
    if (egl_.ChooseConfig(display_, kWanted.data(), &config, 1, &count) == EGL_FALSE || count == 0) {
      return fail_egl(egl_, "choose an EGL configuration");
    }
  }
  std::vector<EGLint> wanted{EGL_CONTEXT_MAJOR_VERSION, 3, EGL_CONTEXT_MINOR_VERSION, 1};
  // A GPU that was reset says so; without it, calls go on with undefined results.
  if (has("EGL_EXT_create_context_robustness")) {
    wanted.insert(wanted.end(), {EGL_CONTEXT_OPENGL_RESET_NOTIFICATION_STRATEGY_EXT, EGL_LOSE_CONTEXT_ON_RESET_EXT});
  }
  const auto make = [&] {
    std::vector<EGLint> attributes = wanted;
    attributes.push_back(EGL_NONE);
    context_ = egl_.CreateContext(display_, config, EGL_NO_CONTEXT, attributes.data());
    return context_ != EGL_NO_CONTEXT;
  };
  // As for Vulkan's queue: a pass is short, and goes between a game's time slices where that is allowed.
  if (has("EGL_NV_context_priority_realtime")) {
    const auto plain = wanted;
    wanted.insert(wanted.end(), {EGL_CONTEXT_PRIORITY_LEVEL_IMG, EGL_CONTEXT_PRIORITY_REALTIME_NV});
    if (make()) return {};
    wanted = plain;
  }
  static_cast<void>(make());
  if (context_ == EGL_NO_CONTEXT) return fail_egl(egl_, "make an OpenGL ES 3.1 context");
  return {};
}

void GlDevice::describe() {
  const auto string = [&](GLenum which) { return text(reinterpret_cast<const char*>(gl_.GetString(which))); };
  gpu_.renderer = string(GL_RENDERER);
  gpu_.version = string(GL_VERSION);
  for (const std::string_view name : {"llvmpipe", "softpipe", "swrast", "SwiftShader"}) {
    gpu_.software = gpu_.software || gpu_.renderer.find(name) != std::string::npos;
  }
  GLint count = 0;
  gl_.GetIntegerv(GL_NUM_EXTENSIONS, &count);
  for (GLint i = 0; i < count; ++i) {
    gpu_.extensions.push_back(
        text(reinterpret_cast<const char*>(gl_.GetStringi(GL_EXTENSIONS, static_cast<GLuint>(i)))));
  }
  GLint64 storage = 0;
  gl_.GetInteger64v(GL_MAX_SHADER_STORAGE_BLOCK_SIZE, &storage);
  max_storage_bytes_ = static_cast<std::size_t>(std::max<GLint64>(0, storage));
  GLint bindings = 0;
  gl_.GetIntegerv(GL_MAX_SHADER_STORAGE_BUFFER_BINDINGS, &bindings);
  gl_.GetIntegerv(GL_MAX_COMPUTE_SHADER_STORAGE_BLOCKS, &max_storage_blocks_);
  max_storage_blocks_ = std::min(max_storage_blocks_, bindings);
  gl_.GetIntegerv(GL_MAX_COMPUTE_TEXTURE_IMAGE_UNITS, &max_textures_);
  if (gpu_.has("GL_EXT_memory_object")) {
    GLint uuids = 0;
    gl_.GetIntegerv(GL_NUM_DEVICE_UUIDS_EXT, &uuids);
    GpuUuid uuid{};
    if (uuids > 0) gl_.GetUnsignedBytei_vEXT(GL_DEVICE_UUID_EXT, 0, uuid.data());
    if (uuids > 0 && uuid != GpuUuid{}) gpu_.uuid = uuid;
  }
}

GlDevice::~GlDevice() {
  release_current();
  if (context_ != EGL_NO_CONTEXT) egl_.DestroyContext(display_, context_);
  if (terminate_) egl_.Terminate(display_);
}

Result<void> GlDevice::make_current() const {
  if (egl_.GetCurrentContext() == context_) return {};
  if (egl_.MakeCurrent(display_, EGL_NO_SURFACE, EGL_NO_SURFACE, context_) == EGL_FALSE) {
    return fail_egl(egl_, "use the OpenGL ES context");
  }
  return {};
}

void GlDevice::release_current() const {
  if (context_ == EGL_NO_CONTEXT || egl_.GetCurrentContext() != context_) return;
  egl_.MakeCurrent(display_, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
}

std::vector<EglModifier> GlDevice::modifiers(PixelFormat format) const {
  std::vector<EglModifier> found;
  if (egl_.QueryDmaBufModifiersEXT == nullptr || !gpu_.missing_for(GlUse::TiledDmabuf).empty()) return found;
  const auto fourcc = static_cast<EGLint>(info(format).drm_fourcc);
  EGLint count = 0;
  // A format the driver does not know is an error of this call.
  if (fourcc == 0 || egl_.QueryDmaBufModifiersEXT(display_, fourcc, 0, nullptr, nullptr, &count) == EGL_FALSE) {
    static_cast<void>(egl_.GetError());
    return found;
  }
  count = std::max(count, 0);
  std::vector<EGLuint64KHR> modifiers(static_cast<std::size_t>(count));
  std::vector<EGLBoolean> external(static_cast<std::size_t>(count));
  if (count > 0 &&
      egl_.QueryDmaBufModifiersEXT(display_, fourcc, count, modifiers.data(), external.data(), &count) == EGL_FALSE) {
    static_cast<void>(egl_.GetError());
    return found;
  }
  const bool samples_external = gpu_.has("GL_OES_EGL_image_external_essl3");
  for (std::size_t i = 0; i < std::min(modifiers.size(), static_cast<std::size_t>(std::max(count, 0))); ++i) {
    if (external[i] == EGL_TRUE && !samples_external) continue;
    found.push_back({modifiers[i], external[i] == EGL_TRUE});
  }
  std::erase_if(found, [](const EglModifier& m) { return m.modifier == kModifierInvalid; });
  std::ranges::stable_partition(found, [](const EglModifier& m) { return m.modifier != kModifierLinear; });
  found.push_back({kModifierInvalid, false});
  return found;
}

GlObject::~GlObject() {
  if (name_ != 0 && device_->make_current()) destroy_(device_->gl(), name_);
}

void GlObject::swap(GlObject& other) noexcept {
  std::swap(device_, other.device_);
  std::swap(name_, other.name_);
  std::swap(destroy_, other.destroy_);
}

GlObject GlObject::texture(const std::shared_ptr<GlDevice>& device) {
  GLuint name = 0;
  device->gl().GenTextures(1, &name);
  return {device, name, [](const GlFunctions& gl, GLuint dying) { gl.DeleteTextures(1, &dying); }};
}
GlObject GlObject::buffer(const std::shared_ptr<GlDevice>& device) {
  GLuint name = 0;
  device->gl().GenBuffers(1, &name);
  return {device, name, [](const GlFunctions& gl, GLuint dying) { gl.DeleteBuffers(1, &dying); }};
}
GlObject GlObject::framebuffer(const std::shared_ptr<GlDevice>& device) {
  GLuint name = 0;
  device->gl().GenFramebuffers(1, &name);
  return {device, name, [](const GlFunctions& gl, GLuint dying) { gl.DeleteFramebuffers(1, &dying); }};
}
GlObject GlObject::vertex_array(const std::shared_ptr<GlDevice>& device) {
  GLuint name = 0;
  device->gl().GenVertexArrays(1, &name);
  return {device, name, [](const GlFunctions& gl, GLuint dying) { gl.DeleteVertexArrays(1, &dying); }};
}
GlObject GlObject::memory_object(const std::shared_ptr<GlDevice>& device) {
  GLuint name = 0;
  device->gl().CreateMemoryObjectsEXT(1, &name);
  return {device, name, [](const GlFunctions& gl, GLuint dying) { gl.DeleteMemoryObjectsEXT(1, &dying); }};
}

}  // namespace zc
