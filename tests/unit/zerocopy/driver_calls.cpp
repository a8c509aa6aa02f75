#include "unit/zerocopy/driver_calls.h"

#include "gpu/cuda/driver.h"
#include "zerocopy/gl/gl_device.h"
#include "zerocopy/vulkan/vulkan_device.h"

#include <ffnvcodec/dynlink_loader.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace zc::test {
namespace {

struct State {
  unsigned left = 0;  ///< calls until one fails; 0: none does
  DriverFailure how = DriverFailure::NoMemory;
  std::string failed;
  bool refusing = false;
  bool refused = false;   ///< EGL is to say why
  bool gl_error = false;  ///< GL is to say that a call failed
  std::map<std::string, long> live;
  unsigned long made = 0;
};
State& state() {
  static State all;
  return all;
}

bool strikes(const char* name) {
  State& s = state();
  if (s.left == 0) return false;
  if (--s.left != 0) return false;
  s.failed = name;
  return true;
}

/// "CreateBuffer" and "DestroyBuffer" are both about "Buffer".
std::string kind_of(std::string_view name) {
  for (const std::string_view verb :
       {"CreateCompute", "Create", "Destroy", "Allocate", "Free", "Gen", "Delete", "Fence"}) {
    if (name.starts_with(verb) && name.size() > verb.size()) {
      name.remove_prefix(verb.size());
      break;
    }
  }
  if (name.ends_with('s')) name.remove_suffix(1);
  return std::string(name);
}

/// `api`: told apart where two have objects of one name.
void count(std::string_view name, long change, const char* api = "") {
  state().live[api + kind_of(name)] += change;
  if (change > 0) state().made += static_cast<unsigned long>(change);
}

VkResult vk_code() { return state().how == DriverFailure::Lost ? VK_ERROR_DEVICE_LOST : VK_ERROR_OUT_OF_DEVICE_MEMORY; }
CUresult cuda_code() { return static_cast<CUresult>(state().how == DriverFailure::Lost ? 999 : 2); }
GLenum gl_code() { return state().how == DriverFailure::Lost ? GLenum{0x0507} : GLenum{GL_OUT_OF_MEMORY}; }

/// One function of a table with `Policy` around it.
template <auto Member, class Policy>
struct Hook;
template <class Table, class R, class... A, R (*Table::*Member)(A...), class Policy>
struct Hook<Member, Policy> {
  static inline R (*next)(A...) = nullptr;
  static inline const char* name = "";
  static R call(A... a) { return Policy::run(name, next, a...); }
  static void install(Table& table, const char* of) {
    if (table.*Member == nullptr || table.*Member == &call) return;
    next = table.*Member;
    name = of;
    table.*Member = &call;
  }
};

struct VkCall {
  template <class... A>
  static VkResult run(const char* name, VkResult (*next)(A...), A... a) {
    return strikes(name) ? vk_code() : next(a...);
  }
};
struct VkWait {
  template <class... A>
  static VkResult run(const char* name, VkResult (*next)(A...), A... a) {
    const VkResult r = next(a...);
    return strikes(name) ? vk_code() : r;
  }
};
struct VkMake {
  template <class... A>
  static VkResult run(const char* name, VkResult (*next)(A...), A... a) {
    if (strikes(name)) return vk_code();
    const VkResult r = next(a...);
    if (r == VK_SUCCESS) count(name, 1);
    return r;
  }
};
struct VkAllocate {
  static VkResult run(const char* name, PFN_vkAllocateMemory next, VkDevice device, const VkMemoryAllocateInfo* info,
                      const VkAllocationCallbacks* callbacks, VkDeviceMemory* memory) {
    for (const auto* s = static_cast<const VkBaseInStructure*>(info->pNext); s != nullptr; s = s->pNext) {
      if (s->sType == VK_STRUCTURE_TYPE_IMPORT_MEMORY_FD_INFO_KHR && state().refusing) {
        return VK_ERROR_INVALID_EXTERNAL_HANDLE;
      }
    }
    return VkMake::run(name, next, device, info, callbacks, memory);
  }
};
struct VkDestroy {
  template <class Handle>
  static void run(const char* name, void (*next)(VkDevice, Handle, const VkAllocationCallbacks*), VkDevice device,
                  Handle handle, const VkAllocationCallbacks* callbacks) {
    if (handle != VK_NULL_HANDLE) count(name, -1);
    next(device, handle, callbacks);
  }
};

struct CudaCall {
  template <class... A>
  static CUresult run(const char* name, CUresult (*next)(A...), A... a) {
    return strikes(name) ? cuda_code() : next(a...);
  }
};
struct CudaMake {
  template <class... A>
  static CUresult run(const char* name, CUresult (*next)(A...), A... a) {
    if (strikes(name)) return cuda_code();
    const CUresult r = next(a...);
    if (r == CUDA_SUCCESS) ++state().made;  // what lives is the stand-in's to say
    return r;
  }
};
struct CudaWait {
  template <class... A>
  static CUresult run(const char* name, CUresult (*next)(A...), A... a) {
    const CUresult r = next(a...);
    return strikes(name) ? cuda_code() : r;
  }
};

struct GlMake {
  static void run(const char* name, void (*next)(GLsizei, GLuint*), GLsizei n, GLuint* names) {
    next(n, names);
    count(name, n, "GL");
  }
};
struct GlDrop {
  static void run(const char* name, void (*next)(GLsizei, const GLuint*), GLsizei n, const GLuint* names) {
    next(n, names);
    count(name, -static_cast<long>(n), "GL");
  }
};
struct GlMakeOne {
  template <class... A>
  static GLuint run(const char* name, GLuint (*next)(A...), A... a) {
    const GLuint made = next(a...);
    if (made != 0) count(name, 1, "GL");
    return made;
  }
};
struct GlDropOne {
  static void run(const char* name, void (*next)(GLuint), GLuint dying) {
    next(dying);
    if (dying != 0) count(name, -1, "GL");
  }
};
/// Every step in OpenGL that asks whether it went well.
struct GlError {
  static GLenum run(const char* name, GLenum (*next)()) {
    const GLenum real = next();
    const bool told = std::exchange(state().gl_error, false);
    return told || strikes(name) ? gl_code() : real;
  }
};
struct GlFenceMake {
  static GLsync run(const char* name, GLsync (*next)(GLenum, GLbitfield), GLenum condition, GLbitfield flags) {
    if (strikes(name)) {
      state().gl_error = true;
      return nullptr;
    }
    GLsync made = next(condition, flags);
    if (made != nullptr) ++state().live["GL" + kind_of(name)];
    return made;
  }
};
struct GlFenceDrop {
  static void run(const char* name, void (*next)(GLsync), GLsync dying) {
    next(dying);
    if (dying != nullptr) count(name, -1, "GL");
  }
};
struct GlWait {
  static GLenum run(const char* name, GLenum (*next)(GLsync, GLbitfield, GLuint64), GLsync sync, GLbitfield flags,
                    GLuint64 timeout) {
    const GLenum real = next(sync, flags, timeout);
    if (real == GL_TIMEOUT_EXPIRED || !strikes(name)) return real;
    state().gl_error = true;
    return GL_WAIT_FAILED;
  }
};

struct EglImageMake {
  static EGLImageKHR run(const char* name, PFNEGLCREATEIMAGEKHRPROC next, EGLDisplay display, EGLContext context,
                         EGLenum target, EGLClientBuffer buffer, const EGLint* attributes) {
    state().refused = state().refusing;
    if (state().refused || strikes(name)) return EGL_NO_IMAGE_KHR;
    EGLImageKHR made = next(display, context, target, buffer, attributes);
    if (made != EGL_NO_IMAGE_KHR) count(name, 1, "GL");
    return made;
  }
};
struct EglImageDrop {
  static EGLBoolean run(const char* name, PFNEGLDESTROYIMAGEKHRPROC next, EGLDisplay display, EGLImageKHR image) {
    count(name, -1, "GL");
    return next(display, image);
  }
};
struct EglError {
  static EGLint run(const char* /*name*/, EGLint (*next)()) {
    const EGLint real = next();
    if (state().refused) return EGL_BAD_MATCH;
    if (state().failed != "CreateImageKHR") return real;
    return state().how == DriverFailure::Lost ? EGL_CONTEXT_LOST : EGL_BAD_ALLOC;
  }
};

}  // namespace

