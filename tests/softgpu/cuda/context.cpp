// Contexts and each thread's stack of them.
#include "softgpu/cuda/api.h"
#include "softgpu/cuda/driver.h"

using namespace zc::softgpu;  // NOLINT(google-build-using-namespace): this file only defines C functions

namespace {

/// A real context takes its memory with it; what was still there is remembered for the report.
void free_memory_of(Driver& driver, const CUctx_st* context) {
  driver.orphans +=
      std::erase_if(driver.allocations, [&](const auto& entry) { return entry.second.context == context; });
}

}  // namespace

CUresult cuCtxCreate_v2(CUcontext* context, unsigned flags, CUdevice device) {
  return call(__func__, Needs::Init, [&](Driver& driver) -> Status {
    if (device != 0) return {kInvalidDevice, "there is one device, 0"};
    *context = driver.contexts.create({flags});
    context_stack().push_back(*context);
    return {};
  });
}

CUresult cuCtxDestroy_v2(CUcontext context) {
  return call(__func__, Needs::Nothing, [&](Driver& driver) -> Status {
    if (!driver.contexts.has(context)) return {kInvalidContext, "not a live context"};
    free_memory_of(driver, context);
    driver.contexts.destroy(context);
    // cuCtxDestroy pops the context where it is current to the calling thread, and only there.
    auto& stack = context_stack();
    if (!stack.empty() && stack.back() == context) stack.pop_back();
    return {};
  });
}

CUresult cuCtxPushCurrent_v2(CUcontext context) {
  return call(__func__, Needs::Nothing, [&](Driver& driver) -> Status {
    if (!driver.context_alive(context)) return {kInvalidContext, "not a live context"};
    context_stack().push_back(context);
    return {};
  });
}

CUresult cuCtxPopCurrent_v2(CUcontext* context) {
  return call(__func__, Needs::Nothing, [&](Driver&) -> Status {
    auto& stack = context_stack();
    if (stack.empty()) return {kInvalidContext, "no context is current on this thread"};
    if (context != nullptr) *context = stack.back();
    stack.pop_back();
    return {};
  });
}

CUresult cuCtxSetCurrent(CUcontext context) {
  return call(__func__, Needs::Nothing, [&](Driver& driver) -> Status {
    if (context != nullptr && !driver.context_alive(context)) return {kInvalidContext, "not a live context"};
    auto& stack = context_stack();
    if (!stack.empty()) stack.pop_back();
    if (context != nullptr) stack.push_back(context);
    return {};
  });
}

CUresult cuCtxGetCurrent(CUcontext* context) {
  return call(__func__, Needs::Nothing, [&](Driver& driver) -> Status {
    if (!driver.initialised) return {kNotInitialized, "cuInit was not called"};
    *context = context_stack().empty() ? nullptr : context_stack().back();
    return {};
  });
}

CUresult cuCtxGetDevice(CUdevice* device) {
  return call(__func__, Needs::Context, [&](Driver&) -> Status {
    *device = 0;
    return {};
  });
}

CUresult cuCtxSetLimit(CUlimit /*limit*/, std::size_t /*value*/) {
  return call(__func__, Needs::Context, [](Driver&) { return Status{}; });
}

CUresult cuCtxSynchronize() {
  return call(__func__, Needs::Context, [](Driver&) { return Status{}; });
}

CUresult cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  return call(__func__, Needs::Init, [&](Driver& driver) -> Status {
    if (device != 0) return {kInvalidDevice, "there is one device, 0"};
    ++driver.primary_references;
    *context = &driver.primary;
    return {};
  });
}

CUresult cuDevicePrimaryCtxRelease(CUdevice /*device*/) {
  return call(__func__, Needs::Nothing, [](Driver& driver) -> Status {
    if (driver.primary_references == 0) return {kInvalidContext, "the primary context is not retained"};
    if (--driver.primary_references == 0) free_memory_of(driver, &driver.primary);
    return {};
  });
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) { return cuDevicePrimaryCtxRelease(device); }

CUresult cuDevicePrimaryCtxSetFlags(CUdevice /*device*/, unsigned flags) {
  return call(__func__, Needs::Init, [&](Driver& driver) -> Status {
    driver.primary_flags = flags;
    return {};
  });
}

CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned flags) {
  return cuDevicePrimaryCtxSetFlags(device, flags);
}

CUresult cuDevicePrimaryCtxGetState(CUdevice /*device*/, unsigned* flags, int* active) {
  return call(__func__, Needs::Init, [&](Driver& driver) -> Status {
    *flags = driver.primary_flags;
    *active = driver.primary_references > 0 ? 1 : 0;
    return {};
  });
}

CUresult cuDevicePrimaryCtxReset(CUdevice /*device*/) {
  return call(__func__, Needs::Init, [](Driver& driver) -> Status {
    free_memory_of(driver, &driver.primary);
    return {};
  });
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice device) { return cuDevicePrimaryCtxReset(device); }
