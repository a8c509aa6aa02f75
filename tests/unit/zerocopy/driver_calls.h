// Every call into a GPU driver that may fail, and every object it hands out: counted, and failed on request.
#pragma once

#include <map>
#include <memory>
#include <string>

struct CudaFunctions;

namespace zc {
namespace cuda {
struct MoreFunctions;
}
class GlDevice;
class VulkanDevice;
}  // namespace zc

namespace zc::test {

/// In the words of each driver.
enum class DriverFailure {
  NoMemory,  ///< VK_ERROR_OUT_OF_DEVICE_MEMORY, CUDA_ERROR_OUT_OF_MEMORY, GL_OUT_OF_MEMORY, EGL_BAD_ALLOC
  Lost,      ///< VK_ERROR_DEVICE_LOST, CUDA_ERROR_UNKNOWN, GL_CONTEXT_LOST, EGL_CONTEXT_LOST
};

/// Of all hooked devices of the process together; one thread makes every call.
class DriverCalls {
 public:
  /// From now on the calls of this device, on which nothing has been made yet, are counted.
  static void hook(VulkanDevice& device);
  static void hook(GlDevice& device);
  static void hook(CudaFunctions& table);
  static void hook(cuda::MoreFunctions& table);

  /// The `at`-th call that may fail (1: the next one) does, once. 0: none. A wait that fails has waited.
  static void fail_at(unsigned at, DriverFailure how);
  /// The name of the call that failed since; empty: none yet.
  [[nodiscard]] static std::string failed();
  /// Made through the hooks and not given back, by kind ("Image": 2); only those there are.
  [[nodiscard]] static std::map<std::string, long> live();

  /// How many objects were made so far, given back or not. GL's fences are not among them: each frame has a new one.
  [[nodiscard]] static unsigned long made();

  /// While the result lives every import of a dmabuf is refused, as by a driver that lists more than it takes.
  [[nodiscard]] static std::shared_ptr<void> refuse_imports();
};

}  // namespace zc::test
