// CUDA as programs reach it: FFmpeg's loader, which wants every symbol it knows; and the stand-in's own controls.
#pragma once

#include "softgpu/control.h"

#include <ffnvcodec/dynlink_loader.h>
#include <catch2/catch_test_macros.hpp>

#include <dlfcn.h>
#include <memory>
#include <string>

namespace zc::softgpu::test {

struct FreeCuda {
  void operator()(CudaFunctions* functions) const { cuda_free_functions(&functions); }
};
using CudaPtr = std::unique_ptr<CudaFunctions, FreeCuda>;

/// Loads the library and initialises the device with these faults, whatever the environment or an earlier test said.
inline CudaPtr load_cuda(const std::string& faults = "") {
  CudaFunctions* functions = nullptr;
  REQUIRE(cuda_load_functions(&functions, nullptr) == 0);
  CudaPtr cuda(functions);
  const auto set_faults = reinterpret_cast<decltype(&softgpu_set_faults)>(::dlsym(cuda->lib, "softgpu_set_faults"));
  REQUIRE(set_faults != nullptr);
  REQUIRE(cuda->cuInit(0) == CUDA_SUCCESS);
  REQUIRE(set_faults(faults.c_str()));
  return cuda;
}

/// What is alive now.
inline LiveObjects live(const CudaFunctions& cuda) {
  const auto live_objects =
      reinterpret_cast<decltype(&softgpu_live_objects)>(::dlsym(cuda.lib, "softgpu_live_objects"));
  REQUIRE(live_objects != nullptr);
  LiveObjects objects;
  live_objects(&objects);
  return objects;
}

/// A context, current on this thread while it lives.
class Context {
 public:
  explicit Context(const CudaFunctions& cuda) : cuda_(cuda) { REQUIRE(cuda_.cuCtxCreate(&handle_, 0, 0) == 0); }
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context() { cuda_.cuCtxDestroy(handle_); }
  [[nodiscard]] CUcontext get() const { return handle_; }

 private:
  const CudaFunctions& cuda_;
  CUcontext handle_ = nullptr;
};

}  // namespace zc::softgpu::test
