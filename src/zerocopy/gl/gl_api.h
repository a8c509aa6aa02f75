// The EGL and OpenGL ES functions in use, found at run time: the program starts on a machine without either.
#pragma once

#include "base/error.h"

#ifndef EGL_EGL_PROTOTYPES
#define EGL_EGL_PROTOTYPES 0
#endif
#ifndef GL_GLES_PROTOTYPES
#define GL_GLES_PROTOTYPES 0
#endif
#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <GLES3/gl31.h>
// gl2ext.h wants to follow the core header.
#include <GLES2/gl2ext.h>

#include <string>
#include <string_view>

namespace zc {

// Names without their "egl" and "gl", and as their types spell them.
#define ZC_EGL_FUNCTIONS(X)         \
  X(GetError, GETERROR)             \
  X(QueryString, QUERYSTRING)       \
  X(Initialize, INITIALIZE)         \
  X(Terminate, TERMINATE)           \
  X(BindAPI, BINDAPI)               \
  X(ChooseConfig, CHOOSECONFIG)     \
  X(CreateContext, CREATECONTEXT)   \
  X(DestroyContext, DESTROYCONTEXT) \
  X(MakeCurrent, MAKECURRENT)       \
  X(GetCurrentContext, GETCURRENTCONTEXT)

/// Null where EGL lacks the extension.
#define ZC_EGL_OPTIONAL_FUNCTIONS(X)              \
  X(GetPlatformDisplayEXT, GETPLATFORMDISPLAYEXT) \
  X(QueryDevicesEXT, QUERYDEVICESEXT)             \
  X(QueryDeviceStringEXT, QUERYDEVICESTRINGEXT)   \
  X(CreateImageKHR, CREATEIMAGEKHR)               \
  X(DestroyImageKHR, DESTROYIMAGEKHR)             \
  X(QueryDmaBufModifiersEXT, QUERYDMABUFMODIFIERSEXT)

#define ZC_GL_FUNCTIONS(X)                          \
  X(GetString, GETSTRING)                           \
  X(GetStringi, GETSTRINGI)                         \
  X(GetIntegerv, GETINTEGERV)                       \
  X(GetInteger64v, GETINTEGER64V)                   \
  X(GetError, GETERROR)                             \
  X(GenTextures, GENTEXTURES)                       \
  X(DeleteTextures, DELETETEXTURES)                 \
  X(BindTexture, BINDTEXTURE)                       \
  X(ActiveTexture, ACTIVETEXTURE)                   \
  X(TexParameteri, TEXPARAMETERI)                   \
  X(TexStorage2D, TEXSTORAGE2D)                     \
  X(TexSubImage2D, TEXSUBIMAGE2D)                   \
  X(PixelStorei, PIXELSTOREI)                       \
  X(GenBuffers, GENBUFFERS)                         \
  X(DeleteBuffers, DELETEBUFFERS)                   \
  X(BindBuffer, BINDBUFFER)                         \
  X(BindBufferBase, BINDBUFFERBASE)                 \
  X(BufferData, BUFFERDATA)                         \
  X(BufferSubData, BUFFERSUBDATA)                   \
  X(GenFramebuffers, GENFRAMEBUFFERS)               \
  X(DeleteFramebuffers, DELETEFRAMEBUFFERS)         \
  X(BindFramebuffer, BINDFRAMEBUFFER)               \
  X(FramebufferTexture2D, FRAMEBUFFERTEXTURE2D)     \
  X(CheckFramebufferStatus, CHECKFRAMEBUFFERSTATUS) \
  X(GenVertexArrays, GENVERTEXARRAYS)               \
  X(DeleteVertexArrays, DELETEVERTEXARRAYS)         \
  X(BindVertexArray, BINDVERTEXARRAY)               \
  X(Viewport, VIEWPORT)                             \
  X(DrawArrays, DRAWARRAYS)                         \
  X(CreateShader, CREATESHADER)                     \
  X(DeleteShader, DELETESHADER)                     \
  X(ShaderSource, SHADERSOURCE)                     \
  X(CompileShader, COMPILESHADER)                   \
  X(GetShaderiv, GETSHADERIV)                       \
  X(GetShaderInfoLog, GETSHADERINFOLOG)             \
  X(CreateProgram, CREATEPROGRAM)                   \
  X(DeleteProgram, DELETEPROGRAM)                   \
  X(AttachShader, ATTACHSHADER)                     \
  X(LinkProgram, LINKPROGRAM)                       \
  X(GetProgramiv, GETPROGRAMIV)                     \
  X(GetProgramInfoLog, GETPROGRAMINFOLOG)           \
  X(UseProgram, USEPROGRAM)                         \
  X(DispatchCompute, DISPATCHCOMPUTE)               \
  X(MemoryBarrier, MEMORYBARRIER)                   \
  X(FenceSync, FENCESYNC)                           \
  X(ClientWaitSync, CLIENTWAITSYNC)                 \
  X(DeleteSync, DELETESYNC)                         \
  X(Flush, FLUSH)                                   \
  X(Finish, FINISH)

/// Meaningful only where GL has the extension: libglvnd hands out an address for any name.
#define ZC_GL_OPTIONAL_FUNCTIONS(X)                         \
  X(EGLImageTargetTexture2DOES, EGLIMAGETARGETTEXTURE2DOES) \
  X(GetUnsignedBytei_vEXT, GETUNSIGNEDBYTEI_VEXT)           \
  X(CreateMemoryObjectsEXT, CREATEMEMORYOBJECTSEXT)         \
  X(DeleteMemoryObjectsEXT, DELETEMEMORYOBJECTSEXT)         \
  X(MemoryObjectParameterivEXT, MEMORYOBJECTPARAMETERIVEXT) \
  X(ImportMemoryFdEXT, IMPORTMEMORYFDEXT)                   \
  X(BufferStorageMemEXT, BUFFERSTORAGEMEMEXT)

#define ZC_EGL_MEMBER(name, type) PFNEGL##type##PROC name = nullptr;
struct EglFunctions {
  PFNEGLGETPROCADDRESSPROC GetProcAddress = nullptr;
  ZC_EGL_FUNCTIONS(ZC_EGL_MEMBER)
  ZC_EGL_OPTIONAL_FUNCTIONS(ZC_EGL_MEMBER)
};
#undef ZC_EGL_MEMBER
#define ZC_GL_MEMBER(name, type) PFNGL##type##PROC name = nullptr;
struct GlFunctions {
  ZC_GL_FUNCTIONS(ZC_GL_MEMBER)
  ZC_GL_OPTIONAL_FUNCTIONS(ZC_GL_MEMBER)
};
#undef ZC_GL_MEMBER

/// libEGL.so.1. Stays loaded until the process ends: drivers leave threads and exit handlers behind.
/// Unsupported, with the dynamic linker's words, where it is missing.
[[nodiscard]] Result<EglFunctions> load_egl(const char* library = "libEGL.so.1");
/// Unsupported names the function that is missing.
[[nodiscard]] Result<GlFunctions> load_gl(const EglFunctions& egl);

/// EGL's last error on this thread: a lost context is Lost, no memory Internal, anything else Unsupported.
[[nodiscard]] std::unexpected<Error> fail_egl(const EglFunctions& egl, std::string operation);
/// A GL error code: a lost context is Lost, no memory Internal, anything else Unsupported.
[[nodiscard]] std::unexpected<Error> fail_gl(GLenum error, std::string operation);
/// Takes every pending error of the current context; the first of them, if any, as an error.
[[nodiscard]] Result<void> check_gl(const GlFunctions& gl, std::string_view operation);

/// Whether a list of names separated by blanks, as EGL gives its extensions, has this one. Null is an empty list.
[[nodiscard]] bool lists_extension(const char* names, std::string_view wanted);

}  // namespace zc