#define ZC_HOOK(Table, name, policy) Hook<&Table::name, policy>::install(table, #name);
#define ZC_VK_PAIR(made, dropped)              \
  ZC_HOOK(VulkanDeviceFunctions, made, VkMake) \
  ZC_HOOK(VulkanDeviceFunctions, dropped, VkDestroy)

void DriverCalls::hook(VulkanDevice& device) {
  VulkanDeviceFunctions table = device.fn();
  ZC_VK_PAIR(CreateBuffer, DestroyBuffer)
  ZC_VK_PAIR(CreateImage, DestroyImage)
  ZC_VK_PAIR(CreateImageView, DestroyImageView)
  ZC_VK_PAIR(CreateSampler, DestroySampler)
  ZC_VK_PAIR(CreateShaderModule, DestroyShaderModule)
  ZC_VK_PAIR(CreateDescriptorSetLayout, DestroyDescriptorSetLayout)
  ZC_VK_PAIR(CreateDescriptorPool, DestroyDescriptorPool)
  ZC_VK_PAIR(CreatePipelineLayout, DestroyPipelineLayout)
  ZC_VK_PAIR(CreateComputePipelines, DestroyPipeline)
  ZC_VK_PAIR(CreateCommandPool, DestroyCommandPool)
  ZC_VK_PAIR(CreateFence, DestroyFence)
  ZC_HOOK(VulkanDeviceFunctions, AllocateMemory, VkAllocate)
  ZC_HOOK(VulkanDeviceFunctions, FreeMemory, VkDestroy)
  ZC_HOOK(VulkanDeviceFunctions, BindBufferMemory, VkCall)
  ZC_HOOK(VulkanDeviceFunctions, BindImageMemory2, VkCall)
  ZC_HOOK(VulkanDeviceFunctions, MapMemory, VkCall)
  ZC_HOOK(VulkanDeviceFunctions, AllocateDescriptorSets, VkCall)
  ZC_HOOK(VulkanDeviceFunctions, AllocateCommandBuffers, VkCall)
  ZC_HOOK(VulkanDeviceFunctions, BeginCommandBuffer, VkCall)
  ZC_HOOK(VulkanDeviceFunctions, EndCommandBuffer, VkCall)
  ZC_HOOK(VulkanDeviceFunctions, ResetFences, VkCall)
  ZC_HOOK(VulkanDeviceFunctions, QueueSubmit, VkCall)
  ZC_HOOK(VulkanDeviceFunctions, WaitForFences, VkWait)
  ZC_HOOK(VulkanDeviceFunctions, GetMemoryFdKHR, VkCall)
  ZC_HOOK(VulkanDeviceFunctions, GetMemoryFdPropertiesKHR, VkCall)
  device.replace_functions(table);
}
#undef ZC_VK_PAIR

