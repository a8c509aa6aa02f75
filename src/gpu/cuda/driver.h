// NVIDIA's libcuda.so.1, loaded at run time: the program starts on a machine without it.
#pragma once

#include "base/error.h"

#include <ffnvcodec/dynlink_cuda.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The entry points; complete in <ffnvcodec/dynlink_loader.h>.
struct CudaFunctions;

namespace zc::cuda {

class Context;

/// The driver's name for a device; Vulkan's deviceUUID and EGL's device UUID hold the same bytes.
using Uuid = std::array<std::uint8_t, 16>;
/// As nvidia-smi prints it: "GPU-6f4c0e0a-....".
[[nodiscard]] std::string to_string(const Uuid& uuid);

/// Entry points that ffnvcodec's table lacks; null where the driver does not have them either.
struct MoreFunctions {
  CUresult(CUDAAPI* graphics_gl_register_buffer)(CUgraphicsResource* resource, GLuint buffer, unsigned flags) = nullptr;
  // Page-locked memory of the host.
  CUresult(CUDAAPI* mem_host_alloc)(void** host, std::size_t bytes, unsigned flags) = nullptr;
  CUresult(CUDAAPI* mem_free_host)(void* host) = nullptr;
};

struct Device {
  int ordinal = 0;  ///< as CUDA counts them; CUDA_VISIBLE_DEVICES changes it
  CUdevice handle = 0;
  std::string name;
  std::optional<Uuid> uuid;  ///< a driver before 9.2 does not tell
  std::string pci;           ///< "0000:01:00.0"; empty: the driver does not tell
};

/// The initialised driver. Immutable but for its list of live contexts; any thread may make every call.
class Driver {
 public:
  /// Frees what loading made: dlclose() for the real library, nothing for a test's table.
  using Functions = std::unique_ptr<CudaFunctions, void (*)(CudaFunctions*)>;

  /// The process's driver, loaded by the first call that succeeds and kept until the end of the process. cuInit() may
  /// wake a sleeping discrete GPU. Unsupported: no library, one that lacks entry points, no device, or a kernel module
  /// that does not fit the library; the detail says which.
  [[nodiscard]] static Result<std::shared_ptr<const Driver>> load();
  /// From a filled table; calls cuInit(). `version` as version(); `root` is where /sys and /dev are looked for.
  [[nodiscard]] static Result<std::shared_ptr<const Driver>> create(Functions functions, int version,
                                                                    const MoreFunctions& more = {},
                                                                    const std::filesystem::path& root = "/");

  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;
  ~Driver();

  [[nodiscard]] const CudaFunctions& api() const { return *functions_; }
  [[nodiscard]] const MoreFunctions& more() const { return more_; }
  /// The newest CUDA version the driver speaks, 1000 * major + 10 * minor; 0 when it does not tell.
  [[nodiscard]] int version() const { return version_; }
  /// "12.4", or "unknown".
  [[nodiscard]] std::string version_text() const;
  /// Every device the driver shows, in its order. Unsupported: there is none.
  [[nodiscard]] Result<std::vector<Device>> devices() const;

  /// An answer of the driver as a Result; the detail is the driver's own name and words ("CUDA_ERROR_OUT_OF_MEMORY: out
  /// of memory"). Lost: the context or the device is gone and nothing on it works any more. Busy: no memory just now.
  [[nodiscard]] Result<void> check(CUresult result, std::string_view operation) const;

 private:
  friend class Context;
  Driver(Functions functions, int version, const MoreFunctions& more);

  Functions functions_;
  MoreFunctions more_;
  int version_;
  mutable std::mutex mutex_;                                                    ///< contexts_
  mutable std::vector<std::pair<int, std::weak_ptr<const Context>>> contexts_;  ///< by ordinal
};

}  // namespace zc::cuda
