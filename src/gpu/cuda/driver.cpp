#include "gpu/cuda/driver.h"

#include "gpu/device_nodes.h"

#include <fmt/format.h>

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace {

/// ffnvcodec's loader logs to stderr by default; here its words become the reason of the error. Only the entry point or
/// library it names is of interest, which is its last argument.
void note_missing(void* reason, const char* /*format*/, const char* what) {
  static_cast<std::string*>(reason)->assign(what);
}
void ignore_detail(void* /*reason*/, const char* /*format*/, const char* /*what*/) {}

}  // namespace

#define FFNV_LOG_FUNC(context, message, what) note_missing(context, message, what)
#define FFNV_DEBUG_LOG_FUNC(context, message, what) ignore_detail(context, message, what)
#include <ffnvcodec/dynlink_loader.h>

namespace zc::cuda {
namespace {

constexpr std::string_view kOperation = "load NVIDIA's driver";
constexpr const char* kLibrary = "libcuda.so.1";

/// Answers after which the context is dead ("sticky" errors) or the device is gone; cuda.h has the names.
constexpr std::array kLost{4, 46, 201, 214, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 802, 999};
/// There is no device, or the driver cannot do this on it: another way may.
constexpr std::array kUnsupported{3, 34, 35, 100, 101, 209, 222, 301, 303, 500, 800, 801, 803, 804};
constexpr int kOutOfMemory = 2;

ErrorKind kind_of(CUresult result) {
  const int code = static_cast<int>(result);
  if (code == kOutOfMemory) return ErrorKind::Busy;
  if (std::ranges::find(kLost, code) != kLost.end()) return ErrorKind::Lost;
  if (std::ranges::find(kUnsupported, code) != kUnsupported.end()) return ErrorKind::Unsupported;
  return ErrorKind::Internal;
}

void unload(CudaFunctions* functions) { cuda_free_functions(&functions); }

/// cuDriverGetVersion is in ffnvcodec's table from 12.1 on only.
int driver_version(void* library) {
  auto* get = reinterpret_cast<CUresult(CUDAAPI*)(int*)>(dlsym(library, "cuDriverGetVersion"));
  int version = 0;
  return get != nullptr && get(&version) == CUDA_SUCCESS ? version : 0;
}

MoreFunctions more_functions(void* library) {
  MoreFunctions more;
  more.graphics_gl_register_buffer = reinterpret_cast<decltype(MoreFunctions::graphics_gl_register_buffer)>(
      dlsym(library, "cuGraphicsGLRegisterBuffer"));
  more.mem_host_alloc = reinterpret_cast<decltype(MoreFunctions::mem_host_alloc)>(dlsym(library, "cuMemHostAlloc"));
  more.mem_free_host = reinterpret_cast<decltype(MoreFunctions::mem_free_host)>(dlsym(library, "cuMemFreeHost"));
  return more;
}

Result<std::shared_ptr<const Driver>> load_library() {
  // The loader tells nothing about why a library does not load; dlerror() does.
  const std::unique_ptr<void, int (*)(void*)> library(
      dlopen(kLibrary, RTLD_LAZY | RTLD_LOCAL), [](void* handle) { return handle == nullptr ? 0 : dlclose(handle); });
  if (!library) {
    const char* why = dlerror();
    return fail(ErrorKind::Unsupported, std::string(kOperation), why == nullptr ? kLibrary : why);
  }
  CudaFunctions* functions = nullptr;
  std::string missing;
  if (cuda_load_functions(&functions, &missing) != 0) {
    return fail(ErrorKind::Unsupported, std::string(kOperation), fmt::format("{} has no {}", kLibrary, missing));
  }
  return Driver::create({functions, unload}, driver_version(library.get()), more_functions(library.get()));
}

/// cuda.h's CU_DEVICE_ATTRIBUTE_PCI_*; FFmpeg's headers before 12.0 have only some of them.
constexpr int kPciBus = 33;
constexpr int kPciDevice = 34;
constexpr int kPciDomain = 50;

std::string pci_of(const CudaFunctions& api, CUdevice device) {
  if (api.cuDeviceGetAttribute == nullptr) return {};
  const auto attribute = [&](int which) {
    int value = -1;
    return api.cuDeviceGetAttribute(&value, static_cast<CUdevice_attribute>(which), device) == CUDA_SUCCESS ? value
                                                                                                            : -1;
  };
  const int domain = attribute(kPciDomain);
  const int bus = attribute(kPciBus);
  const int slot = attribute(kPciDevice);
  return domain < 0 || bus < 0 || slot < 0 ? std::string() : fmt::format("{:04x}:{:02x}:{:02x}.0", domain, bus, slot);
}

}  // namespace

std::string to_string(const Uuid& uuid) {
  std::string text = "GPU";
  for (std::size_t i = 0; i < uuid.size(); ++i) {
    text += fmt::format("{}{:02x}", i == 0 || i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid.at(i));
  }
  return text;
}

Driver::Driver(Functions functions, int version, const MoreFunctions& more)
    : functions_(std::move(functions)), more_(more), version_(version) {}
Driver::~Driver() = default;

Result<std::shared_ptr<const Driver>> Driver::load() {
  // A failure is not kept: it costs a failed dlopen(), and the driver may be installed or its module loaded meanwhile.
  static std::mutex mutex;
  static std::shared_ptr<const Driver> loaded;
  const std::scoped_lock lock(mutex);
  if (loaded) return loaded;
  auto driver = load_library();
  if (driver) loaded = *driver;
  return driver;
}

Result<std::shared_ptr<const Driver>> Driver::create(Functions functions, int version, const MoreFunctions& more,
                                                     const std::filesystem::path& root) {
  std::shared_ptr<Driver> driver(new Driver(std::move(functions), version, more));
  if (auto ok = driver->check(driver->api().cuInit(0), "start NVIDIA's driver"); !ok) {
    ok.error().kind = ErrorKind::Unsupported;  // there never was one
    if (const std::string advice = nvidia_module_advice(root); !advice.empty()) ok.error().detail += "; " + advice;
    return std::unexpected(std::move(ok.error()));
  }
  return driver;
}

std::string Driver::version_text() const {
  return version_ == 0 ? "unknown" : fmt::format("{}.{}", version_ / 1000, version_ % 1000 / 10);
}

Result<void> Driver::check(CUresult result, std::string_view operation) const {
  if (result == CUDA_SUCCESS) return {};
  const char* name = nullptr;
  const char* words = nullptr;
  if (api().cuGetErrorName(result, &name) != CUDA_SUCCESS) name = nullptr;
  if (api().cuGetErrorString(result, &words) != CUDA_SUCCESS) words = nullptr;
  std::string detail = name == nullptr ? fmt::format("CUDA error {}", static_cast<int>(result)) : name;
  if (words != nullptr) detail += fmt::format(": {}", words);
  return std::unexpected(
      Error{kind_of(result), ErrorDomain::Gpu, static_cast<int>(result), std::string(operation), std::move(detail)});
}

Result<std::vector<Device>> Driver::devices() const {
  constexpr std::string_view kList = "list the NVIDIA devices";
  constexpr int kNameBytes = 256;
  int count = 0;
  if (auto ok = check(api().cuDeviceGetCount(&count), kList); !ok) return std::unexpected(std::move(ok.error()));
  if (count == 0) return fail(ErrorKind::Unsupported, std::string(kList), "the driver has no device");
  std::vector<Device> devices;
  for (int ordinal = 0; ordinal < count; ++ordinal) {
    Device device{.ordinal = ordinal, .handle = 0, .name = {}, .uuid = {}, .pci = {}};
    if (auto ok = check(api().cuDeviceGet(&device.handle, ordinal), kList); !ok) {
      return std::unexpected(std::move(ok.error()));
    }
    std::array<char, kNameBytes> name{};
    if (auto ok = check(api().cuDeviceGetName(name.data(), kNameBytes - 1, device.handle), kList); !ok) {
      return std::unexpected(std::move(ok.error()));
    }
    device.name = name.data();
    CUuuid uuid{};
    if (api().cuDeviceGetUuid != nullptr && api().cuDeviceGetUuid(&uuid, device.handle) == CUDA_SUCCESS) {
      Uuid& bytes = device.uuid.emplace();
      std::ranges::transform(uuid.bytes, bytes.begin(), [](char byte) { return static_cast<std::uint8_t>(byte); });
    }
    device.pci = pci_of(api(), device.handle);
    devices.push_back(std::move(device));
  }
  return devices;
}

}  // namespace zc::cuda
