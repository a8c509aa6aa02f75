// The one device: what it says of itself.
#include "softgpu/cuda/api.h"
#include "softgpu/cuda/device_uuid.h"
#include "softgpu/cuda/driver.h"

#include <dlfcn.h>
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <string>

using namespace zc::softgpu;  // NOLINT(google-build-using-namespace): this file only defines C functions

namespace {

constexpr int kMajor = 8;
constexpr int kMinor = 9;
/// 12.4: what cuDriverGetVersion() answers.
constexpr int kDriverVersion = 12040;
constexpr std::size_t kMemoryBytes = std::size_t{8} << 30;

struct Attribute {
  int attribute;
  int value;
};

/// Anything else is 0.
constexpr std::array<Attribute, 12> kAttributes{{
    {CU_DEVICE_ATTRIBUTE_CLOCK_RATE, 1'800'000},
    {CU_DEVICE_ATTRIBUTE_TEXTURE_ALIGNMENT, 512},
    {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, 46},
    {CU_DEVICE_ATTRIBUTE_CAN_MAP_HOST_MEMORY, 1},
    {CU_DEVICE_ATTRIBUTE_PCI_BUS_ID, 1},
    {CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE, 7'000'000},
    {CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH, 256},
    {CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT, 2},
    {CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING, 1},
    {CU_DEVICE_ATTRIBUTE_TEXTURE_PITCH_ALIGNMENT, 32},
    {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, kMajor},
    {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, kMinor},
}};

struct ErrorText {
  int code;
  const char* name;
  const char* text;
};

constexpr std::array<ErrorText, 18> kErrors{{
    {kSuccess, "CUDA_SUCCESS", "no error"},
    {kInvalidValue, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {kOutOfMemory, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {kNotInitialized, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {kInvalidDevice, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {kInvalidContext, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {kMapFailed, "CUDA_ERROR_MAP_FAILED", "mapping of buffer object failed"},
    {kAlreadyMapped, "CUDA_ERROR_ALREADY_MAPPED", "resource already mapped"},
    {kNotMapped, "CUDA_ERROR_NOT_MAPPED", "resource not mapped"},
    {kNotMappedAsArray, "CUDA_ERROR_NOT_MAPPED_AS_ARRAY", "resource not mapped as array"},
    {kNotMappedAsPointer, "CUDA_ERROR_NOT_MAPPED_AS_POINTER", "resource not mapped as pointer"},
    {kInvalidGraphicsContext, "CUDA_ERROR_INVALID_GRAPHICS_CONTEXT", "invalid OpenGL or DirectX context"},
    {kInvalidHandle, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {kNotFound, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {kNotReady, "CUDA_ERROR_NOT_READY", "device not ready"},
    {kIllegalAddress, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {kNotSupported, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {kUnknown, "CUDA_ERROR_UNKNOWN", "unknown error"},
}};

CUresult error_text(CUresult error, const char* ErrorText::* member, const char** out) {
  const auto* row = std::ranges::find(kErrors, static_cast<int>(error), &ErrorText::code);
  *out = row == kErrors.end() ? nullptr : row->*member;
  // NOLINTNEXTLINE(clang-analyzer-optin.core.EnumCastOutOfRange): the header names some of the codes only
  return static_cast<CUresult>(*out == nullptr ? kInvalidValue : kSuccess);
}

/// Runs `body(Driver&)` for the only device there is.
template <class Body>
CUresult device_call(const char* function, CUdevice device, Body body) {
  return call(function, Needs::Init, [&](Driver& driver) -> Status {
    if (device != 0) return {kInvalidDevice, "there is one device, 0"};
    body(driver);
    return {};
  });
}

}  // namespace

CUresult cuInit(unsigned flags) {
  return call(__func__, Needs::Nothing, [&](Driver& driver) -> Status {
    if (flags != 0) return {kInvalidValue, "flags must be 0"};
    if (driver.initialised) return {};
    // A program that has asked for faults before means those.
    if (!driver.faults_chosen && !driver.set_faults(nullptr)) return {kInvalidValue, "SOFTGPU_FAULTS"};
    driver.initialised = true;
    return {};
  });
}

CUresult cuDriverGetVersion(int* version) {
  *version = kDriverVersion;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int* count) {
  return device_call(__func__, 0, [&](Driver&) { *count = 1; });
}

CUresult cuDeviceGet(CUdevice* device, int ordinal) {
  return device_call(__func__, ordinal, [&](Driver&) { *device = 0; });
}

CUresult cuDeviceGetName(char* name, int size, CUdevice device) {
  return device_call(__func__, device, [&](Driver&) {
    std::snprintf(name, static_cast<std::size_t>(std::max(0, size)), "Software GPU (test only)");
  });
}

CUresult cuDeviceGetUuid(CUuuid* uuid, CUdevice device) {
  return device_call(__func__, device, [&](Driver&) {
    static const DeviceUuid found = find_device_uuid();
    std::memcpy(uuid->bytes, found.data(), found.size());
  });
}

CUresult cuDeviceGetUuid_v2(CUuuid* uuid, CUdevice device) { return cuDeviceGetUuid(uuid, device); }

CUresult cuDeviceComputeCapability(int* major, int* minor, CUdevice device) {
  return device_call(__func__, device, [&](Driver&) {
    *major = kMajor;
    *minor = kMinor;
  });
}

CUresult cuDeviceGetPCIBusId(char* text, int size, CUdevice device) {
  return device_call(__func__, device, [&](Driver&) {
    std::snprintf(text, static_cast<std::size_t>(std::max(0, size)), "0000:01:00.0");
  });
}

CUresult cuDeviceTotalMem_v2(std::size_t* size_bytes, CUdevice device) {
  return device_call(__func__, device, [&](Driver&) { *size_bytes = kMemoryBytes; });
}

CUresult cuMemGetInfo_v2(std::size_t* free_bytes, std::size_t* total_bytes) {
  return call(__func__, Needs::Context, [&](Driver& driver) -> Status {
    *total_bytes = kMemoryBytes;
    *free_bytes = kMemoryBytes - std::min(kMemoryBytes, driver.live().allocated_bytes);
    return {};
  });
}

CUresult cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  return device_call(__func__, device, [&](Driver&) {
    const auto* row = std::ranges::find(kAttributes, static_cast<int>(attribute), &Attribute::attribute);
    *value = row == kAttributes.end() ? 0 : row->value;
  });
}

CUresult cuGLGetDevices_v2(unsigned* count, CUdevice* devices, unsigned size, CUGLDeviceList /*list*/) {
  return device_call(__func__, 0, [&](Driver&) {
    *count = 1;
    if (size > 0) devices[0] = 0;
  });
}

CUresult cuGetErrorName(CUresult error, const char** name) { return error_text(error, &ErrorText::name, name); }

CUresult cuGetErrorString(CUresult error, const char** text) { return error_text(error, &ErrorText::text, text); }

/// Names come without their suffix: the newest variant answers.
CUresult cuGetProcAddress_v2(const char* symbol, void** function, int /*version*/, std::uint64_t /*flags*/,
                             int* found) {
  return call(__func__, Needs::Nothing, [&](Driver&) -> Status {
    Dl_info self{};
    ::dladdr(reinterpret_cast<void*>(&cuInit), &self);
    static void* const library = ::dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    *function = library == nullptr ? nullptr : ::dlsym(library, (std::string(symbol) + "_v2").c_str());
    if (*function == nullptr && library != nullptr) *function = ::dlsym(library, symbol);
    if (found != nullptr) *found = *function == nullptr ? 1 : 0;
    return *function == nullptr ? Status{kNotFound, symbol} : Status{};
  });
}

CUresult cuGetProcAddress(const char* symbol, void** function, int version, std::uint64_t flags) {
  return cuGetProcAddress_v2(symbol, function, version, flags, nullptr);
}