void DriverCalls::hook(GlDevice& device) {
  EglFunctions egl = device.egl();
  GlFunctions gl = device.gl();
  {
    EglFunctions& table = egl;
    ZC_HOOK(EglFunctions, CreateImageKHR, EglImageMake)
    ZC_HOOK(EglFunctions, DestroyImageKHR, EglImageDrop)
    ZC_HOOK(EglFunctions, GetError, EglError)
  }
  GlFunctions& table = gl;
  ZC_HOOK(GlFunctions, GenTextures, GlMake)
  ZC_HOOK(GlFunctions, DeleteTextures, GlDrop)
  ZC_HOOK(GlFunctions, GenBuffers, GlMake)
  ZC_HOOK(GlFunctions, DeleteBuffers, GlDrop)
  ZC_HOOK(GlFunctions, CreateMemoryObjectsEXT, GlMake)
  ZC_HOOK(GlFunctions, DeleteMemoryObjectsEXT, GlDrop)
  ZC_HOOK(GlFunctions, CreateShader, GlMakeOne)
  ZC_HOOK(GlFunctions, DeleteShader, GlDropOne)
  ZC_HOOK(GlFunctions, CreateProgram, GlMakeOne)
  ZC_HOOK(GlFunctions, DeleteProgram, GlDropOne)
  ZC_HOOK(GlFunctions, FenceSync, GlFenceMake)
  ZC_HOOK(GlFunctions, DeleteSync, GlFenceDrop)
  ZC_HOOK(GlFunctions, ClientWaitSync, GlWait)
  ZC_HOOK(GlFunctions, GetError, GlError)
  device.replace_functions(egl, gl);
}

void DriverCalls::hook(CudaFunctions& table) {
  ZC_HOOK(CudaFunctions, cuMemAlloc, CudaMake)
  ZC_HOOK(CudaFunctions, cuImportExternalMemory, CudaMake)
  ZC_HOOK(CudaFunctions, cuExternalMemoryGetMappedBuffer, CudaCall)
  ZC_HOOK(CudaFunctions, cuMemcpy2D, CudaCall)
  ZC_HOOK(CudaFunctions, cuMemcpyDtoDAsync, CudaCall)
  ZC_HOOK(CudaFunctions, cuStreamSynchronize, CudaWait)
  ZC_HOOK(CudaFunctions, cuGraphicsMapResources, CudaCall)
  ZC_HOOK(CudaFunctions, cuGraphicsResourceGetMappedPointer, CudaCall)
}

void DriverCalls::hook(cuda::MoreFunctions& table) {
  ZC_HOOK(cuda::MoreFunctions, graphics_gl_register_buffer, CudaMake)
}
#undef ZC_HOOK

void DriverCalls::fail_at(unsigned at, DriverFailure how) {
  State& s = state();
  s.left = at;
  s.how = how;
  s.failed.clear();
  s.gl_error = false;
}

std::string DriverCalls::failed() { return state().failed; }

unsigned long DriverCalls::made() { return state().made; }

std::map<std::string, long> DriverCalls::live() {
  std::map<std::string, long> all = state().live;
  std::erase_if(all, [](const auto& entry) { return entry.second == 0; });
  return all;
}

std::shared_ptr<void> DriverCalls::refuse_imports() {
  state().refusing = true;
  return {&state(), [](void* of) { static_cast<State*>(of)->refusing = static_cast<State*>(of)->refused = false; }};
}

}  // namespace zc::test
