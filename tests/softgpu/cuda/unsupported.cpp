// What only a real GPU can do. FFmpeg's loader wants the symbols to be there; calling one says 801.
#include "softgpu/cuda/driver.h"

namespace {

CUresult refuse(const char* function) {
  return zc::softgpu::finish(function, {zc::softgpu::kNotSupported, "not possible in software"});
}

}  // namespace

// The arguments do not matter to the C calling convention: none is looked at.
#define SOFTGPU_UNSUPPORTED(name) \
  extern "C" CUresult name();     \
  CUresult name() { return refuse(#name); }

// NOLINTBEGIN(readability-identifier-naming): the driver's names
SOFTGPU_UNSUPPORTED(cuLaunchKernel)
SOFTGPU_UNSUPPORTED(cuLinkCreate)
SOFTGPU_UNSUPPORTED(cuLinkAddData)
SOFTGPU_UNSUPPORTED(cuLinkComplete)
SOFTGPU_UNSUPPORTED(cuLinkDestroy)
SOFTGPU_UNSUPPORTED(cuModuleLoadData)
SOFTGPU_UNSUPPORTED(cuModuleUnload)
SOFTGPU_UNSUPPORTED(cuModuleGetFunction)
SOFTGPU_UNSUPPORTED(cuModuleGetGlobal)
SOFTGPU_UNSUPPORTED(cuTexObjectCreate)
SOFTGPU_UNSUPPORTED(cuTexObjectDestroy)
SOFTGPU_UNSUPPORTED(cuGraphicsEGLRegisterImage)
SOFTGPU_UNSUPPORTED(cuExternalMemoryGetMappedMipmappedArray)
SOFTGPU_UNSUPPORTED(cuMipmappedArrayGetLevel)
SOFTGPU_UNSUPPORTED(cuMipmappedArrayDestroy)
SOFTGPU_UNSUPPORTED(cuEGLStreamProducerConnect)
SOFTGPU_UNSUPPORTED(cuEGLStreamProducerDisconnect)
SOFTGPU_UNSUPPORTED(cuEGLStreamConsumerDisconnect)
SOFTGPU_UNSUPPORTED(cuEGLStreamProducerPresentFrame)
SOFTGPU_UNSUPPORTED(cuEGLStreamProducerReturnFrame)
// NOLINTEND(readability-identifier-naming)
