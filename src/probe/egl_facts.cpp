#include "media/pixel_format.h"
#include "probe/apis.h"
#include "probe/library.h"
#include "probe/modifier_names.h"

#include <EGL/egl.h>
#include <EGL/eglext.h>

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace zc::probe {
namespace {

constexpr const char* kLibrary = "libEGL.so.1";
/// One of each memory layout: the formats that compositors compose in.
constexpr std::array kFormats{PixelFormat::BGRx, PixelFormat::RGBx, PixelFormat::xRGB_210LE, PixelFormat::xBGR_210LE};

// OpenGL ES and GL_EXT_memory_object; <GLES3/gl3.h> and <GLES2/gl2ext.h> have more than is needed here.
constexpr unsigned kGlRenderer = 0x1F01;
constexpr unsigned kGlVersion = 0x1F02;
constexpr unsigned kGlExtensions = 0x1F03;
constexpr unsigned kGlDeviceUuid = 0x9597;

struct Functions {
  PFNEGLGETPROCADDRESSPROC GetProcAddress = nullptr;
  PFNEGLQUERYSTRINGPROC QueryString = nullptr;
  PFNEGLINITIALIZEPROC Initialize = nullptr;
  PFNEGLTERMINATEPROC Terminate = nullptr;
  PFNEGLBINDAPIPROC BindAPI = nullptr;
  PFNEGLCREATECONTEXTPROC CreateContext = nullptr;
  PFNEGLDESTROYCONTEXTPROC DestroyContext = nullptr;
  PFNEGLMAKECURRENTPROC MakeCurrent = nullptr;
  PFNEGLGETERRORPROC GetError = nullptr;
  PFNEGLQUERYDEVICESEXTPROC QueryDevices = nullptr;
  PFNEGLQUERYDEVICESTRINGEXTPROC QueryDeviceString = nullptr;
  PFNEGLGETPLATFORMDISPLAYEXTPROC GetPlatformDisplay = nullptr;
  PFNEGLQUERYDMABUFFORMATSEXTPROC QueryDmaBufFormats = nullptr;      ///< null: no such extension
  PFNEGLQUERYDMABUFMODIFIERSEXTPROC QueryDmaBufModifiers = nullptr;  ///< likewise
};

Result<Functions> load() {
  const auto library = Library::open(kLibrary);
  if (!library) return std::unexpected(library.error());
  Functions fn;
  if (!library->get("eglGetProcAddress", fn.GetProcAddress) || !library->get("eglQueryString", fn.QueryString) ||
      !library->get("eglInitialize", fn.Initialize) || !library->get("eglTerminate", fn.Terminate) ||
      !library->get("eglBindAPI", fn.BindAPI) || !library->get("eglCreateContext", fn.CreateContext) ||
      !library->get("eglDestroyContext", fn.DestroyContext) || !library->get("eglMakeCurrent", fn.MakeCurrent) ||
      !library->get("eglGetError", fn.GetError)) {
    return fail(ErrorKind::Unsupported, fmt::format("load {}", kLibrary), "it lacks functions");
  }
  const auto extension = [&](const char* name, auto& function) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(fn.GetProcAddress(name));
    return function != nullptr;
  };
  if (!extension("eglQueryDevicesEXT", fn.QueryDevices) ||
      !extension("eglQueryDeviceStringEXT", fn.QueryDeviceString) ||
      !extension("eglGetPlatformDisplayEXT", fn.GetPlatformDisplay)) {
    return fail(ErrorKind::Unsupported, "list the EGL devices", "EGL has no EGL_EXT_device_enumeration");
  }
  static_cast<void>(extension("eglQueryDmaBufFormatsEXT", fn.QueryDmaBufFormats));
  static_cast<void>(extension("eglQueryDmaBufModifiersEXT", fn.QueryDmaBufModifiers));
  return fn;
}

/// Whether a list of names separated by blanks has this one.
bool lists(const char* names, std::string_view wanted) {
  std::string_view rest = names == nullptr ? std::string_view{} : std::string_view(names);
  while (!rest.empty()) {
    const std::size_t blank = rest.find(' ');
    if (rest.substr(0, blank) == wanted) return true;
    rest = blank == std::string_view::npos ? std::string_view{} : rest.substr(blank + 1);
  }
  return false;
}

std::string text_or_empty(const char* text) { return text == nullptr ? std::string() : std::string(text); }

std::string egl_error(const Functions& fn, std::string_view what) {
  return fmt::format("{}: EGL error 0x{:04x}", what, fn.GetError());
}

std::string render_node_of(const Functions& fn, EGLDeviceEXT device) {
  const char* extensions = fn.QueryDeviceString(device, EGL_EXTENSIONS);
  if (!lists(extensions, "EGL_EXT_device_drm_render_node")) return {};
  return text_or_empty(fn.QueryDeviceString(device, EGL_DRM_RENDER_NODE_FILE_EXT));
}

/// The layouts of one format; empty where the driver does not know the format.
FormatFacts modifiers_of(const Functions& fn, EGLDisplay display, PixelFormat format) {
  FormatFacts facts{.format = std::string(name(format)), .modifiers = {}};
  const auto fourcc = static_cast<EGLint>(info(format).drm_fourcc);
  EGLint count = 0;
  if (fn.QueryDmaBufModifiers(display, fourcc, 0, nullptr, nullptr, &count) == EGL_FALSE || count <= 0) return facts;
  std::vector<EGLuint64KHR> modifiers(static_cast<std::size_t>(count));
  std::vector<EGLBoolean> external(static_cast<std::size_t>(count));
  if (fn.QueryDmaBufModifiers(display, fourcc, count, modifiers.data(), external.data(), &count) == EGL_FALSE) {
    return facts;
  }
  modifiers.resize(std::min(modifiers.size(), static_cast<std::size_t>(count)));
  for (std::size_t i = 0; i < modifiers.size(); ++i) {
    facts.modifiers.push_back(modifier_facts(modifiers[i]));
    facts.modifiers.back().external_only = external[i] == EGL_TRUE;
  }
  return facts;
}

/// What only a current OpenGL ES context tells.
void ask_context(const Functions& fn, EglFacts& facts) {
  const auto get_string =
      reinterpret_cast<const unsigned char* (*)(unsigned)>(fn.GetProcAddress("glGetString"));  // NOLINT: GL's types
  if (get_string == nullptr) return;
  const auto string = [&](unsigned which) { return text_or_empty(reinterpret_cast<const char*>(get_string(which))); };
  facts.renderer = string(kGlRenderer);
  facts.gles = string(kGlVersion);
  facts.software = software_renderer(facts.renderer);
  const std::string extensions = string(kGlExtensions);
  facts.memory_object_fd = lists(extensions.c_str(), "GL_EXT_memory_object_fd");
  const auto get_bytes =
      reinterpret_cast<void (*)(unsigned, unsigned, unsigned char*)>(fn.GetProcAddress("glGetUnsignedBytei_vEXT"));
  if (get_bytes == nullptr || !lists(extensions.c_str(), "GL_EXT_memory_object")) return;
  std::array<std::uint8_t, 16> uuid{};
  get_bytes(kGlDeviceUuid, 0, uuid.data());
  facts.uuid = uuid_text(uuid);
}

void ask_display(const Functions& fn, EGLDisplay display, EglFacts& facts) {
  const char* extensions = fn.QueryString(display, EGL_EXTENSIONS);
  facts.vendor = text_or_empty(fn.QueryString(display, EGL_VENDOR));
  facts.native_fence = lists(extensions, "EGL_ANDROID_native_fence_sync");
  facts.dmabuf_import = lists(extensions, "EGL_EXT_image_dma_buf_import_modifiers");
  if (facts.dmabuf_import && fn.QueryDmaBufModifiers != nullptr) {
    for (const PixelFormat format : kFormats) facts.formats.push_back(modifiers_of(fn, display, format));
  }
  if (!lists(extensions, "EGL_KHR_surfaceless_context") || !lists(extensions, "EGL_KHR_no_config_context")) {
    facts.reason = "it makes no context without a surface";
    return;
  }
  constexpr std::array<EGLint, 5> kAttributes{EGL_CONTEXT_MAJOR_VERSION, 3, EGL_CONTEXT_MINOR_VERSION, 1, EGL_NONE};
  if (fn.BindAPI(EGL_OPENGL_ES_API) == EGL_FALSE) {
    facts.reason = egl_error(fn, "choose OpenGL ES");
    return;
  }
  EGLContext context = fn.CreateContext(display, EGL_NO_CONFIG_KHR, EGL_NO_CONTEXT, kAttributes.data());
  if (context == EGL_NO_CONTEXT) {
    facts.reason = egl_error(fn, "make an OpenGL ES 3.1 context");
    return;
  }
  if (fn.MakeCurrent(display, EGL_NO_SURFACE, EGL_NO_SURFACE, context) == EGL_TRUE) {
    ask_context(fn, facts);
    fn.MakeCurrent(display, EGL_NO_SURFACE, EGL_NO_SURFACE, EGL_NO_CONTEXT);
  } else {
    facts.reason = egl_error(fn, "use an OpenGL ES context");
  }
  fn.DestroyContext(display, context);
}

EglFacts facts_of(const Functions& fn, EGLDeviceEXT device) {
  EglFacts facts;
  facts.render_node = render_node_of(fn, device);
  facts.software = lists(fn.QueryDeviceString(device, EGL_EXTENSIONS), "EGL_MESA_device_software");
  EGLDisplay display = fn.GetPlatformDisplay(EGL_PLATFORM_DEVICE_EXT, device, nullptr);
  EGLint major = 0;
  EGLint minor = 0;
  if (display == EGL_NO_DISPLAY || fn.Initialize(display, &major, &minor) == EGL_FALSE) {
    facts.reason = egl_error(fn, "start EGL on the device");
    return facts;
  }
  facts.version = fmt::format("{}.{}", major, minor);
  ask_display(fn, display, facts);
  fn.Terminate(display);
  return facts;
}

}  // namespace

Result<std::vector<EglFacts>> egl_facts() {
  const auto functions = load();
  if (!functions) return std::unexpected(functions.error());
  constexpr EGLint kMost = 32;
  std::array<EGLDeviceEXT, kMost> devices{};
  EGLint count = 0;
  if (functions->QueryDevices(kMost, devices.data(), &count) == EGL_FALSE || count <= 0) {
    return fail(ErrorKind::Unsupported, "list the EGL devices", "no driver shows one");
  }
  std::vector<EglFacts> facts;
  facts.reserve(static_cast<std::size_t>(count));
  for (EGLint i = 0; i < count; ++i) facts.push_back(facts_of(*functions, devices.at(static_cast<std::size_t>(i))));
  return facts;
}

}  // namespace zc::probe
